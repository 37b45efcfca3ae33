"""How each built-in type is stored, in a table."""

from __future__ import annotations

import base64
import math
from collections.abc import Callable
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from types import NoneType
from typing import Any, Final, NamedTuple
from uuid import UUID

from ..texts import is_text

# Python may refuse ints of more than 640 digits in decimal text (sys.set_int_max_str_digits), but never in hexadecimal.
WIDE_INT: Final = 1 << 2048


class Codec(NamedTuple):
    """How a type is stored: encoded to a simpler value, and decoded from a payload of the given shape."""

    tag: str
    cls: type
    encode: Callable[[Any], object]
    decode: Callable[[Any], object]
    shape: type | tuple[type, ...]


def _zone_arguments(zone: Any) -> list[Any]:
    return list(zone.__getinitargs__())  # the offset, and the name if it was given one


def _is_iso_zone(zone: object) -> bool:
    if type(zone) is not timezone:
        return zone is None
    offset, *name = _zone_arguments(zone)
    return not name and not offset.microseconds  # Python reads an offset of less than a second as UTC


def _encode_moment(moment: Any) -> object:
    """Encode a datetime or time as ISO text where that says all of its zone and fold, else as the three parts."""
    if moment.fold == 0 and _is_iso_zone(moment.tzinfo):
        return moment.isoformat()
    return {"local": moment.replace(tzinfo=None).isoformat(), "tzinfo": moment.tzinfo, "fold": moment.fold}


def _decode_moment(cls: Any, payload: Any) -> object:
    if type(payload) is str:
        return cls.fromisoformat(payload)
    return cls.fromisoformat(payload["local"]).replace(tzinfo=payload["tzinfo"], fold=payload["fold"])


def _decode_pairs(pairs: list[Any]) -> dict[Any, Any]:
    if not all(type(pair) is list for pair in pairs):
        raise ValueError("an entry is not a list of a key and a value")
    return dict(pairs)


TABLE: Final = (
    # Most ints, floats, strings and dicts are plain JSON; their rows are for those that JSON text cannot hold.
    Codec("int", int, hex, lambda text: int(text, 16), str),
    Codec("float", float, repr, float, str),
    Codec(
        "str", str, lambda s: s.encode("utf-8", "surrogatepass"), lambda b: b.decode("utf-8", "surrogatepass"), bytes
    ),
    Codec("dict", dict, dict.items, _decode_pairs, list),
    Codec("tuple", tuple, list, tuple, list),
    Codec("set", set, list, set, list),
    Codec("frozenset", frozenset, list, frozenset, list),
    Codec("bytes", bytes, lambda b: base64.b64encode(b).decode(), lambda s: base64.b64decode(s, validate=True), str),
    Codec("bytearray", bytearray, bytes, bytearray, bytes),
    Codec("decimal", Decimal, str, Decimal, str),
    Codec("uuid", UUID, str, UUID, str),
    Codec("date", date, date.isoformat, date.fromisoformat, str),
    Codec("time", time, _encode_moment, lambda payload: _decode_moment(time, payload), (str, dict)),
    Codec("datetime", datetime, _encode_moment, lambda payload: _decode_moment(datetime, payload), (str, dict)),
    Codec("timedelta", timedelta, lambda d: [d.days, d.seconds, d.microseconds], lambda d: timedelta(*d), list),
    Codec("timezone", timezone, _zone_arguments, lambda arguments: timezone(*arguments), list),
)


# The scalars of JSON, each with the test for the values that JSON text can hold as they are.
PLAIN: Final[dict[type, Callable[[Any], bool]]] = {
    NoneType: lambda _: True,
    bool: lambda _: True,
    int: lambda value: -WIDE_INT < value < WIDE_INT,
    float: math.isfinite,
    str: is_text,
}
BUILT_IN: Final = (*PLAIN, list, *(codec.cls for codec in TABLE))


def name_of(cls: type) -> str:
    return cls.__qualname__ if cls.__module__ == "builtins" else f"{cls.__module__}.{cls.__qualname__}"
