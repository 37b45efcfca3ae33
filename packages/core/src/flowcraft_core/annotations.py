"""What annotations say of what steps take and give, and whether the one fits the other.

Only what is certain is refused: where an annotation is missing, cannot be resolved or says more than classes can tell
at run time (protocols, type variables, callables), everything fits. Inside of generics, too, what may be a fit is one:
``list[int]`` fits ``Sequence[float]``.
"""

from __future__ import annotations

import collections.abc
import inspect
import types
import typing
from collections.abc import Mapping
from typing import Annotated, Any, Literal, NewType, TypeVar, Union, get_args, get_origin

from typing_extensions import is_protocol, is_typeddict

from .contexts import BaseContext
from .parts import are_all, data_fields
from .steps import BaseNode, NodeResult

#: Nothing is known.
UNKNOWN = Any

_UNIONS = (Union, types.UnionType)
# As type checkers have it: an int is good where a float is wanted.
_PROMOTIONS = {float: (int,), complex: (int, float), bytes: (bytearray, memoryview)}


def hints_of(function: Any) -> Mapping[str, Any]:
    """The types of a function's parameters, and of what it returns under ``return``; without what cannot be told."""
    target = inspect.unwrap(function if inspect.isroutine(function) else type(function).__call__)
    try:
        return typing.get_type_hints(target, include_extras=True)
    except Exception:  # a name that is not there any more, or only for type checkers: then each one by itself
        found: dict[str, Any] = {}
        for name, annotation in getattr(target, "__annotations__", {}).items():
            alone = types.FunctionType((lambda: None).__code__, getattr(target, "__globals__", {}))
            alone.__annotations__ = {name: annotation}
            try:
                found[name] = typing.get_type_hints(alone, include_extras=True)[name]
            except Exception:  # noqa: S112 - nothing is known of this one
                continue
        return found


def is_context(annotation: Any) -> bool:
    """Whether a parameter with this annotation takes the node context."""
    if isinstance(annotation, str):
        return annotation.split("[")[0].rpartition(".")[2] in ("NodeContext", "SyncNodeContext", "BaseContext")
    origin = get_origin(annotation) or annotation
    return isinstance(origin, type) and issubclass(origin, BaseContext)


def gives_of(step: Any) -> Any:
    """The type of a step's output."""
    if isinstance(step, type):
        if not issubclass(step, BaseNode):
            return UNKNOWN
        own = step.post if step.post is not BaseNode.post else step.exec
        return gives_of(own) if own is not BaseNode.exec else UNKNOWN
    if hasattr(step, "gives"):
        return step.gives
    given = hints_of(step).get("return", UNKNOWN)
    while get_origin(given) in (collections.abc.Awaitable, collections.abc.Coroutine):
        given = get_args(given)[-1]
    if given is NodeResult:
        return UNKNOWN
    if get_origin(given) is NodeResult:
        return get_args(given)[0]
    if get_origin(given) in _UNIONS and any((get_origin(a) or a) is NodeResult for a in get_args(given)):
        return UNKNOWN
    return given


def takes_of(step: Any) -> Any:
    """The type of a step's input, as its annotation of the node context says it: ``NodeContext[int]``."""
    if isinstance(step, type):
        return takes_of(step.prep) if issubclass(step, BaseNode) and step.prep is not BaseNode.prep else UNKNOWN
    for name, annotation in hints_of(step).items():
        if name != "return" and is_context(annotation):
            arguments = get_args(annotation)
            return arguments[0] if arguments else UNKNOWN
    return UNKNOWN


# --- parts of types ---------------------------------------------------------------------------------------------------


def item_of(given: Any) -> Any:
    """The type of the items of something that is gone through."""
    given = bare(given)
    origin, arguments = get_origin(given), get_args(given)
    if origin is tuple:
        if len(arguments) == 2 and arguments[1] is Ellipsis:
            return arguments[0]
        return Union[arguments] if arguments else UNKNOWN  # noqa: UP007 - of a tuple
    if isinstance(origin, type) and issubclass(origin, collections.abc.Collection) and len(arguments) == 1:
        return arguments[0]
    return UNKNOWN


def list_of(item: Any) -> Any:
    """The type of a list of items of a type."""
    return types.GenericAlias(list, (item,))


def member_of(given: Any, key: str | int, *, is_field: bool) -> Any:
    """The type of a value's field or item."""
    given = bare(given)
    if isinstance(key, int) and not is_field:
        if get_origin(given) is tuple and Ellipsis not in get_args(given):
            arguments = get_args(given)
            return arguments[key] if -len(arguments) <= key < len(arguments) else UNKNOWN
        return item_of(given) if get_origin(given) is not dict else UNKNOWN
    cls = get_origin(given) or given
    if not is_field:
        if is_typeddict(cls):
            return unwrapped(hints_of_class(cls).get(str(key), UNKNOWN))
        arguments = get_args(given)
        return arguments[1] if isinstance(cls, type) and issubclass(cls, Mapping) and len(arguments) == 2 else UNKNOWN
    return hints_of_class(cls).get(str(key), UNKNOWN) if isinstance(cls, type) and not get_args(given) else UNKNOWN


def part_of(given: Any, key: str | int) -> Any:
    """The type of a part that is read as data: an item, the value under a key, or a field."""
    cls = bare(given)
    return member_of(given, key, is_field=isinstance(key, str) and not is_typeddict(cls) and get_origin(cls) is None)


def fields_of(given: Any) -> frozenset[str] | None:
    """The names of the members that a type has, where it tells all of them; None where it does not."""
    cls = bare(given)
    if is_typeddict(cls) or not isinstance(cls, type):
        return read_fields_of(cls)
    if (read := read_fields_of(cls)) is not None:
        return read | frozenset(dir(cls))
    return frozenset(dir(cls)) if cls.__module__ == "builtins" else None


def read_fields_of(given: Any) -> frozenset[str] | None:
    """The names of the members that can be read without running code of a type's, where it tells all of them."""
    cls = bare(given)
    if is_typeddict(cls):
        return frozenset(hints_of_class(cls))
    return data_fields(cls) if isinstance(cls, type) and are_all(cls) else None


def hints_of_class(cls: Any) -> Mapping[str, Any]:
    """The types of a class's fields, as far as they can be told."""
    try:
        return typing.get_type_hints(cls)
    except Exception:
        return {}


def bare(given: Any) -> Any:
    """A type without what only adds to it."""
    while True:
        if get_origin(given) is Annotated:
            given = get_args(given)[0]
        elif isinstance(given, NewType):
            given = given.__supertype__
        elif hasattr(given, "__value__"):  # a `type` statement
            given = given.__value__
        else:
            return type(None) if given is None else given


def unwrapped(given: Any) -> Any:
    """The type of a TypedDict's key, whether or not it has to be there."""
    while get_origin(given) in (typing.Required, typing.NotRequired):
        given = get_args(given)[0]
    return given


# --- fitting ----------------------------------------------------------------------------------------------------------


def fits(given: Any, wanted: Any) -> bool:
    """Whether what one annotation tells of a value may be what the other asks for; False if it certainly is not."""
    if isinstance(given, NewType) and isinstance(wanted, NewType):
        return given is wanted or (isinstance(given.__supertype__, NewType) and fits(given.__supertype__, wanted))
    if isinstance(wanted, NewType):
        return fits(given, wanted.__supertype__)
    given, wanted = bare(given), bare(wanted)
    if any(_is_unknown(one) for one in (given, wanted)) or given is wanted or wanted is object:
        return True
    if get_origin(given) in _UNIONS:
        return all(fits(one, wanted) for one in get_args(given))
    if get_origin(wanted) in _UNIONS:
        return any(fits(given, one) for one in get_args(wanted))
    if get_origin(given) is Literal:
        return all(_is_literal(value, wanted) for value in get_args(given))
    if get_origin(wanted) is Literal:
        return given is bool and {True, False} <= set(get_args(wanted))
    return _classes_fit(given, wanted)


def _is_unknown(one: Any) -> bool:
    if one is Any or isinstance(one, (str, TypeVar)) or one is typing.Never:
        return True
    return get_origin(one) in (collections.abc.Callable, type) or is_protocol(get_origin(one) or one)


def _is_literal(value: Any, wanted: Any) -> bool:
    if get_origin(wanted) is Literal:
        return any(type(value) is type(other) and value == other for other in get_args(wanted))
    return fits(type(value), wanted)


def _classes_fit(given: Any, wanted: Any) -> bool:
    one, other = get_origin(given) or given, get_origin(wanted) or wanted
    if not isinstance(one, type) or not isinstance(other, type):
        return True
    if is_typeddict(one) or is_typeddict(other):
        return _dicts_fit(one, other)
    if not (issubclass(one, other) or one in _PROMOTIONS.get(other, ())):
        return False
    mine, theirs = get_args(given), get_args(wanted)
    if one is tuple and other is tuple and mine and theirs:
        return _tuples_fit(mine, theirs)
    if one is tuple and mine and len(theirs) == 1:
        return fits(item_of(given), theirs[0])
    # Arguments of two different classes need not mean the same thing, but of two collections of a kind they do.
    if len(mine) == len(theirs) and (one is other or issubclass(one, collections.abc.Collection)):
        return all(fits(a, b) for a, b in zip(mine, theirs, strict=True))
    return True


def _tuples_fit(mine: tuple[Any, ...], theirs: tuple[Any, ...]) -> bool:
    if Ellipsis in theirs:
        return all(fits(one, theirs[0]) for one in mine if one is not Ellipsis)
    if Ellipsis in mine:
        return False
    return len(mine) == len(theirs) and all(fits(a, b) for a, b in zip(mine, theirs, strict=True))


def _dicts_fit(one: type, other: type) -> bool:
    if not is_typeddict(other):
        return issubclass(dict, other)
    if not is_typeddict(one):
        return issubclass(one, dict)
    mine, theirs = hints_of_class(one), hints_of_class(other)
    required: frozenset[str] = getattr(other, "__required_keys__", frozenset())
    return all(
        fits(unwrapped(mine[key]), unwrapped(wanted)) if key in mine else key not in required
        for key, wanted in theirs.items()
    )


def type_name(given: Any) -> str:
    """A type as a person writes it."""
    if given is type(None) or given is None:
        return "None"
    if get_origin(given) in _UNIONS:
        return " | ".join(map(type_name, get_args(given)))
    if get_origin(given) is Literal:
        return f"Literal[{', '.join(map(repr, get_args(given)))}]"
    if arguments := get_args(given):
        shown = (("..." if one is Ellipsis else type_name(one)) for one in arguments)
        return f"{type_name(get_origin(given))}[{', '.join(shown)}]"
    return getattr(given, "__qualname__", None) or str(given).removeprefix("typing.")
