"""How each type is stored: the built-in ones in a table, and what registered classes get by their kind."""

from __future__ import annotations

import base64
import dataclasses
import inspect
import math
from collections.abc import Callable
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum, Flag
from operator import attrgetter
from types import NoneType
from typing import Any, Final, NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

import attrs

from ..errors import SerializationError
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
    # Looked up on the way out too: a zone without a key, or of a file of its own, could not be found again.
    Codec("zoneinfo", ZoneInfo, lambda zone: ZoneInfo(zone.key).key, ZoneInfo, str),
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


def _flag_codec(tag: str, cls: Any) -> Codec:
    # By value: a combination of flags is not a member with a name of its own.
    return Codec(tag, cls, attrgetter("value"), cls, int)


def _enum_codec(tag: str, cls: Any) -> Codec:
    # By name: always a string, whatever the values are, and it outlives a change of them.
    return Codec(tag, cls, attrgetter("name"), cls.__members__.__getitem__, str)


def _named_tuple_codec(tag: str, cls: Any) -> Codec:
    return Codec(tag, cls, lambda value: value._asdict(), lambda fields: cls(**fields), dict)


def _record_codec(tag: str, cls: Any) -> Codec:
    """Store the declared fields of an attrs class or dataclass; rebuild through its constructor and its checks."""
    arguments: dict[str, str | None]  # per field; None for a field that the constructor sets by itself
    if attrs.has(cls):
        arguments = {field.name: field.alias if field.init else None for field in attrs.fields(cls)}
    else:
        arguments = {field.name: field.name if field.init else None for field in dataclasses.fields(cls)}
    try:
        inspect.signature(cls).bind(**{argument: None for argument in arguments.values() if argument})
    except TypeError as error:
        raise SerializationError(f"{name_of(cls)} is not built from its fields ({error}); {NEEDS_BOTH}") from error

    def encode(value: object) -> object:
        return {name: getattr(value, name) for name in arguments}

    def decode(fields: dict[str, object]) -> object:
        # A field that the class does not have goes to the constructor, which refuses it: dropping it would lose data.
        given = {name: arguments.get(name, name) for name in fields}
        value = cls(**{argument: fields[name] for name, argument in given.items() if argument})
        for name in (name for name, argument in given.items() if not argument):
            object.__setattr__(value, name, fields[name])  # the class may be frozen
        return value

    return Codec(tag, cls, encode, decode, dict)


def _is_record(cls: type) -> bool:
    # A record that is also a list or a dict holds more than its fields.
    return (attrs.has(cls) or dataclasses.is_dataclass(cls)) and not issubclass(cls, BUILT_IN)


_RECIPES: Final[tuple[tuple[Callable[[type], bool], Callable[[str, Any], Codec]], ...]] = (
    (lambda cls: issubclass(cls, Flag), _flag_codec),
    (lambda cls: issubclass(cls, Enum), _enum_codec),
    (lambda cls: issubclass(cls, tuple) and hasattr(cls, "_fields"), _named_tuple_codec),
    (_is_record, _record_codec),
)
NEEDS_BOTH: Final = "register it with both encode=... and decode=..."


def recipe_for(cls: type) -> Callable[[str, Any], Codec] | None:
    return next((recipe for applies, recipe in _RECIPES if applies(cls)), None)


def name_of(cls: type) -> str:
    return cls.__qualname__ if cls.__module__ == "builtins" else f"{cls.__module__}.{cls.__qualname__}"
