"""What a registered class is stored as, by its kind, and how an older version of it is read: by its own rules.

A record is stored by the names of its fields, and comes back through what the class itself makes of such fields: its
constructor, with its defaults, converters and checks. What it cannot be made of is refused with the field's name.
"""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Callable, Iterable, Mapping
from enum import Enum, Flag
from operator import attrgetter
from typing import Any, Final

import attrs

from ..errors import SerializationError
from ..parts import is_model, is_named_tuple
from ._codecs import BUILT_IN, Codec, name_of
from ._walking import PartError, show

NEEDS_BOTH: Final = "register it with both encode=... and decode=..."

# Where a class was made is no part of its name; also of a generic model's: Box[test.<locals>.Price].
_LOCALS: Final = re.compile(r"[^\[\], ]*<locals>\.")

# Beside a model's fields; no field can be called that.
_EXTRA: Final = "$extra"
_UNSET: Final = "$unset"


def tag_of(cls: type) -> str:
    """The tag of a class that is registered without one."""
    return _LOCALS.sub("", cls.__qualname__)


def _flag_codec(tag: str, cls: Any) -> Codec:
    # By value: a combination of flags is not a member with a name of its own.
    return Codec(tag, cls, attrgetter("value"), cls, int)


def _enum_codec(tag: str, cls: Any) -> Codec:
    # By name: always a string, whatever the values are, and it outlives a change of them.
    def decode(name: str) -> object:
        member = cls.__members__.get(name)
        if member is None:
            member = cls._missing_(name)
        if not isinstance(member, cls):
            remedy = "keep its old name as another name of a member, or let _missing_ give one for it"
            raise PartError(f"is {name_of(cls)}.{name:.100}, and the class has no such member: {remedy}")
        return member

    return Codec(tag, cls, attrgetter("name"), decode, str)


def _named_tuple_codec(tag: str, cls: Any) -> Codec:
    needed = [name for name in cls._fields if name not in cls._field_defaults]

    def decode(fields: dict[str, object]) -> object:
        _refuse_others(cls, fields, cls._fields)
        return _built(cls, fields, fields, needed)

    return Codec(tag, cls, lambda value: value._asdict(), decode, dict)


def _record_codec(tag: str, cls: Any) -> Codec:
    """Store the declared fields of an attrs class or dataclass; rebuild through its constructor and its checks."""
    arguments: dict[str, str | None]  # per field; None for a field that the constructor sets by itself
    if attrs.has(cls):
        arguments = {field.name: field.alias if field.init else None for field in attrs.fields(cls)}
    else:
        import dataclasses  # noqa: PLC0415 # whoever has such a class has imported it

        arguments = {field.name: field.name if field.init else None for field in dataclasses.fields(cls)}
    try:
        signature = inspect.signature(cls)
        signature.bind(**{argument: None for argument in arguments.values() if argument})
    except TypeError as error:
        raise SerializationError(f"{name_of(cls)} is not built from its fields ({error}); {NEEDS_BOTH}") from error
    required = {name for name, parameter in signature.parameters.items() if parameter.default is parameter.empty}
    needed = [name for name, argument in arguments.items() if argument in required]

    def encode(value: object) -> object:
        return {name: getattr(value, name) for name in arguments}

    def decode(fields: dict[str, object]) -> object:
        _refuse_others(cls, fields, arguments)
        given = {argument: fields[name] for name, argument in arguments.items() if argument and name in fields}
        value = _built(cls, given, fields, needed)
        for name, argument in arguments.items():
            if argument is None and name in fields:
                object.__setattr__(value, name, fields[name])  # the class may be frozen
        return value

    return Codec(tag, cls, encode, decode, dict)


def _refuse_others(cls: type, fields: Mapping[str, object], known: Iterable[str]) -> None:
    if others := [name for name in fields if name not in known]:
        remedy = f"give the class the field, with a default, or {NEEDS_BOTH}"
        # Dropping it would lose data, and nobody would notice.
        raise PartError(f"has a field {show(others[0])}, and {name_of(cls)} has no such field: {remedy}")


def _built(cls: Any, arguments: Mapping[str, Any], fields: Mapping[str, object], needed: Iterable[str]) -> object:
    if missing := [name for name in needed if name not in fields]:
        remedy = "give it a default, so that what was stored before it was there can be read"
        raise PartError(f"has no field {missing[0]!r}, and {name_of(cls)} needs it: {remedy}")
    try:
        return cls(**arguments)
    except PartError:
        raise
    except Exception as error:
        field = _refusing(cls, arguments)
        where = "" if field is None else f"of field {field!r} "
        raise PartError(f"is not what {name_of(cls)} takes: {where}{show(error)}") from error


def _refusing(cls: Any, arguments: Mapping[str, Any]) -> str | None:
    """The field whose converter refuses its value, for the message: an error of a converter's names none."""
    for field in attrs.fields(cls) if attrs.has(cls) else ():
        convert = field.converter
        if field.alias in arguments and (isinstance(convert, type) or inspect.isroutine(convert)):
            try:
                convert(arguments[field.alias])
            except Exception:
                return str(field.name)
    return None


def _model_codec(tag: str, cls: Any) -> Codec:
    """Store the fields of a pydantic model by their names; read them as the class validates them."""
    fields: Mapping[str, Any] = cls.__pydantic_fields__
    is_root = bool(getattr(cls, "__pydantic_root_model__", False))
    if "by_name" not in inspect.signature(cls.model_validate).parameters:
        raise SerializationError(
            f"{name_of(cls)} is a model of a pydantic before 2.11; install a newer, or {NEEDS_BOTH}"
        )

    def encode(model: Any) -> object:
        inside, extra = vars(model), model.__pydantic_extra__ or {}
        stored = {name: inside[name] for name in fields if name in inside}
        if extra:
            stored[_EXTRA] = dict(extra)
        if unset := [name for name in (*fields, *extra) if name not in model.__pydantic_fields_set__]:
            stored[_UNSET] = unset
        return stored

    def decode(stored: dict[str, Any]) -> object:
        given = {name: value for name, value in stored.items() if name not in (_EXTRA, _UNSET)}
        # What the class had under another name it knows by an alias; else that could only confuse two fields.
        by_alias = any(name not in fields for name in given)
        given |= stored.get(_EXTRA, {})
        try:
            model = cls.model_validate(given["root"] if is_root else given, by_alias=by_alias, by_name=True)
        except Exception as error:
            raise PartError(f"is not what {name_of(cls)} takes: {faults_of(error)}") from error
        model.__pydantic_fields_set__.difference_update(stored.get(_UNSET, ()))
        return model

    return Codec(tag, cls, encode, decode, dict)


def faults_of(error: Exception) -> str:
    """What a validation error says, in one line: the fields, each with what is wrong; another error as it is."""
    errors = getattr(error, "errors", None)
    if not callable(errors):
        return show(error)
    faults = [
        f"of field {'.'.join(map(str, fault['loc'])) or 'root'!r}: {fault['msg']}"
        for fault in errors(include_url=False)
    ]
    return "; ".join(faults[:3]) + (f"; and {len(faults) - 3} more" if len(faults) > 3 else "")


def is_record(cls: type) -> bool:
    """Whether a class is an attrs class or a dataclass, and no more than its fields."""
    # A record that is also a list or a dict holds more than its fields.
    # As ``dataclasses.is_dataclass`` has it, which programs without dataclasses need not load.
    return (attrs.has(cls) or hasattr(cls, "__dataclass_fields__")) and not issubclass(cls, BUILT_IN)


_RECIPES: Final[tuple[tuple[Callable[[type], bool], Callable[[str, Any], Codec]], ...]] = (
    (lambda cls: issubclass(cls, Flag), _flag_codec),
    (lambda cls: issubclass(cls, Enum), _enum_codec),
    (is_named_tuple, _named_tuple_codec),
    (is_model, _model_codec),
    (is_record, _record_codec),
)


def recipe_for(cls: type) -> Callable[[str, Any], Codec] | None:
    """What makes the codec of a class by itself; None if the class does not say enough."""
    return next((recipe for applies, recipe in _RECIPES if applies(cls)), None)


@functools.lru_cache(maxsize=512)
def says_enough(cls: type) -> bool:
    """Whether a class can be registered without ``encode`` and ``decode``."""
    recipe = None if cls in BUILT_IN else recipe_for(cls)
    try:
        return recipe is not None and recipe("", cls) is not None
    except SerializationError:
        return False
