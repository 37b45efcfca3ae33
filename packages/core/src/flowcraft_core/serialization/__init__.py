"""Python values to JSON text and back, losslessly: how step outputs, context values and edge values travel.

A plain JSON value is stored as itself, so stored data stays readable and other programs' JSON reads as it is. Any
other value is stored as a tagged object of exactly two keys, ``{"$type": tag, "value": payload}``, whose payload is a
simpler value stored by the same rules. A dict that JSON cannot hold as it is (keys that are not strings, or the key
``"$type"``) is stored under the tag ``dict`` as a list of pairs. The table in ``_codecs`` lists every built-in tag.

Types are exact: ``1``, ``1.0`` and ``True`` stay apart, and a subclass is never stored as its base. Tags restore the
built-in types and registered classes only; nothing is imported by name and no code travels.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from copy import copy
from typing import Any, Final, NoReturn, TypeAlias, TypeVar

from ..errors import SerializationError
from ..texts import is_text
from ._codecs import PLAIN, TABLE, Codec, name_of
from ._libraries import LIBRARIES, TAGS, codecs_of, is_built_in
from ._walking import ENCODABLE, IMMUTABLE, TAG, NotPlainError, PartError, plain_copy, run, show, walk
from .records import NEEDS_BOTH, recipe_for, tag_of

__all__ = ["MAX_DEPTH", "JsonValue", "Serializer"]

T = TypeVar("T")
JsonValue: TypeAlias = "bool | int | float | str | list[JsonValue] | dict[str, JsonValue] | None"

MAX_DEPTH: Final = 200
"""How many JSON lists and objects may nest in one another; a stored tuple is two: its tagged object and the list."""

NOT_STORED: Final = "__flowcraft_not_stored__"
"""A class whose instances are never stored has an attribute of this name: what is said of one, after its place."""

_PAYLOAD: Final = "value"
_UNORDERED: Final = frozenset({set, frozenset})


def _unregistered(cls: type) -> PartError:
    refusal = getattr(cls, NOT_STORED, None)
    if type(refusal) is str:
        return PartError(refusal)
    call = f"register({cls.__name__}{'' if recipe_for(cls) else ', encode=..., decode=...'})"
    problem = f"is of type {name_of(cls)}, which cannot be stored"
    return PartError(f"{problem}; register it: Serializer().{call}, or return plain data")


def _too_deep() -> PartError:
    return PartError(f"nests more than {MAX_DEPTH} levels deep, or contains itself; flatten it")


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
        self._by_type = {codec.cls: codec for codec in TABLE}
        self._by_tag = {codec.tag: codec for codec in TABLE}
        self._loaded: set[str] = set()  # the libraries whose codecs are among those
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
        if is_built_in(cls):
            raise SerializationError(f"{name_of(cls)} is built in: it is stored already and cannot be registered")
        tag = tag if tag is not None else tag_of(cls)
        if tag in TAGS:
            raise SerializationError(f"the tag {tag!r} is built in: register {name_of(cls)} with another: tag=...")
        holder = self._by_tag.get(tag)
        if holder is not None and holder.cls is not cls:
            problem = f"the tag {tag!r} belongs to {name_of(holder.cls)} already"
            raise SerializationError(f"{problem}; register {name_of(cls)} with another: tag=...")
        recipe = recipe_for(cls)
        if encode is not None and decode is not None:
            codec = Codec(tag, cls, encode, decode, object)
        elif recipe is not None and encode is decode is None:
            codec = recipe(tag, cls)
        else:
            raise SerializationError(f"{name_of(cls)} has no stored form of its own; {NEEDS_BOTH}")
        self._by_type[cls] = self._by_tag[tag] = codec
        return cls

    def extended(self, types: Iterable[type] = ()) -> Serializer:
        """A serializer that knows what this one does, and further classes; this one stays as it is."""
        extended = copy(self)
        extended._by_type, extended._by_tag = dict(self._by_type), dict(self._by_tag)
        extended._loaded = set(self._loaded)
        for cls in types:
            extended.register(cls)
        return extended

    def class_of(self, tag: str) -> type | None:
        """The class that is stored under a tag; None if there is none."""
        codec = self._by_tag.get(tag)
        return None if codec is None else codec.cls

    def knows(self, cls: type) -> bool:
        """Whether instances of a class can be stored."""
        return is_built_in(cls) or cls in self._by_type

    def to_data(self, value: object) -> JsonValue:
        """Give the value as JSON data that shares no mutable object with it.

        Raises:
            SerializationError: A part has a type that is not registered, nests too deep or cannot be encoded; the
                message names the part (``value.rows[3].price``) and the remedy.
        """
        return run(self._encode, value)

    def from_data(self, data: JsonValue) -> object:
        """Give the value that ``to_data`` gave the data for; the data is neither changed nor shared.

        Raises:
            SerializationError: A part has an unknown tag, is malformed, is not JSON data or nests too deep.
        """
        return run(self._decode, data)

    def dumps(self, value: object) -> str:
        """Give the value as compact JSON text that UTF-8 can hold; a value always gives the same text.

        Raises:
            SerializationError: As ``to_data``.
        """
        try:
            text = _ENCODER.encode(plain_copy(value, ENCODABLE))
            text.encode()
        except (NotPlainError, ValueError, RecursionError):  # ValueError: a nan, an inf or a lone surrogate
            return run(lambda whole, depth: _ENCODER.encode(self._encode(whole, depth)), value)
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
        if type(value) in IMMUTABLE:
            return value
        try:
            plain: T = plain_copy(value, IMMUTABLE)
        except (NotPlainError, RecursionError):
            return self.from_data(self.to_data(value))  # type: ignore[return-value]
        return plain

    def _encode(self, value: Any, depth: int) -> JsonValue:
        kind = type(value)
        is_plain = PLAIN.get(kind)
        if is_plain is not None and is_plain(value):
            return value  # type: ignore[no-any-return]
        codec = self._by_type.get(kind)
        if codec is None and kind is not list:
            codec = self._of_library(kind)
        if codec is None and kind is not list:
            raise _unregistered(kind)
        if depth >= MAX_DEPTH:
            raise _too_deep()
        if codec is None or (kind is dict and TAG not in value and all(type(k) is str and is_text(k) for k in value)):
            return walk(self._encode, value, depth + 1)  # type: ignore[no-any-return]
        payload: Any
        if kind is dict:
            payload = self._encode_pairs(value, depth + 1)
        else:
            try:
                simpler = codec.encode(value)
            except PartError:
                raise
            except Exception as error:
                raise PartError(f"is of type {name_of(kind)} and cannot be encoded: {show(error)}") from error
            payload = self._encode(simpler, depth + 1)
            if kind in _UNORDERED:
                payload.sort(key=_ENCODER.encode)
        return {TAG: codec.tag, _PAYLOAD: payload}

    def _of_library(self, kind: type) -> Codec | None:
        """The codec of a type of one of the libraries that are known: it is loaded, since there is a value of it."""
        library = kind.__module__.partition(".")[0]
        if library not in LIBRARIES or library in self._loaded:
            return None
        self._load(library)
        return self._by_type.get(kind)

    def _load(self, library: str) -> dict[str, Codec]:
        codecs = codecs_of(library)
        for codec in codecs:
            self._by_type.setdefault(codec.cls, codec)
            self._by_tag[codec.tag] = codec
        self._loaded.add(library)
        return self._by_tag

    def _encode_pairs(self, value: dict[Any, Any], depth: int) -> JsonValue:
        """Encode apart from the table, so that a path shows a dict's own keys and not the places in its pairs."""
        if depth + 1 >= MAX_DEPTH:
            raise _too_deep()
        keys = walk(self._encode, {key: key for key in value}, depth + 2)
        items = walk(self._encode, value, depth + 2)
        return [[keys[key], items[key]] for key in value]

    def _decode(self, data: Any, depth: int) -> object:
        kind = type(data)
        if kind in PLAIN:
            return data
        if kind is not list and kind is not dict:
            raise PartError(f"is of type {name_of(kind)}, which is not JSON data")
        if depth >= MAX_DEPTH:
            raise _too_deep()
        if kind is list or TAG not in data:
            return walk(self._decode, data, depth + 1, kept=PLAIN)
        tag = data[TAG]
        if type(tag) is not str or data.keys() != {TAG, _PAYLOAD}:
            raise PartError(f'is malformed: a tagged object is {{"{TAG}": tag, "{_PAYLOAD}": payload}}')
        codec = self._by_tag.get(tag)
        if codec is None and tag in TAGS:
            codec = self._load(TAGS[tag]).get(tag)
        if codec is None:
            remedy = f"register its class: Serializer().register(..., tag={show(tag)})"
            raise PartError(f"has the tag {show(tag)}, which is unknown here; {remedy}")
        payload = self._decode(data[_PAYLOAD], depth + 1)
        try:
            if not isinstance(payload, codec.shape):
                raise TypeError(f"the payload is of type {name_of(type(payload))}")
            return codec.decode(payload)
        except PartError:
            raise
        except Exception as error:
            raise PartError(f"is a malformed {tag!r}: {show(error)}") from error
