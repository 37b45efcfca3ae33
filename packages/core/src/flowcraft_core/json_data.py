"""JSON data, which is all that a blueprint can hold: what is none is told, and what is some is copied.

Read back, data must be what it was: a blueprint has a hash, by which other processes know it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final

#: How many lists and objects may nest in one another.
MAX_DEPTH: Final = 100
# Python neither writes nor reads numbers of more than some 4,300 digits.
_MAX_BITS: Final = 14_000
_NESTED: Final = (dict, list)


def fault_in(value: Any, depth: int = 0) -> tuple[str, str] | None:
    """What of a value is no JSON data, as the way to the part and what is wrong with it; None if all of it is.

    A tuple counts as a list. Keys have to be text: others would come back as text, and in another order.
    """
    if value is None or isinstance(value, (str, bool)):
        return None
    if isinstance(value, int):
        return ("", "must be JSON data, and is a number of too many digits") if value.bit_length() > _MAX_BITS else None
    if isinstance(value, float) and math.isfinite(value):
        return None
    if not isinstance(value, (Mapping, list, tuple)):
        return "", f"must be JSON data, not {_shown(value)}"
    if depth >= MAX_DEPTH:
        return "", f"nests more than {MAX_DEPTH} levels deep, or contains itself: flatten it"
    is_object = isinstance(value, Mapping)
    for key, item in value.items() if isinstance(value, Mapping) else enumerate(value):
        if is_object and not isinstance(key, str):
            return "", f"must be JSON data, whose keys are text, and has the key {_shown(key)}"
        fault = fault_in(item, depth + 1)
        if fault is not None:
            return f"{f'.{key}' if is_object else f'[{key}]'}{fault[0]}", fault[1]
    return None


def _shown(value: object) -> str:
    try:
        return f"{value!r:.80}"
    except Exception:
        return f"a {type(value).__name__}"


def plain(value: Any) -> Any:
    """A copy of JSON data, as it would be read back: of nothing but JSON's own types."""
    if isinstance(value, str):
        return str.__str__(value)
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return int.__int__(value)
    if isinstance(value, float):
        return float.__float__(value)
    if isinstance(value, Mapping):
        return {str.__str__(key): plain(item) for key, item in value.items()}
    return [plain(item) for item in value]


def owned(value: Any) -> Any:
    """A copy of what is given, if it is JSON data; anything else as it is, for others to refuse."""
    return value if fault_in(value) is not None else plain(value)


def copy_of(value: Any) -> Any:
    """A copy of what ``plain`` has made: cheaper, and of all that can be changed."""
    if type(value) is dict:
        return {key: copy_of(item) if type(item) in _NESTED else item for key, item in value.items()}
    return [copy_of(item) if type(item) in _NESTED else item for item in value]
