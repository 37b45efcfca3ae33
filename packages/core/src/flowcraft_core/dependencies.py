"""Dependencies: what a runtime is given for all steps, and what steps ask for by type.

``FlowRuntime(dependencies=...)`` takes one object of any class, several in a list, each known by its class, or a dict
from types to what is there for them. ``Provided[Database]`` on a parameter of a decorated function asks for one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from types import UnionType
from typing import Annotated, Any, Generic, NewType, TypeVar, Union, get_args, get_origin

import attrs

from .annotations import type_name
from .errors import ConfigurationError
from .middleware import Call, Middleware, Proceed, checked

T = TypeVar("T")


class _Asking:
    def __repr__(self) -> str:
        return "PROVIDED"


PROVIDED = _Asking()

#: ``mail: Provided[Mailer]`` asks the runtime's dependencies for a ``Mailer``. To a type checker it is one.
Provided = Annotated[T, PROVIDED]


@attrs.frozen
class PerAttempt(Generic[T]):
    """A dependency that is opened anew for each attempt that asks for it, and closed after it.

    It is closed as the step ends, and told the error if that has raised one, so that a session can roll back.

    Attributes:
        open: Gives an async context manager; called in the event loop.
    """

    open: Callable[[], AbstractAsyncContextManager[T]]


class Dependencies:
    """Dependencies by type: ``ctx.dependencies[Database]``."""

    def __init__(self, provided: Mapping[Any, Any]) -> None:
        self._provided = dict(provided)

    def __getitem__(self, kind: type[T]) -> T:
        """What there is for a type, or for one class derived from it.

        Raises:
            ConfigurationError: Nothing is, or several are; or it is opened for steps that ask for it by a parameter.
        """
        found: Any = self._provided[self._key_of(kind)]
        if isinstance(found, PerAttempt):
            raise ConfigurationError(
                f"dependency {type_name(kind)} is opened for each attempt of a step that asks for it by a parameter, "
                f"as in `name: Provided[{type_name(kind)}]`; nobody else has it"
            )
        return found  # type: ignore[no-any-return]

    def __repr__(self) -> str:
        return f"Dependencies({self})"

    def __str__(self) -> str:
        return ", ".join(map(type_name, self._provided)) or "none"

    @property
    def are_opened(self) -> bool:
        """Whether one of them is opened for each attempt."""
        return any(isinstance(each, PerAttempt) for each in self._provided.values())

    def per_attempt(self, kinds: Iterable[Any]) -> Iterator[tuple[Any, PerAttempt[Any]]]:
        """Those of some types that are opened for each attempt, by the type under which they are provided."""
        for key in dict.fromkeys(map(self._key_of, kinds)):
            if isinstance(found := self._provided[key], PerAttempt):
                yield key, found

    def with_opened(self, opened: Mapping[Any, Any]) -> Dependencies:
        """The same, with what was opened for an attempt."""
        return Dependencies({**self._provided, **opened})

    def _key_of(self, kind: Any) -> Any:
        if kind in self._provided:
            return kind
        near = [one for one in self._provided if isinstance(one, type) and isinstance(kind, type) and _is(one, kind)]
        if len(near) == 1:
            return near[0]
        if near:
            names = ", ".join(map(type_name, near))
            raise ConfigurationError(
                f"several dependencies are a {type_name(kind)} ({names}): name that type in a dict"
            )
        raise ConfigurationError(f"no dependency is a {type_name(kind)}; there are: {self}")


def _is(one: type, kind: type) -> bool:
    try:
        return issubclass(one, kind)
    except TypeError:  # a protocol that cannot be asked: name it in a dict
        return False


def dependencies_of(given: Any) -> Any:
    """What steps find as ``ctx.dependencies``.

    Args:
        given: What the runtime was given: several, in a list or by type, or one object.

    Raises:
        ConfigurationError: Two of a list have the same class.
    """
    if isinstance(given, (list, tuple)) and type(given) in (list, tuple):
        provided: dict[Any, Any] = {}
        for each in given:
            if provided.setdefault(type(each), each) is not each:
                raise ConfigurationError(
                    f"dependencies: two are a {type_name(type(each))}: give them in a dict, by types that differ"
                )
        return Dependencies(provided)
    if isinstance(given, Mapping) and given and all(map(is_kind, given)):
        return Dependencies(given)
    return given


def is_kind(kind: Any) -> bool:
    """Whether dependencies can be asked for by it: a class, a generic one, or a ``NewType``."""
    return get_origin(kind) not in (Union, UnionType) and isinstance(get_origin(kind) or kind, (type, NewType))


def asked_by(annotation: Any, where: str) -> Any:
    """The type that a parameter asks the runtime's dependencies for; None if it asks for none.

    Args:
        annotation: The parameter's.
        where: The parameter, for messages.

    Raises:
        ConfigurationError: It asks for what is no type.
    """
    if get_origin(annotation) is not Annotated or PROVIDED not in get_args(annotation)[1:]:
        return None
    kind = get_args(annotation)[0]
    if not is_kind(kind):
        raise ConfigurationError(f"{where} asks for a dependency by a class, not by {type_name(kind)}")
    return kind


@attrs.frozen
class Asked:
    """What a parameter asks for.

    Attributes:
        where: The step and the parameter, for messages.
        kind: The type.
        is_loose: One object that is given for all may be of any class: whoever named the type knows what it has.
    """

    where: str
    kind: Any
    is_loose: bool = False

    def of(self, dependencies: Any) -> Any:
        """What there is for it.

        Raises:
            ConfigurationError: Nothing is; the message names step and parameter.
        """
        try:
            if isinstance(dependencies, Dependencies):
                return dependencies[self.kind]
            if self.is_loose and dependencies is not None:
                return dependencies
            one = Dependencies({} if dependencies is None else {type(dependencies): dependencies})
            return one[self.kind]
        except ConfigurationError as error:
            raise ConfigurationError(f"{self.where} asks for a {type_name(self.kind)}: {error}") from None

    def check(self, dependencies: Any) -> str | None:
        """Why nothing is there for it; None if something is."""
        try:
            if isinstance(dependencies, Dependencies):
                dependencies._key_of(self.kind)
            else:
                self.of(dependencies)
        except ConfigurationError as error:
            text = str(error)
            return text if text.startswith(self.where) else f"{self.where} asks for a {type_name(self.kind)}: {text}"
        return None


def around(middleware: Iterable[Middleware], dependencies: Any) -> tuple[Middleware, ...]:
    """Middleware, and what opens dependencies for each attempt, if there are such.

    Raises:
        ConfigurationError: One is no ``async def`` callable.
    """
    are_opened = isinstance(dependencies, Dependencies) and dependencies.are_opened
    return (*checked(middleware), *((open_per_attempt,) if are_opened else ()))


async def open_per_attempt(call: Call, proceed: Proceed) -> Any:
    """Middleware: opens what the step asks for that is opened for each attempt."""
    asked: Mapping[str, Asked] = getattr(call._implementation.call, "asks", {})
    dependencies, opened = call.ctx.dependencies, {}
    if not asked:
        return await proceed()
    async with AsyncExitStack() as stack:
        for key, each in dependencies.per_attempt(one.kind for one in asked.values()):
            opened[key] = await stack.enter_async_context(each.open())
        if opened:
            call.ctx.dependencies = dependencies.with_opened(opened)
        return await proceed()
