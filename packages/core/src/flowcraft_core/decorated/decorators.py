"""What ``flow.step(...)`` and ``flow.batch(...)`` are to a type checker."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar, overload

from ..steps import NodeResult
from .nodes import Batch, Step

P = ParamSpec("P")
T = TypeVar("T")
R = TypeVar("R")


class StepDecorator(Protocol):
    """Makes a function a step."""

    @overload
    def __call__(
        self, function: Callable[P, Coroutine[Any, Any, NodeResult[R]]], /
    ) -> Step[P, Coroutine[Any, Any, NodeResult[R]], R]: ...
    @overload
    def __call__(self, function: Callable[P, Coroutine[Any, Any, R]], /) -> Step[P, Coroutine[Any, Any, R], R]: ...
    @overload
    def __call__(self, function: Callable[P, NodeResult[R]], /) -> Step[P, NodeResult[R], R]: ...
    @overload
    def __call__(self, function: Callable[P, R], /) -> Step[P, R, R]: ...


class UndoneStepDecorator(Protocol[R]):
    """Makes a function a step that is undone by one that takes what it gives."""

    @overload
    def __call__(
        self, function: Callable[P, Coroutine[Any, Any, NodeResult[R]]], /
    ) -> Step[P, Coroutine[Any, Any, NodeResult[R]], R]: ...
    @overload
    def __call__(self, function: Callable[P, Coroutine[Any, Any, R]], /) -> Step[P, Coroutine[Any, Any, R], R]: ...
    @overload
    def __call__(self, function: Callable[P, NodeResult[R]], /) -> Step[P, NodeResult[R], R]: ...
    @overload
    def __call__(self, function: Callable[P, R], /) -> Step[P, R, R]: ...


class BatchDecorator(Protocol[T]):
    """Makes a function the worker of a batch."""

    @overload
    def __call__(
        self, function: Callable[Concatenate[T, P], Coroutine[Any, Any, R]], /
    ) -> Batch[Concatenate[T, P], Coroutine[Any, Any, R], R]: ...
    @overload
    def __call__(self, function: Callable[Concatenate[T, P], R], /) -> Batch[Concatenate[T, P], R, R]: ...
