"""Python values to JSON text and back, losslessly: how step outputs, context values and edge values travel.

A plain JSON value is stored as itself, so stored data stays readable and other programs' JSON reads as it is. Any
other value is stored as a tagged object of exactly two keys, ``{"$type": tag, "value": payload}``, whose payload is a
simpler value stored by the same rules. A dict that JSON cannot hold as it is (keys that are not strings, or the key
``"$type"``) is stored under the tag ``dict`` as a list of pairs. The table ``_TABLE`` lists every built-in tag.

Types are exact: ``1``, ``1.0`` and ``True`` stay apart, and a subclass is never stored as its base. Tags restore the
built-in types and registered classes only; nothing is imported by name and no code travels.
"""

from __future__ import annotations

import base64
import dataclasses
import inspect
import json
import math
from collections.abc import Callable, Container, Iterable
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum, Flag
from operator import attrgetter
from types import NoneType
from typing import Any, Final, NamedTuple, NoReturn, TypeAlias, TypeVar
from uuid import UUID
from zoneinfo import ZoneInfo

import attrs

from .errors import SerializationError

T = TypeVar("T")
JsonValue: TypeAlias = "bool | int | float | str | list[JsonValue] | dict[str, JsonValue] | None"

MAX_DEPTH: Final = 200
"""How many JSON lists and objects may nest in one another; a stored tuple is two: its tagged object and the list."""

_TAG, _PAYLOAD = "$type", "value"
# Python may refuse ints of more than 640 digits in decimal text (sys.set_int_max_str_digits), but never in hexadecimal.
_WIDE_INT: Final = 1 << 2048
# A level of a value costs at most three levels of JSON: one this shallow needs no exact count to be inside MAX_DEPTH.
_FAST_DEPTH: Final = 32


class _PartError(Exception):
    """Why one part of a value is refused; each container on the way out adds its step to the path, innermost first."""

    def __init__(self, problem: str) -> None:
        self.problem = problem
        self.path: list[str] = []

    def __str__(self) -> str:
        steps = self.path[::-1]
        if len(steps) > 12:
            steps[6:-3] = ["[...]"]
        return f"value{''.join(steps)} {self.problem}"


class _NotPlainError(Exception):
    """The value is more than shallow lists and string-keyed dicts of plain scalars, so it takes the exact path."""


class _Codec(NamedTuple):
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


_TABLE: Final = (
    # Most ints, floats, strings and dicts are plain JSON; their rows are for those that JSON text cannot hold.
    _Codec("int", int, hex, lambda text: int(text, 16), str),
    _Codec("float", float, repr, float, str),
    _Codec(
        "str", str, lambda s: s.encode("utf-8", "surrogatepass"), lambda b: b.decode("utf-8", "surrogatepass"), bytes
    ),
    _Codec("dict", dict, dict.items, _decode_pairs, list),
    _Codec("tuple", tuple, list, tuple, list),
    _Codec("set", set, list, set, list),
    _Codec("frozenset", frozenset, list, frozenset, list),
    _Codec("bytes", bytes, lambda b: base64.b64encode(b).decode(), lambda s: base64.b64decode(s, validate=True), str),
    _Codec("bytearray", bytearray, bytes, bytearray, bytes),
    _Codec("decimal", Decimal, str, Decimal, str),
    _Codec("uuid", UUID, str, UUID, str),
    _Codec("date", date, date.isoformat, date.fromisoformat, str),
    _Codec("time", time, _encode_moment, lambda payload: _decode_moment(time, payload), (str, dict)),
    _Codec("datetime", datetime, _encode_moment, lambda payload: _decode_moment(datetime, payload), (str, dict)),
    _Codec("timedelta", timedelta, lambda d: [d.days, d.seconds, d.microseconds], lambda d: timedelta(*d), list),
    _Codec("timezone", timezone, _zone_arguments, lambda arguments: timezone(*arguments), list),
    # Looked up on the way out too: a zone without a key, or of a file of its own, could not be found again.
    _Codec("zoneinfo", ZoneInfo, lambda zone: ZoneInfo(zone.key).key, ZoneInfo, str),
)
_UNORDERED: Final = frozenset({set, frozenset})


def _is_text(value: str) -> bool:
    """Tell a string that UTF-8 can hold from one with lone surrogates, which no queue or database would take."""
    try:
        return value.isascii() or bool(value.encode())
    except UnicodeEncodeError:
        return False


# The scalars of JSON, each with the test for the values that JSON text can hold as they are.
_PLAIN: Final[dict[type, Callable[[Any], bool]]] = {
    NoneType: lambda _: True,
    bool: lambda _: True,
    int: lambda value: -_WIDE_INT < value < _WIDE_INT,
    float: math.isfinite,
    str: _is_text,
}
_BUILT_IN: Final = (*_PLAIN, list, *(codec.cls for codec in _TABLE))

# Scalars that the fast paths pass over: those that copy() may share, and those that the JSON encoder takes or refuses
# rightly by itself. It would take wider ints than _PLAIN does.
_IMMUTABLE: Final = frozenset({*_PLAIN, bytes, Decimal, UUID, date, timedelta})
_ENCODABLE: Final = frozenset({NoneType, bool, float, str})


def _flag_codec(tag: str, cls: Any) -> _Codec:
    # By value: a combination of flags is not a member with a name of its own.
    return _Codec(tag, cls, attrgetter("value"), cls, int)


def _enum_codec(tag: str, cls: Any) -> _Codec:
    # By name: always a string, whatever the values are, and it outlives a change of them.
    return _Codec(tag, cls, attrgetter("name"), cls.__members__.__getitem__, str)


def _named_tuple_codec(tag: str, cls: Any) -> _Codec:
    return _Codec(tag, cls, lambda value: value._asdict(), lambda fields: cls(**fields), dict)


def _record_codec(tag: str, cls: Any) -> _Codec:
    """Store the declared fields of an attrs class or dataclass; rebuild through its constructor and its checks."""
    arguments: dict[str, str | None]  # per field; None for a field that the constructor sets by itself
    if attrs.has(cls):
        arguments = {field.name: field.alias if field.init else None for field in attrs.fields(cls)}
    else:
        arguments = {field.name: field.name if field.init else None for field in dataclasses.fields(cls)}
    try:
        inspect.signature(cls).bind(**{argument: None for argument in arguments.values() if argument})
    except TypeError as error:
        raise SerializationError(f"{_name(cls)} is not built from its fields ({error}); {_NEEDS_BOTH}") from error

    def encode(value: object) -> object:
        return {name: getattr(value, name) for name in arguments}

    def decode(fields: dict[str, object]) -> object:
        # A field that the class does not have goes to the constructor, which refuses it: dropping it would lose data.
        given = {name: arguments.get(name, name) for name in fields}
        value = cls(**{argument: fields[name] for name, argument in given.items() if argument})
        for name in (name for name, argument in given.items() if not argument):
            object.__setattr__(value, name, fields[name])  # the class may be frozen
        return value

    return _Codec(tag, cls, encode, decode, dict)


def _is_record(cls: type) -> bool:
    # A record that is also a list or a dict holds more than its fields.
    return (attrs.has(cls) or dataclasses.is_dataclass(cls)) and not issubclass(cls, _BUILT_IN)


_RECIPES: Final[tuple[tuple[Callable[[type], bool], Callable[[str, Any], _Codec]], ...]] = (
    (lambda cls: issubclass(cls, Flag), _flag_codec),
    (lambda cls: issubclass(cls, Enum), _enum_codec),
    (lambda cls: issubclass(cls, tuple) and hasattr(cls, "_fields"), _named_tuple_codec),
    (_is_record, _record_codec),
)
_NEEDS_BOTH: Final = "register it with both encode=... and decode=..."


def _recipe(cls: type) -> Callable[[str, Any], _Codec] | None:
    return next((recipe for applies, recipe in _RECIPES if applies(cls)), None)


def _name(cls: type) -> str:
    return cls.__qualname__ if cls.__module__ == "builtins" else f"{cls.__module__}.{cls.__qualname__}"


def _unregistered(cls: type) -> _PartError:
    call = f"register({cls.__name__}{'' if _recipe(cls) else ', encode=..., decode=...'})"
    problem = f"is of type {_name(cls)}, which cannot be stored"
    return _PartError(f"{problem}; register it: Serializer().{call}, or return plain data")


def _too_deep() -> _PartError:
    return _PartError(f"nests more than {MAX_DEPTH} levels deep, or contains itself; flatten it")


def _show(value: object) -> str:
    """Give a repr that is short and never fails, as that of an int of too many digits does."""
    try:
        text = repr(value)
    except Exception:
        return f"<{_name(type(value))}>"
    return text if len(text) <= 100 else f"{text[:100]}..."


def _step(key: object) -> str:
    return f".{key}" if type(key) is str and key.isidentifier() else f"[{_show(key)}]"


def _members(data: Any) -> Iterable[tuple[Any, Any]]:
    return data.items() if type(data) is dict else enumerate(data)


def _walk(visit: Callable[[Any, int], object], data: Any, depth: int, kept: Container[type] = ()) -> Any:
    """Copy a list or dict, visiting members of all but the kept types; a fault learns which member it is about."""
    copy = data.copy()
    try:
        for key, item in _members(data):
            if type(item) not in kept:
                copy[key] = visit(item, depth)
    except _PartError as fault:
        fault.path.append(_step(key))
        raise
    return copy


def _plain_copy(value: Any, scalars: frozenset[type], depth: int = 0) -> Any:
    """Copy shallow lists and string-keyed dicts of the given scalars and narrow ints, or raise _NotPlainError."""
    kind = type(value)
    if kind in scalars or (kind is int and -_WIDE_INT < value < _WIDE_INT):
        return value
    if depth == _FAST_DEPTH or not (kind is list or (kind is dict and _TAG not in value)):
        raise _NotPlainError
    key_type = str if kind is dict else int
    copy = value.copy()
    for key, item in _members(value):
        if type(key) is not key_type:
            raise _NotPlainError
        if type(item) not in scalars and not (type(item) is int and -_WIDE_INT < item < _WIDE_INT):  # saves the call
            copy[key] = _plain_copy(item, scalars, depth + 1)
    return copy


def _run(work: Callable[[Any, int], T], value: Any) -> T:
    try:
        return work(value, 0)
    except _PartError as fault:
        raise SerializationError(str(fault)) from fault.__cause__
    except RecursionError:
        raise SerializationError("value nests too deep for what is left of Python's stack; flatten it") from None


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON value")


# The depth is bounded before the encoder sees a value, so it need not look for circles.
_ENCODER: Final = json.JSONEncoder(ensure_ascii=False, allow_nan=False, check_circular=False, separators=(",", ":"))
_DECODER: Final = json.JSONDecoder(parse_constant=_refuse_constant)


class Serializer:
    """Turns Python values into JSON text and back without loss; extended by registering classes.

    Stored as they are: None, bool, int, finite float, str, list, and dict with str keys other than ``"$type"``. Stored
    under a tag: every other dict, int of more than 2048 bits, float nan and inf, str with lone surrogates, tuple, set,
    frozenset, bytes, bytearray, Decimal, UUID, date, time, datetime, timedelta, timezone, ZoneInfo, and instances of
    registered classes. All nest in one another, up to ``MAX_DEPTH``.

    A dict keeps the order of its keys; a set is stored in a fixed order whatever order it iterates in. Not kept is
    that two parts are one object, and the sign and payload of a nan.

    Register every class before the first use; from then on any number of threads may share a Serializer.

    Args:
        types: Classes to register, each as by ``register(cls)``.

    Raises:
        SerializationError: A class cannot be registered.
    """

    def __init__(self, types: Iterable[type] = ()) -> None:
        self._by_type = {codec.cls: codec for codec in _TABLE}
        self._by_tag = {codec.tag: codec for codec in _TABLE}
        for cls in types:
            self.register(cls)

    def register(
        self,
        cls: type[T],
        *,
        tag: str | None = None,
        encode: Callable[[T], object] | None = None,
        decode: Callable[[Any], T] | None = None,
    ) -> type[T]:
        """Let instances of a class, though not of its subclasses, be stored; usable as a decorator.

        Without ``encode`` and ``decode``, an Enum is stored by its member's name, a Flag by its value, and a named
        tuple, attrs class or dataclass by its declared fields, which may hold any storable value. Such a record is
        rebuilt by its constructor, so a new field needs a default to read older data. Other classes need both.

        Args:
            cls: The class.
            tag: The name it is stored under. By default the class's ``__qualname__`` after any ``<locals>.``:
                ``Price`` or ``Order.Line``, whatever its module. A class registered again with a new tag is stored
                under the new one and still read under the old.
            encode: Gives a simpler storable value for an instance.
            decode: Gives the instance back for what ``encode`` gave.

        Returns:
            The class itself.

        Raises:
            SerializationError: The type is built in, another class has the tag, ``encode`` and ``decode`` are needed
                and not both given, or the constructor does not take the class's fields.
        """
        if cls in _BUILT_IN:
            raise SerializationError(f"{_name(cls)} is built in: it is stored already and cannot be registered")
        tag = tag if tag is not None else cls.__qualname__.rpartition("<locals>.")[2]
        holder = self._by_tag.get(tag)
        if holder is not None and holder.cls is not cls:
            problem = f"the tag {tag!r} belongs to {_name(holder.cls)} already"
            raise SerializationError(f"{problem}; register {_name(cls)} with another: tag=...")
        recipe = _recipe(cls)
        if encode is not None and decode is not None:
            codec = _Codec(tag, cls, encode, decode, object)
        elif recipe is not None and encode is decode is None:
            codec = recipe(tag, cls)
        else:
            raise SerializationError(f"{_name(cls)} has no stored form of its own; {_NEEDS_BOTH}")
        self._by_type[cls] = self._by_tag[tag] = codec
        return cls

    def to_data(self, value: object) -> JsonValue:
        """Give the value as JSON data that shares no mutable object with it.

        Raises:
            SerializationError: A part has a type that is not registered, nests too deep or cannot be encoded; the
                message names the part (``value.rows[3].price``) and the remedy.
        """
        return _run(self._encode, value)

    def from_data(self, data: JsonValue) -> object:
        """Give the value that ``to_data`` gave the data for; the data is neither changed nor shared.

        Raises:
            SerializationError: A part has an unknown tag, is malformed, is not JSON data or nests too deep.
        """
        return _run(self._decode, data)

    def dumps(self, value: object) -> str:
        """Give the value as compact JSON text that UTF-8 can hold; a value always gives the same text.

        Raises:
            SerializationError: As ``to_data``.
        """
        try:
            text = _ENCODER.encode(_plain_copy(value, _ENCODABLE))
            text.encode()
        except (_NotPlainError, ValueError, RecursionError):  # ValueError: a nan, an inf or a lone surrogate
            return _run(lambda whole, depth: _ENCODER.encode(self._encode(whole, depth)), value)
        return text

    def loads(self, text: str | bytes) -> object:
        """Give the value of JSON text, from ``dumps`` or from another program; bytes are read as UTF-8.

        Raises:
            SerializationError: The text is not JSON (NaN and Infinity are not), or as ``from_data``.
        """
        try:
            data = _DECODER.decode(text if isinstance(text, str) else text.decode())
        except (ValueError, RecursionError) as error:
            raise SerializationError(f"the text cannot be read as JSON: {error}") from error
        return self.from_data(data)

    def copy(self, value: T) -> T:
        """Give what ``from_data(to_data(value))`` gives, sooner: immutable scalars as they are, all else anew.

        Raises:
            SerializationError: Exactly as ``to_data``.
        """
        if type(value) in _IMMUTABLE:
            return value
        try:
            plain: T = _plain_copy(value, _IMMUTABLE)
        except (_NotPlainError, RecursionError):
            return self.from_data(self.to_data(value))  # type: ignore[return-value]
        return plain

    def _encode(self, value: Any, depth: int) -> JsonValue:
        kind = type(value)
        is_plain = _PLAIN.get(kind)
        if is_plain is not None and is_plain(value):
            return value  # type: ignore[no-any-return]
        codec = self._by_type.get(kind)
        if codec is None and kind is not list:
            raise _unregistered(kind)
        if depth >= MAX_DEPTH:
            raise _too_deep()
        if codec is None or (kind is dict and _TAG not in value and all(type(k) is str and _is_text(k) for k in value)):
            return _walk(self._encode, value, depth + 1)  # type: ignore[no-any-return]
        payload: Any
        if kind is dict:
            payload = self._encode_pairs(value, depth + 1)
        else:
            try:
                simpler = codec.encode(value)
            except Exception as error:
                raise _PartError(f"is of type {_name(kind)} and cannot be encoded: {_show(error)}") from error
            payload = self._encode(simpler, depth + 1)
            if kind in _UNORDERED:
                payload.sort(key=_ENCODER.encode)
        return {_TAG: codec.tag, _PAYLOAD: payload}

    def _encode_pairs(self, value: dict[Any, Any], depth: int) -> JsonValue:
        """Encode apart from the table, so that a path shows a dict's own keys and not the places in its pairs."""
        if depth + 1 >= MAX_DEPTH:
            raise _too_deep()
        keys = _walk(self._encode, {key: key for key in value}, depth + 2)
        items = _walk(self._encode, value, depth + 2)
        return [[keys[key], items[key]] for key in value]

    def _decode(self, data: Any, depth: int) -> object:
        kind = type(data)
        if kind in _PLAIN:
            return data
        if kind is not list and kind is not dict:
            raise _PartError(f"is of type {_name(kind)}, which is not JSON data")
        if depth >= MAX_DEPTH:
            raise _too_deep()
        if kind is list or _TAG not in data:
            return _walk(self._decode, data, depth + 1, kept=_PLAIN)
        tag = data[_TAG]
        if type(tag) is not str or data.keys() != {_TAG, _PAYLOAD}:
            raise _PartError(f'is malformed: a tagged object is {{"{_TAG}": tag, "{_PAYLOAD}": payload}}')
        codec = self._by_tag.get(tag)
        if codec is None:
            remedy = f"register its class: Serializer().register(..., tag={_show(tag)})"
            raise _PartError(f"has the tag {_show(tag)}, which is unknown here; {remedy}")
        payload = self._decode(data[_PAYLOAD], depth + 1)
        try:
            if not isinstance(payload, codec.shape):
                raise TypeError(f"the payload is of type {_name(type(payload))}")
            return codec.decode(payload)
        except Exception as error:
            raise _PartError(f"is a malformed {tag!r}: {_show(error)}") from error
