"""How much memory values take: from above, by the text that they are read from, and about, by what they are.

What JSON becomes in Python depends on how many lists, objects, members and characters it has, and those are counted in
no time, before anything is made of it. The estimate is an upper bound, by up to four times, since the kinds of the
members are not known. It is what decides whether a record is read at all.

What is kept is weighed once it is there: Python knows what each object takes. Of long lists some members are looked at,
and speak for the others, so that it costs less than a millisecond whatever there is. It is off where few members are
unlike all others; by how much at most, the bound from the text says.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from itertools import chain, islice
from sys import getsizeof
from types import FunctionType, MethodType, ModuleType
from typing import Any

#: The most that the values of one record may weigh, bytes of memory; a heavier one is neither written nor read.
MAX_WEIGHT = 160 * 1024 * 1024

# Bytes per list or object, per member with its place in a list, and per entry of an object on top of that.
_PER_CONTAINER, _PER_MEMBER, _PER_ENTRY = 72, 60, 130

# A string takes one byte per character, or two or four if one of its characters does. The last are told by their first
# byte, or by the escape that they may be written with.
_ESCAPE = b"\\u"
_WIDEST = (*(bytes([lead]) for lead in range(0xF0, 0xF5)), _ESCAPE)

# A string, or the rest of the text if it has no end: so that nothing is looked through twice.
_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?', re.DOTALL)

# Strings that are longer than this on average may consist of brackets and commas, and are few.
_LONG = 32

# By how many times the bound from the text may be too high.
_TOO_HIGH = 8

# So many objects are looked at to weigh a value, and so many members of one list or dict.
_LOOKS, _MEMBERS = 1024, 64

# What there is once only, whoever has it.
_SHARED = frozenset((bool, type(None), type(...), type, FunctionType, MethodType, ModuleType))
_SMALL = range(-5, 257)

_PLAIN = (str, int, float, bytes)

# Py_TPFLAGS_HEAPTYPE: the type was made while the program ran, most by a class statement.
_HEAP_TYPE = 1 << 9


def weight_of(text: bytes, limit: int = MAX_WEIGHT) -> int:
    """The bytes of memory that the values in a JSON text take, about, and never much more than that.

    Args:
        text: UTF-8.
        limit: Above it the text is looked at more closely, so that brackets and commas within strings do not count. So
            it is where strings are long.
    """
    if text.isascii():
        characters = len(text) * (4 if _ESCAPE in text else 1)
    else:
        characters = len(text) * (4 if any(wide in text for wide in _WIDEST) else 2)
    structure = _structure(text)
    are_long = structure > characters and len(text) > _LONG * text.count(b'"')
    if not are_long and characters + structure <= limit:
        return characters + structure
    weight, start = characters, 0
    for string in _STRING.finditer(text):
        weight += _structure(text, start, string.start())
        start = string.end()
        if weight > limit:
            return weight
    return weight + _structure(text, start)


def _structure(text: bytes, start: int = 0, end: int | None = None) -> int:
    count = text.count
    containers = count(b"[", start, end) + count(b"{", start, end)
    members, entries = count(b",", start, end), count(b":", start, end)
    return containers * _PER_CONTAINER + members * _PER_MEMBER + entries * _PER_ENTRY


def taken_by(values: Iterable[Any], bound: int) -> int:
    """The bytes of memory that values take, about.

    Args:
        values: The values.
        bound: What they weigh by ``weight_of`` the text that they are read from.
    """
    return max(bound // _TOO_HIGH, min(looked_at(values), 2 * bound))


def looked_at(values: Iterable[Any]) -> int:
    """The bytes of memory that values take, by those that are looked at."""
    seen: set[int] = set()
    total = 0.0
    # Each with how many objects it speaks for, and how many of those inside of it are looked at.
    left = [(value, 1.0, _LOOKS) for value in values]
    while left:
        thing, times, looks = left.pop()
        kind = type(thing)
        if (
            kind in _SHARED
            or (kind is int and thing in _SMALL)
            or (kind is str and len(thing) < 2)
            or id(thing) in seen
        ):
            continue
        seen.add(id(thing))
        if (go_through := _CONTAINERS.get(kind)) is None:
            total += times * _size(thing)
            left += [(part, times, looks) for part in _parts(thing)]
            continue
        total += times * getsizeof(thing)
        if members := len(thing) * (2 if kind is dict else 1):
            step = members // min(members, looks, _MEMBERS) | 1  # odd: of what alternates both are seen
            some = list(islice(go_through(thing), 0, None, step))
            share, each = times * members / len(some), max(1, looks // len(some))
            left += [(member, share, each) for member in some]
    return int(total)


def _entries(thing: dict[Any, Any]) -> Iterator[Any]:
    return chain.from_iterable(thing.items())


_CONTAINERS: dict[type, Callable[[Any], Iterator[Any]]] = {
    dict: _entries, list: iter, tuple: iter, set: iter, frozenset: iter, deque: iter,
}  # fmt: skip


def _size(thing: Any) -> int:
    """What an object takes without its parts; of one that is no plain data what its class says, if it can."""
    if type(thing) in _PLAIN:
        return getsizeof(thing)
    try:
        size, data = getsizeof(thing, 0), getattr(thing, "nbytes", 0)  # an array may look into the data of another one
    except Exception:  # whatever it is, the bound from the text holds
        return 0
    return max(size, data) if isinstance(data, int) else size


def _parts(thing: Any) -> list[Any]:
    """The attributes of an object; one of a type that is written in C has none that are objects of their own."""
    if not type(thing).__flags__ & _HEAP_TYPE:
        return []
    parts = [vars(thing)] if type(getattr(thing, "__dict__", None)) is dict else []
    for kind in type(thing).__mro__:
        slots = vars(kind).get("__slots__", ())
        parts += [getattr(thing, name, None) for name in ((slots,) if isinstance(slots, str) else slots)]
    return parts
