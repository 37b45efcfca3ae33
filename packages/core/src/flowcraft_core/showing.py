"""Any value as JSON that people and programs can read: for looking at, never for reading a value back.

What the engine stores is more than JSON can say: keys that are no strings, numbers that are none, text that UTF-8
cannot hold, classes. Here each has a form, and nothing raises: a run with an odd value in it is looked at as any other.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

import attrs

#: Deeper than what can be stored, and shallower than what the interpreter can walk through.
DEEPEST: Final = 220

_CUT: Final = "…"
# An int of fewer bits has fewer digits than the least limit that the interpreter can be given.
_SHORT_BITS: Final = 2_000


def as_json(value: Any, *, indent: int | None = None) -> str:
    """A value as JSON text (RFC 8259) that UTF-8 can hold.

    Args:
        value: Any value.
        indent: Spaces by which each level is moved in, on lines of its own; None for one line.
    """
    return json.dumps(printable(value), ensure_ascii=False, allow_nan=False, indent=indent)


def printable(value: Any, depth: int = 0) -> Any:
    """A value made of dicts with string keys, lists, strings, finite numbers, booleans and None.

    A number that JSON lacks is its name (``"NaN"``), an int of too many digits is its hexadecimal text, half of a
    surrogate pair is its escape, a set is a list in some fixed order, and what else JSON has no form for is as Python
    shows it. A mapping of which two keys would be the same is a list of pairs.

    Args:
        value: Any value.
        depth: In how many lists and mappings it stands.
    """
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return legible(value)
    if isinstance(value, int):
        return int(value) if _has_digits(value) else hex(value)
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else _number(value)
    if depth > DEEPEST:
        return _CUT
    if attrs.has(type(value)):
        value = {name.name: getattr(value, name.name, _CUT) for name in attrs.fields(type(value))}
    if isinstance(value, Mapping):
        pairs = [(name_of(key), printable(each, depth + 1)) for key, each in value.items()]
        found = dict(pairs)
        return found if len(found) == len(pairs) else [list(pair) for pair in pairs]
    if isinstance(value, (set, frozenset)):
        value = sorted(value, key=_told)
    if isinstance(value, (list, tuple)):
        return [printable(each, depth + 1) for each in value]
    return value.isoformat() if isinstance(value, datetime) else _told(value)


def name_of(key: object) -> str:
    """The key of a mapping, as text."""
    if isinstance(key, str):
        return legible(key)
    plain = printable(key) if key is None or isinstance(key, (bool, int, float)) else _told(key)
    return plain if isinstance(plain, str) else json.dumps(plain)


def legible(text: str) -> str:
    """A text that UTF-8 can hold: half of a surrogate pair is written as an escape."""
    return str.encode(text, "utf-8", "backslashreplace").decode()


def _has_digits(value: int) -> bool:
    """Whether an int can be written in decimal."""
    limit = sys.get_int_max_str_digits()
    return not limit or value.bit_length() < _SHORT_BITS or abs(value) < 10**limit


def _number(value: float) -> str:
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def _told(value: object) -> str:
    """What Python shows of a value, where its class lets it."""
    try:
        return legible(repr(value))
    except Exception:
        return f"<{type(value).__name__} that cannot be shown>"
