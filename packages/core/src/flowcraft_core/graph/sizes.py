"""How large a value becomes when it is copied: its parts may be shared, and a copy has each as often as it is met.

A transform such as ``[input, input]`` costs nothing, however large the input is, for it makes no copy. The next one
makes four of it, and so on: what a few edges give has more values than any memory. So whatever a blueprint puts
together is measured before it is copied, in one pass over what is really there.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

from ..errors import FlowcraftError

#: Values, and characters of text or bytes, that a copy may have beyond what is really there.
MAX_VALUES = 2_000_000
MAX_CHARACTERS = 64 * 1024 * 1024

# Values that nest deeper are refused where they are copied.
_DEEP = 250

_LEAVES = frozenset({type(None), bool, int, float})


class TooLargeError(FlowcraftError):
    """A value would be too large as a copy."""


def require_modest(value: Any, what: str) -> None:
    """See to it that a value is not much larger as a copy than it is.

    Args:
        value: What is about to be copied or stored.
        what: What it is called in the error.

    Raises:
        TooLargeError: Its copy would have more than ``MAX_VALUES`` values, or ``MAX_CHARACTERS`` characters, that are
            there once only.
    """
    if type(value) in _LEAVES:
        return
    known: dict[int, tuple[int, int, Any]] = {}
    values, characters = _measure(value, known, 0)
    if values <= MAX_VALUES and characters <= MAX_CHARACTERS:
        return
    there = [_own(part) for _, _, part in known.values()]
    repeated = values - sum(count for count, _ in there), characters - sum(length for _, length in there)
    if repeated[0] > MAX_VALUES or repeated[1] > MAX_CHARACTERS:
        raise TooLargeError(
            f"{what} would be {values} values with {characters} characters, most of them the same again and again; at "
            f"most {MAX_VALUES} values and {MAX_CHARACTERS} characters are repeated: let a step make less of it"
        )


def _measure(value: Any, known: dict[int, tuple[int, int, Any]], depth: int) -> tuple[int, int]:
    """How many values and characters a copy would have; each part is looked at once."""
    if type(value) in _LEAVES:
        return 1, 0
    found = known.get(id(value))
    if found is not None:
        return found[0], found[1]
    known[id(value)] = (1, 0, value)  # in case it contains itself, which is refused where it is copied
    values, characters = 1, len(value) if isinstance(value, (str, bytes, bytearray)) else 0
    if depth < _DEEP:
        for part in _parts(value):
            if type(part) in _LEAVES:
                values += 1
            else:
                count, length = _measure(part, known, depth + 1)
                values, characters = values + count, characters + length
    known[id(value)] = (values, characters, value)
    return values, characters


def _own(value: Any) -> tuple[int, int]:
    """What a part is without the parts that are counted for themselves."""
    return (
        1 + sum(type(part) in _LEAVES for part in _parts(value)),
        len(value) if isinstance(value, (str, bytes, bytearray)) else 0,
    )


def _parts(value: Any) -> Any:
    kind = type(value)
    if kind in (list, tuple, set, frozenset):
        return value
    if kind is dict:
        return value.values()
    if kind in (str, bytes, bytearray) or isinstance(value, Mapping):
        return ()
    if attrs.has(kind):
        return [getattr(value, field.name, None) for field in attrs.fields(kind)]
    return list(vars(value).values()) if hasattr(value, "__dict__") else ()
