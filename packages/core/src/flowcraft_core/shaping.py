"""Builds what annotations ask for of plain data, and finds the classes that they name.

What comes from outside of a program is plain JSON: a flow's input from the command line, from HTTP or a schedule, the
answer to a wait. Where an annotation says more, as in ``order: Order = shop.input``, that is built of it: once, at the
border of whoever asks. What is of the wanted type already is never touched, and what cannot be built is refused with
the way to the part, what was wanted and what was given.
"""

from __future__ import annotations

import collections.abc
import functools
import json
import types
import typing
from collections.abc import Callable, Iterator, Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any, Final, Literal, TypeAlias, TypeVar, Union, get_args, get_origin
from uuid import UUID

import attrs
from typing_extensions import is_typeddict

from .annotations import UNKNOWN, bare, gives_of, hints_of_class, takes_of, type_name, unwrapped
from .durations import parse_seconds
from .errors import ConfigurationError
from .parts import is_model, is_named_tuple
from .serialization import Serializer
from .serialization._libraries import is_zone_class
from .serialization._walking import show
from .serialization.records import faults_of, is_record, says_enough, tag_of
from .steps import Implementation

#: Builds what an annotation asks for; of the value, and of where it stands, for messages.
Shape: TypeAlias = Callable[[Any, str], Any]

_UNIONS: Final = (Union, types.UnionType)
_TEXTS: Final[Mapping[Any, Callable[[str], Any]]] = {
    datetime: datetime.fromisoformat,
    date: date.fromisoformat,
    time: time.fromisoformat,
    timedelta: lambda text: timedelta(seconds=parse_seconds("a duration", text, zero=True)),
    Decimal: Decimal,
    UUID: UUID,
}
# What an annotation's class takes a list for, and is not built by it.
_LISTS: Final = (list, collections.abc.Sequence, collections.abc.Collection, collections.abc.Iterable)
_MADE_OF_LISTS: Final[Mapping[Any, Callable[[list[Any]], Any]]] = {
    tuple: tuple,
    set: set,
    frozenset: frozenset,
    collections.abc.Set: frozenset,
}
_PLAIN: Final = (type(None), bool, int, float, str)
_DATA: Final = (dict, list, str, int, float)
# What JSON has nothing for that would say all of a value.
_NOT_IN_JSON: Final = (bytes, complex)


class _UnfitError(Exception):
    def __init__(self, wanted: Any, given: object, why: str = "") -> None:
        self.wanted, self.given, self.why = wanted, given, why
        self.path: list[str] = []


def shaped(value: Any, wanted: Any, where: str) -> Any:
    """What an annotation asks for, of a value from outside.

    Args:
        value: The value.
        wanted: The annotation.
        where: What the value is, for messages: ``flow 'shop': input``.

    Raises:
        ConfigurationError: It cannot be built; the message names the part, what was wanted and what was given.
    """
    try:
        return _shaped(value, wanted)
    except _UnfitError as unfit:
        given = "nothing" if unfit.given is _NOTHING else f"{show(unfit.given)}, of type {type_name(type(unfit.given))}"
        problem = f"{where}{''.join(reversed(unfit.path))} is to be {type_name(unfit.wanted)}, and is {given}"
        raise ConfigurationError(f"{problem}{unfit.why and f': {unfit.why}'}") from unfit.__cause__


def shape_of(wanted: Any) -> Shape | None:
    """What builds values of an annotation, for a step that may be given plain data; None if there is nothing to build.

    What is no plain data is left as it is, whatever the annotation says.
    """
    if not _builds(wanted):
        return None
    return lambda value, where: shaped(value, wanted, where) if type(value) in _DATA else value


def implementation_of(name: str, step: object) -> Implementation:
    """A step, made ready to be called; its node context's ``input`` is built as annotated: ``NodeContext[Order]``.

    Raises:
        ConfigurationError: It is no step; the message says why.
    """
    implementation = Implementation.of(name, step)
    shape = shape_of(takes_of(step))
    return implementation if shape is None else attrs.evolve(implementation, shape=shape)


# --- classes ----------------------------------------------------------------------------------------------------------


def annotated_by(where: str, step: object) -> Iterator[tuple[str, Any]]:
    """The annotations of a step's input and output, each with where it stands."""
    yield where, takes_of(step)
    yield where, gives_of(step)


def register_annotated(serializer: Serializer, annotated: typing.Iterable[tuple[str, Any]]) -> None:
    """Register the records, enums and models that annotations name, with those in their fields.

    Args:
        serializer: Is changed; what it knows already stays.
        annotated: Annotations, each with where it stands, for messages.

    Raises:
        ConfigurationError: Two classes would be stored under one tag; the message names both and the remedy.
    """
    for where, annotation in annotated:
        for cls in classes_in(annotation):
            if serializer.knows(cls):
                continue
            holder = serializer.class_of(tag_of(cls))
            if holder is not None:
                one, other = (f"{one.__module__}.{one.__qualname__}" for one in (cls, holder))
                raise ConfigurationError(
                    f"{where} is annotated with {one}, and {other} is stored as {tag_of(cls)!r} already: register one "
                    f"under another tag, serializer.register({cls.__name__}, tag=...), and hand the serializer on as "
                    "serializer="
                )
            serializer.register(cls)


def classes_in(annotation: Any) -> Iterator[type]:
    """The classes in an annotation that can be stored without more being said, each once, also those of fields."""
    waiting, seen = [annotation], set[Any]()
    while waiting:
        one = unwrapped(bare(waiting.pop()))
        waiting.extend(get_args(one) if get_origin(one) is not Literal else ())
        cls = get_origin(one) or one
        if not isinstance(cls, type) or cls in seen:
            continue
        seen.add(cls)
        if is_typeddict(cls) or says_enough(cls):
            waiting.extend(_fields_of(cls).values())
            if not is_typeddict(cls):
                yield cls


def _fields_of(cls: Any) -> Mapping[str, Any]:
    if is_model(cls):
        return {name: field.annotation for name, field in cls.__pydantic_fields__.items()}
    return {} if issubclass(cls, Enum) else _hints(cls)


@functools.lru_cache(maxsize=512)
def _hints(cls: Any) -> Mapping[str, Any]:
    return hints_of_class(cls)


@functools.lru_cache(maxsize=512)
def _required(cls: Any) -> frozenset[str]:
    """The keys that a dict of a class must have: where annotations are text, the class itself does not tell all."""
    try:
        hints = typing.get_type_hints(cls, include_extras=True)
    except Exception:
        return frozenset()
    return frozenset(key for key in cls.__required_keys__ if get_origin(hints.get(key)) is not typing.NotRequired)


def _builds(annotation: Any) -> bool:
    """Whether plain data may have to become something else for an annotation."""
    waiting = [annotation]
    while waiting:
        one = unwrapped(bare(waiting.pop()))
        cls = get_origin(one) or one
        if isinstance(one, list) or cls is collections.abc.Callable:
            continue  # a list of parameters, or a function, which no data becomes
        if get_origin(one) is not Literal:
            waiting.extend(get_args(one))
        if _is_text(cls) or cls in _MADE_OF_LISTS or is_typeddict(cls):
            return True
        if isinstance(cls, type) and says_enough(cls):
            return True
    return False


# --- building ---------------------------------------------------------------------------------------------------------

_NOTHING: Final = object()


def _shaped(value: Any, wanted: Any) -> Any:
    wanted = unwrapped(bare(wanted))
    cls = get_origin(wanted) or wanted
    if cls in _UNIONS:
        return _of_union(value, wanted)
    if cls is Literal:
        if not any(type(value) is type(one) and value == one for one in get_args(wanted)):
            raise _UnfitError(wanted, value)
        return value
    if wanted is UNKNOWN or not isinstance(cls, type) or getattr(cls, "_is_protocol", False):
        return value
    if is_typeddict(cls):
        return _of_typed_dict(value, cls)
    if cls in _LISTS or cls in _MADE_OF_LISTS:
        return _of_list(value, wanted, cls)
    if cls in (dict, collections.abc.Mapping, collections.abc.MutableMapping):
        return _of_dict(value, wanted)
    if type(value) is cls or (isinstance(value, cls) and type(value) not in _PLAIN):
        return value
    return _of_class(value, wanted, cls)


def _of_class(value: Any, wanted: Any, cls: Any) -> Any:
    if cls in _PLAIN:
        if not isinstance(value, cls) and not (cls is float and type(value) is int):
            raise _UnfitError(wanted, value)
        return value
    try:
        if _is_text(cls):
            return _of_text(value, cls)
        if issubclass(cls, Enum):
            return _of_enum(value, cls)
        if is_model(cls):
            return _of_model(value, cls)
    except ArithmeticError as error:  # of a decimal, which says nothing
        raise _UnfitError(wanted, value) from error
    except (ValueError, TypeError, LookupError) as error:
        raise _UnfitError(wanted, value, faults_of(error)) from error
    if is_record(cls) or is_named_tuple(cls):
        return _of_record(value, wanted, cls)
    if type(value) in (dict, list, str) and (cls in _NOT_IN_JSON or says_enough(cls)):
        raise _UnfitError(wanted, value)
    return value  # of a class that knows best by itself


def _is_text(cls: Any) -> bool:
    """Whether a class is read from text that says all of a value."""
    return cls in _TEXTS or is_zone_class(cls)


def _of_text(value: Any, cls: Any) -> Any:
    if cls is Decimal and type(value) in (int, float):
        return Decimal(str(value))
    if cls is timedelta and type(value) in (int, float):
        return timedelta(seconds=value)
    if type(value) is not str:
        raise _UnfitError(cls, value)
    return _TEXTS.get(cls, cls)(value)


def _of_enum(value: Any, cls: Any) -> Any:
    """By value, as other programs know a member; else by name."""
    try:
        return cls(value)
    except ValueError:
        if type(value) is str and value in cls.__members__:
            return cls[value]
        raise


def _of_model(value: Any, cls: Any) -> Any:
    """As the class validates it: as JSON, if it is nothing more."""
    try:
        text = json.dumps(value, allow_nan=False)
    except (TypeError, ValueError):
        return cls.model_validate(value)
    return cls.model_validate_json(text)


def _of_union(value: Any, wanted: Any) -> Any:
    """What fits as it is stays as it is; else the first member that can be built."""
    members = get_args(wanted)
    built = []
    for member in members:
        try:
            one = _shaped(value, member)
        except _UnfitError:
            continue
        if one is value:
            return value
        built.append(one)
    if not built:
        others = [member for member in members if member is not type(None)]
        if len(others) == 1 and value is not None:
            return _shaped(value, others[0])  # says more
        raise _UnfitError(wanted, value)
    return built[0]


def _inside(step: str, value: Any, wanted: Any) -> Any:
    try:
        return _shaped(value, wanted)
    except _UnfitError as unfit:
        unfit.path.append(step)
        raise


def _of_list(value: Any, wanted: Any, cls: Any) -> Any:
    arguments = get_args(wanted)
    if type(value) is not list and not isinstance(value, cls):
        raise _UnfitError(wanted, value)
    if isinstance(value, str) and cls is not collections.abc.Iterable:
        raise _UnfitError(wanted, value)
    if type(value) not in (list, tuple) or not arguments:
        return _MADE_OF_LISTS.get(cls, list)(value) if type(value) is list and cls in _MADE_OF_LISTS else value
    if cls is tuple and not (len(arguments) == 2 and arguments[1] is Ellipsis):
        if len(value) != len(arguments):
            raise _UnfitError(wanted, value, f"it has {len(value)} parts")
        each: typing.Iterable[Any] = arguments
    else:
        each = (arguments[0] for _ in value)
    parts = [_inside(f"[{place}]", one, part) for place, (one, part) in enumerate(zip(value, each, strict=True))]
    is_same = all(one is other for one, other in zip(parts, value, strict=True))
    if is_same and isinstance(value, cls):
        return value
    return _MADE_OF_LISTS.get(cls, type(value))(parts)


def _of_dict(value: Any, wanted: Any) -> Any:
    if not isinstance(value, Mapping):
        raise _UnfitError(wanted, value)
    arguments = get_args(wanted)
    if type(value) is not dict or len(arguments) != 2:
        return value
    built = {_key(key, arguments[0]): _inside(f"[{key!r}]", item, arguments[1]) for key, item in value.items()}
    is_same = all(key in value and value[key] is item for key, item in built.items())
    return value if is_same and len(built) == len(value) else built


def _key(key: Any, wanted: Any) -> Any:
    """A key, which JSON has as text only."""
    if type(key) is str and bare(wanted) in (int, float):
        try:
            return bare(wanted)(key)
        except ValueError as error:
            raise _UnfitError(wanted, key) from error
    return _inside(f"[{key!r}]", key, wanted)


def _of_typed_dict(value: Any, cls: Any) -> Any:
    if not isinstance(value, dict):
        raise _UnfitError(cls, value)
    hints, required = _hints(cls), _required(cls)
    for key, hint in hints.items():
        if key in required and key not in value:
            raise _missing(key, hint)
    built = {key: _inside(f"[{key!r}]", item, hints[key]) if key in hints else item for key, item in value.items()}
    return value if all(value[key] is item for key, item in built.items()) else built


def _missing(name: str, wanted: Any) -> _UnfitError:
    missing = _UnfitError(wanted, _NOTHING)
    missing.path.append(f".{name}")
    return missing


def _of_record(value: Any, wanted: Any, cls: Any) -> Any:
    if type(value) is not dict:
        raise _UnfitError(wanted, value, "it is built of a dict of its fields")
    arguments = _arguments_of(cls)
    hints = _substituted(_hints(cls), cls, wanted)
    given: dict[str, Any] = {}
    for key, item in value.items():
        argument = next((one for one in arguments if key in one[:2]), None)
        if argument is None:
            raise _UnfitError(wanted, value, f"it has no field {show(key)}")
        given[argument[1]] = _inside(f".{argument[0]}", item, hints.get(argument[0], UNKNOWN))
    for name, argument_name, is_required in arguments:
        if is_required and argument_name not in given:
            raise _missing(name, hints.get(name, UNKNOWN))
    try:
        return cls(**given)
    except Exception as error:
        raise _UnfitError(wanted, value, show(error)) from error


def _arguments_of(cls: Any) -> list[tuple[str, str, bool]]:
    """The fields that a record is built of: name, the constructor's name for it, and whether it has to be given."""
    if is_named_tuple(cls):
        return [(name, name, name not in cls._field_defaults) for name in cls._fields]
    if attrs.has(cls):
        return [
            (field.name, field.alias or field.name, field.default is attrs.NOTHING)
            for field in attrs.fields(cls)
            if field.init
        ]
    import dataclasses  # noqa: PLC0415 # whoever has such a class has imported it

    missing = dataclasses.MISSING
    return [
        (field.name, field.name, field.default is missing and field.default_factory is missing)
        for field in dataclasses.fields(cls)
        if field.init
    ]


def _substituted(hints: Mapping[str, Any], cls: Any, wanted: Any) -> Mapping[str, Any]:
    """The fields of a generic record, as in ``Box[Price]``."""
    parameters = getattr(cls, "__parameters__", ())
    if not parameters:
        return hints
    known = dict(zip(parameters, get_args(wanted), strict=False))

    def put(hint: Any) -> Any:
        if isinstance(hint, TypeVar):
            return known.get(hint, UNKNOWN)
        inside = getattr(hint, "__parameters__", ())
        return hint[tuple(known.get(one, UNKNOWN) for one in inside)] if inside else hint

    return {name: put(hint) for name, hint in hints.items()}
