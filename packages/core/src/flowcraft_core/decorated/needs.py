"""Reads what a function's parameters need."""

from __future__ import annotations

import inspect
import types
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Union, get_args, get_origin

import attrs

from ..annotations import gives_of, hints_of, is_context
from ..definition import FlowDefinition
from ..dependencies import Asked, asked_by
from ..errors import ConfigurationError
from ..rules.decorated import PARAMETER_WITHOUT_SOURCE
from ..steps import Placed
from .references import ContextValue, Reference, term_of
from .terms import FirstOf, InputOf, ItemOf, Member, OutputOf, Provided, Term, ValueOf, root_of
from .terms import shown as shown_term


@attrs.frozen(eq=False)
class Signature:
    """What a function's parameters take.

    Attributes:
        where: The step, for messages.
        function: The function.
        is_async: Whether it is ``async def``.
        context: The parameter that takes the node context.
        item: The parameter that takes a batch's item.
        needs: The terms that parameters take, by parameter.
        order: The parameters that can be given by position, in order.
        types: What is known of the parameters' types, by parameter.
        gives: What is known of the type of its output.
    """

    where: str
    function: Callable[..., Any]
    is_async: bool
    context: str | None
    item: str | None
    needs: Mapping[str, Term]
    order: Sequence[str]
    types: Mapping[str, Any]
    gives: Any

    @classmethod
    def of(cls, where: str, function: Callable[..., Any], *, with_item: bool = False) -> Signature:
        """Read a function.

        Args:
            where: The step, for messages.
            function: The function.
            with_item: Its first parameter, but for a node context and what is ``Provided``, takes a batch's item.

        Raises:
            ConfigurationError: It is no function, or nothing says where a parameter comes from.
        """
        _require_function(where, function)
        hints, needs, order, context, item = hints_of(function), {}, [], None, None
        for name, parameter in _parameters(where, function):
            if parameter.kind is not parameter.KEYWORD_ONLY:
                order.append(name)
            if with_item and item is None and _takes_what_is_first(where, name, parameter, hints):
                if isinstance(parameter.default, Reference):
                    raise ConfigurationError(
                        f"{where}: its first parameter takes an item, so {name!r} cannot be "
                        f"{shown_term(term_of(parameter.default))}: put the parameter for the item before it"
                    )
                item = name
            elif isinstance(parameter.default, Reference):
                needs[name] = _checked(where, name, term_of(parameter.default))
            elif (kind := _asked(where, name, hints)) is not None:
                needs[name] = Provided(kind, is_asked=True)
            elif _is_context(name, parameter, hints):
                context = _only_context(where, name, context)
            elif parameter.default is parameter.empty:
                text = (
                    f"{where}: nothing says where parameter {name!r} comes from: give it a default such as "
                    f"`{name}=fetch.output` or `{name}=flow.input`, or annotate it as a NodeContext, or as "
                    "Provided[...] for what the runtime's dependencies have"
                )
                raise ConfigurationError.of(PARAMETER_WITHOUT_SOURCE.at(getattr(function, "__name__", None), text))
            else:
                _require_plain(where, name, parameter.default)
        if with_item and item is None:
            raise ConfigurationError(f"{where}: its first parameter takes an item, so it needs one")
        is_async = is_async_function(function)
        return cls(where, function, is_async, context, item, needs, order, hints, gives_of(function))

    @property
    def asks(self) -> dict[str, Asked]:
        """What is asked of the runtime's dependencies, by parameter."""
        roots = ((name, root_of(term)) for name, term in self.needs.items())
        return {
            name: Asked(f"{self.where}: parameter {name!r}", root.type, is_loose=not root.is_asked)
            for name, root in roots
            if isinstance(root, Provided)
        }

    @property
    def values(self) -> list[Any]:
        """The types of its output and of the values that it takes, which are no dependencies."""
        taken = [name for name, term in self.needs.items() if not isinstance(root_of(term), Provided)]
        taken += [] if self.item is None else [self.item]
        context = [] if self.context is None else get_args(_context_in(self.types.get(self.context)))[:1]
        return [self.gives, *context, *(self.types[name] for name in taken if name in self.types)]

    def missing(self, args: Sequence[Any], named: Mapping[str, Any]) -> list[str]:
        """The parameters whose values come from the flow, and are not among the arguments of a call by hand."""
        given = {*self.order[: len(args)], *named}
        return [name for name in self.needs if name not in given]

    def of_fallback(self, function: Callable[..., Any]) -> Signature:
        """The signature of a function that stands in for this one, and gets what it gets.

        Raises:
            ConfigurationError: It has a parameter that this one has not.
        """
        return self._standing_by(f"the fallback of {self.where}", function)

    def of_undo(self, function: Callable[..., Any]) -> Signature:
        """The signature of a function that undoes this one, and gets what it gets, and first what it gave.

        That comes as its ``item``: its first parameter, but for a node context and what is ``Provided``, whatever it is
        called.

        Raises:
            ConfigurationError: It is no function, has a parameter that this one has not, or none that takes the output.
        """
        where = f"the undo of {self.where}"
        signature = self._standing_by(where, function, with_output=True)
        if signature.item is None:
            raise ConfigurationError(f"{where}: its first parameter takes what the step gave, so it needs one")
        return signature

    def _standing_by(self, where: str, function: Callable[..., Any], *, with_output: bool = False) -> Signature:
        _require_function(where, function)
        needs: dict[str, Term] = {}
        hints, order, context, output = hints_of(function), [], None, None
        for name, parameter in _parameters(where, function):
            order.append(name)
            if isinstance(parameter.default, Reference):
                raise ConfigurationError(
                    f"{where}: it gets what the step gets, by name: leave out the default of parameter {name!r}"
                )
            if with_output and output is None and _takes_what_is_first(where, name, parameter, hints):
                output = name
            elif name == self.item and with_output:
                needs[name] = ItemOf()
            elif name in self.needs:
                needs[name] = self.needs[name]
            elif (kind := _asked(where, name, hints)) is not None:
                needs[name] = Provided(kind, is_asked=True)
            elif _is_context(name, parameter, hints):
                context = _only_context(where, name, context)
            elif parameter.default is parameter.empty:
                first = "" if output is None else f"; its first, {output!r}, takes what the step gave"
                raise ConfigurationError(
                    f"{where}: it gets what the step gets, by name, and the step has no parameter {name!r}{first}"
                )
        is_async = is_async_function(function)
        return Signature(where, function, is_async, context, output, needs, order, hints, gives_of(function))


def _require_function(where: str, function: object) -> None:
    """Refuse what is no function of its own.

    Raises:
        ConfigurationError: It is none.
    """
    if isinstance(function, Placed):
        raise ConfigurationError(f"{where} must be a function, and {function.id!r} is a step already: decorate it once")
    if not callable(function) or isinstance(function, type):
        raise ConfigurationError(f"{where} must be a function, not {function!r:.80}")


def _parameters(where: str, function: Callable[..., Any]) -> Iterator[tuple[str, inspect.Parameter]]:
    """A function's parameters that can be given by name, which is how each is.

    Raises:
        ConfigurationError: One can be given by its position only.
    """
    for name, parameter in inspect.signature(function).parameters.items():
        if parameter.kind is parameter.POSITIONAL_ONLY:
            raise ConfigurationError(
                f"{where}: parameter {name!r} is for its position only, and parameters are given by name: leave out "
                "the / behind it"
            )
        if parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            yield name, parameter


def _takes_what_is_first(where: str, name: str, parameter: inspect.Parameter, hints: Mapping[str, Any]) -> bool:
    """Whether it is what a rule means that speaks of the first parameter: one with a position, and no node context.

    Nor what the runtime's dependencies have. Whatever it is called.
    """
    is_placed = parameter.kind is not parameter.KEYWORD_ONLY
    return is_placed and not _is_context(name, parameter, hints) and _asked(where, name, hints) is None


def _asked(where: str, name: str, hints: Mapping[str, Any]) -> Any:
    return asked_by(hints.get(name), f"{where}: parameter {name!r}")


def _require_plain(where: str, name: str, default: object) -> None:
    """Refuse a default that stands for what a flow has, and would be handed to the step as it is.

    Raises:
        ConfigurationError: It is a step, a flow or a context value, or a reference is in it.
    """
    if isinstance(default, FlowDefinition):
        raise ConfigurationError(
            f"{where}: parameter {name!r} is flow {default.id!r} itself: write {name}=<flow>.input, or call the flow"
        )
    if isinstance(default, ContextValue):
        raise ConfigurationError(
            f"{where}: parameter {name!r} is context value {default.name!r} itself: write {name}=<value>.value"
        )
    if isinstance(default, Placed):
        raise ConfigurationError(
            f"{where}: parameter {name!r} is step {default.id!r} itself: write {name}={default.id}.output"
        )
    parts: Iterable[object] = default.values() if isinstance(default, dict) else ()
    if isinstance(default, (list, tuple)):
        parts = default
    if any(isinstance(part, (Reference, Placed)) for part in parts):
        kind = type(default).__name__
        raise ConfigurationError(
            f"{where}: parameter {name!r} is a {kind} of what is not there yet: let each be a parameter of its own"
        )


def is_async_function(function: object) -> bool:
    """Whether calling it gives a coroutine: an ``async def`` function, or an object whose class is called so."""
    called = getattr(type(function), "__call__", None)  # noqa: B004 - an object whose class has an async __call__
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(called)


def _is_context(name: str, parameter: inspect.Parameter, hints: Mapping[str, Any]) -> bool:
    hint = _context_in(hints.get(name, parameter.annotation))
    return hint is not None or (name == "ctx" and name not in hints)


def _context_in(hint: Any) -> Any:
    """The node context of an annotation, also of one that says ``| None``; None if there is none."""
    members = get_args(hint) if get_origin(hint) in (Union, types.UnionType) else (hint,)
    return next((member for member in members if is_context(member)), None)


def _only_context(where: str, name: str, other: str | None) -> str:
    if other is not None:
        raise ConfigurationError(f"{where}: parameters {other!r} and {name!r} both take the node context: keep one")
    return name


def _checked(where: str, name: str, term: Term) -> Term:
    if not isinstance(root_of(term), (OutputOf, InputOf, ValueOf, Provided, FirstOf)) or (
        isinstance(term, Member) and isinstance(root_of(term), FirstOf)
    ):
        raise ConfigurationError(
            f"{where}: parameter {name!r} cannot be {shown_term(term)}: a step takes a value or a part of it as it is; "
            "compute in the step"
        )
    return term
