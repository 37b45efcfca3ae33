"""Ports of each kind that say the wrong thing of what failed, take what is no text, or share a store with another."""

# ruff: noqa: D101, D102 - a class says what is wrong with it, and the port what its methods are to do
from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import attrs
from flowcraft_core.errors import BackendError, TransientError
from flowcraft_core.ports import Page

from ...contracts import (
    BackendContract,
    ContextStoreContract,
    CoordinationStoreContract,
    JobQueueContract,
    StatusStoreContract,
)
from ...memory.connection import Connection
from ..mutant import Mutant, clause_id, register, replaces
from .port import BrokenContext, BrokenCoordination, BrokenPort, BrokenQueue, BrokenStatus, caught_by


class Around(BrokenPort):
    async def call(self, method: Callable[..., Awaitable[Any]], *args: Any, **options: Any) -> Any:
        raise NotImplementedError

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._port, name)
        if not callable(found):
            return found

        async def call(*args: Any, **options: Any) -> Any:
            return await self.call(found, *args, **options)

        return call


class EveryErrorPermanent(Around):
    """Says of a server that restarts what it says of a table that is not there."""

    async def call(self, method: Callable[..., Awaitable[Any]], *args: Any, **options: Any) -> Any:
        try:
            return await method(*args, **options)
        except TransientError as error:
            raise BackendError(str(error)) from error


class EveryErrorTransient(Around):
    """Says of a table that is not there what it says of a server that restarts."""

    async def call(self, method: Callable[..., Awaitable[Any]], *args: Any, **options: Any) -> Any:
        try:
            return await method(*args, **options)
        except BackendError as error:
            raise TransientError(str(error)) from error


class CutIsAnAnswer(Around):
    """Takes an answer that was cut off for one that says nothing."""

    async def call(self, method: Callable[..., Awaitable[Any]], *args: Any, **options: Any) -> Any:
        try:
            return await method(*args, **options)
        except TransientError as error:
            if "cut" not in str(error):
                raise
            return _nothing(self.name, method.__name__, args)


def _nothing(port: str, method: str, args: Any) -> Any:
    if method == "extend":
        return [None] * len(args[0])
    if method == "get":
        return {} if port == "context" else None
    if method in ("create", "touch", "finish", "set_if_absent", "extend_ttl"):
        return False
    if method == "find":
        return Page([], None)
    return {"values": {}, "receive": [], "members": frozenset(), "increment": 1, "add_members": 1}.get(method)


class HalfCharactersReplaced(Around):
    """Puts a question mark in the place of what it cannot encode."""

    async def call(self, method: Callable[..., Awaitable[Any]], *args: Any, **options: Any) -> Any:
        return await method(*map(_replaced, args), **{name: _replaced(value) for name, value in options.items()})


def _replaced(thing: Any) -> Any:
    if isinstance(thing, str):
        return thing.encode(errors="replace").decode()
    if isinstance(thing, Mapping):
        return {_replaced(key): _replaced(value) for key, value in thing.items()}
    if isinstance(thing, (list, tuple)):
        return [_replaced(each) for each in thing]
    if attrs.has(type(thing)) and not hasattr(thing, "handle"):
        fields = attrs.asdict(thing, recurse=False)
        return type(thing)(**{name: _replaced(value) for name, value in fields.items()})
    return thing


_CONTRACTS: Mapping[type[BrokenPort], Any] = {
    BrokenQueue: JobQueueContract,
    BrokenContext: ContextStoreContract,
    BrokenStatus: StatusStoreContract,
    BrokenCoordination: CoordinationStoreContract,
}
_CLAUSES: Mapping[type[Around], str] = {
    EveryErrorPermanent: "test_what_cannot_be_reached_is_a_transient_error_and_is_there_again_after",
    EveryErrorTransient: "test_what_is_refused_for_good_is_no_transient_error",
    CutIsAnAnswer: "test_a_call_whose_connection_is_cut_says_so_and_can_be_made_again",
    HalfCharactersReplaced: "test_text_that_no_encoding_has_is_refused",
}
for _port, _contract in _CONTRACTS.items():
    for _broken, _clause in _CLAUSES.items():
        _of_port = type(_broken.__name__, (_broken, _port), {"__doc__": _broken.__doc__})
        caught_by(getattr(_contract, _clause))(_of_port)
    register(
        Mutant(
            name=f"{_port.name}.StoresMeet",
            defect="Leaves the name of its store out of what it calls things.",
            clause=clause_id(_contract.test_two_stores_never_meet, _port.name),
            meets=True,
        )
    )


@replaces(
    (Connection, "open"),
    caught_by=BackendContract.test_opening_what_cannot_be_reached_is_a_transient_error,
    name="backend.OpeningGivenUp",
)
def open_or_give_up(original: Any, self: Any) -> None:
    """Says that it is set up wrongly when its store cannot be reached."""
    try:
        original(self)
    except TransientError as error:
        raise BackendError(str(error)) from error


@replaces(
    (Connection, "request"),
    caught_by=BackendContract.test_workers_outlive_an_outage_of_the_backend,
    name="backend.RestartIsTheEnd",
)
async def request_once(original: Any, self: Any, effect: Any, *args: Any, **kwargs: Any) -> Any:
    """Says of a server that restarts what it says of one that is not there."""
    try:
        return await original(self, effect, *args, **kwargs)
    except TransientError as error:
        raise BackendError(str(error)) from error
