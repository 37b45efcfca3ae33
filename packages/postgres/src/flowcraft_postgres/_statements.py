"""Statements as libpq takes them: with parameters by number, each in the server's binary form.

Only what the statements of this package need: what is null, texts, bytes, whole numbers and others, truth, and arrays
of these, whose elements' type is the one that the statement casts the array to.
"""

from __future__ import annotations

import hashlib
import re
import struct
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import attrs

_PLACEHOLDER = re.compile(r"%\((\w+)\)[sb](?:::(\w+)\[\])?|%%")

_BOOL, _BYTEA, _INT8, _FLOAT8 = 16, 17, 20, 701
_LEFT_TO_THE_SERVER = 0

_INT, _FLOAT = struct.Struct("!q"), struct.Struct("!d")
_ARRAY = struct.Struct("!iIIii")  # dimensions, whether there are nulls, type, length, lower bound
_LENGTH = struct.Struct("!i")
_NULL = _LENGTH.pack(-1)


def _float(value: float) -> bytes:
    return _FLOAT.pack(value)


#: Of each type of an array's elements: the type itself, the array's, and how an element is written.
_ARRAYS: dict[str, tuple[int, int, Callable[[Any], bytes]]] = {
    "text": (25, 1009, str.encode),
    "bytea": (_BYTEA, 1001, bytes),
    "int8": (_INT8, 1016, _INT.pack),
    "float8": (_FLOAT8, 1022, _float),
}


@attrs.frozen
class Bound:
    """A statement with its parameters.

    Attributes:
        name: What it is prepared as: no two have the same name on any server, so that behind a pooler that gives each
            statement another connection, none is taken for another.
        text: The statement.
        values: Its parameters.
        types: Their types; 0 where the server finds out by the statement.
    """

    name: bytes
    text: bytes
    values: Sequence[bytes | None]
    types: Sequence[int]


class Statement:
    """A statement that is written with parameters by name, as psycopg has them."""

    def __init__(self, text: str) -> None:
        """Take it to pieces."""
        self._numbers: dict[str, int] = {}
        self._arrays: dict[str, tuple[int, int, Callable[[Any], bytes]]] = {}
        self._text = _PLACEHOLDER.sub(self._numbered, text).encode()
        self._names: dict[tuple[int, ...], bytes] = {}

    def bind(self, parameters: Mapping[str, Any]) -> Bound:
        """The statement with these parameters; there may be more than it has."""
        values, types = [], []
        for name in self._numbers:
            array = self._arrays.get(name)
            value, type_ = _scalar(parameters[name]) if array is None else _array(parameters[name], *array)
            values.append(value)
            types.append(type_)
        key = tuple(types)
        prepared = self._names.get(key)
        if prepared is None:
            told = hashlib.sha256(self._text + repr(key).encode()).hexdigest()[:24]
            prepared = self._names[key] = f"flowcraft_{told}".encode()
        return Bound(prepared, self._text, values, key)

    def _numbered(self, found: re.Match[str]) -> str:
        name, elements = found.groups()
        if name is None:
            return "%"
        number = self._numbers.setdefault(name, len(self._numbers) + 1)
        if elements is None:
            return f"${number}"
        self._arrays[name] = _ARRAYS[elements]
        return f"${number}::{elements}[]"


def _scalar(value: Any) -> tuple[bytes | None, int]:
    if value is None:
        return None, _LEFT_TO_THE_SERVER
    if isinstance(value, str):
        return value.encode(), _LEFT_TO_THE_SERVER
    if isinstance(value, bytes):
        return value, _BYTEA
    if isinstance(value, bool):
        return bytes([value]), _BOOL
    if isinstance(value, int):
        return _INT.pack(value), _INT8
    return _FLOAT.pack(value), _FLOAT8


def _array(values: Sequence[Any], type_: int, array: int, write: Callable[[Any], bytes]) -> tuple[bytes, int]:
    parts = [_ARRAY.pack(1, 1, type_, len(values), 1)]
    for value in values:
        if value is None:
            parts.append(_NULL)
        else:
            written = write(value)
            parts += (_LENGTH.pack(len(written)), written)
    return b"".join(parts), array
