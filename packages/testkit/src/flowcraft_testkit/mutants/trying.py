"""Asks clauses of mutants: the one that is to fail, or all of them."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from typing import Any
from unittest import mock

import attrs
import pytest
from flowcraft_core import FlowcraftError
from flowcraft_core.ids import seeded
from flowcraft_core.ports import Backend

from ..clock import VirtualClock
from ..contracts import CONTRACTS, Clause, Contract, Opener, opened
from ..contracts.in_memory import InMemoryRows, InMemorySideDoor, InMemoryTrouble, WritesByHand, declared
from ..memory import InMemoryBackend, Weaknesses
from .mutant import Mutant

#: Strong, but for the handles and what releases count as: what fails here fails because of the one defect.
_WEAKNESSES = attrs.evolve(Weaknesses.none(), new_handles=True, release_counts=True)
_STALE = attrs.evolve(_WEAKNESSES, staleness=Weaknesses().staleness)

# What a clause may take before it counts as failed, seconds of work and seconds in all. On a virtual clock it ends
# well within one second of work, or never.
_WORK = 10.0
_PATIENCE = 20.0

# Programs that a drawn clause draws for the mutants that are its own, and for all others.
_EXAMPLES = 200
_FEW_EXAMPLES = 20

# What a clause may fail with, a node without an output too; a TypeError, say, would be a slip in the mutant.
_FAILURES = (AssertionError, FlowcraftError, LookupError)


@attrs.frozen
class Tried:
    """How a clause has ended on a mutant.

    Attributes:
        clause: Its id.
        why: What it failed with; None if it held.
    """

    clause: str
    why: str | None


def try_clause(clause: Clause, mutant: Mutant | None = None, *, strict: bool = True) -> Tried:
    """Ask a clause of a mutant; of the sound in-memory backend and programs without one.

    Args:
        clause: Which.
        mutant: Of what.
        strict: Let errors pass that no clause is meant to fail with; else each of them is a failure.
    """
    clock = VirtualClock()
    weaknesses = _STALE if mutant is not None and mutant.stale else _WEAKNESSES
    store, other = (InMemoryBackend(clock=clock, weaknesses=weaknesses) for _ in range(2))
    if mutant is not None and mutant.meets:
        other = store

    def opener(world: InMemoryBackend) -> Opener:
        @asynccontextmanager
        async def open_backend() -> AsyncIterator[Backend]:
            async with opened(world.connect()) as backend:
                if mutant is not None and mutant.spoil is not None:
                    mutant.spoil(backend)
                yield backend

        return open_backend

    kind = _tried(clause.id.partition("/")[0], weaknesses, _EXAMPLES if strict else _FEW_EXAMPLES)
    contract = kind()
    contract.begin(
        opener(store),
        clock,
        InMemorySideDoor(store),
        trouble=InMemoryTrouble(store),
        open_other=opener(other),
        rows=InMemoryRows(store),
    )

    async def ask() -> None:
        async with asyncio.timeout(_PATIENCE) as limit:
            watching = asyncio.ensure_future(_watch(limit))
            try:
                await getattr(contract, clause.method)()
            finally:
                watching.cancel()

    with _in_place(mutant), _quiet(), seeded(clause.id):
        try:
            asyncio.run(ask())
        except TimeoutError:
            return Tried(clause.id, "it does not end")
        except pytest.fail.Exception as error:
            return Tried(clause.id, str(error))
        except Exception as error:
            if strict and not isinstance(error, _FAILURES):
                raise
            return Tried(clause.id, f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}")
    return Tried(clause.id, None)


async def _watch(limit: asyncio.Timeout) -> None:
    """End what goes round in circles, in which no virtual time passes."""
    began = time.process_time()
    while time.process_time() - began < _WORK:  # noqa: ASYNC110 - no event tells how much work was done
        await asyncio.sleep(0.05)
    limit.reschedule(asyncio.get_running_loop().time())


def primary(mutant: Mutant) -> Clause:
    """The clause that is to fail on a mutant."""
    return next(clause for clause in CONTRACTS[mutant.contract].clauses() if clause.id == mutant.clause)


def clauses_for(mutant: Mutant) -> list[Clause]:
    """The clauses that a mutant could fail: of a broken port its own and the whole backend's, else the latter's."""
    names = dict.fromkeys((mutant.contract, "backend"))
    return [clause for name in names for clause in CONTRACTS[name].clauses() if is_asked(clause)]


def is_asked(clause: Clause) -> bool:
    """Whether a clause can be asked of what is in memory: other processes have no part in that."""
    return not any(declared(_WEAKNESSES).lacks(need) for need in clause.needs)


def _tried(name: str, weaknesses: Weaknesses, examples: int) -> type[Contract[Any]]:
    bases = (WritesByHand, CONTRACTS[name]) if name == "backend" else (CONTRACTS[name],)
    return type("Tried", bases, {"declared": declared(weaknesses), "examples": examples})


@contextmanager
def _in_place(mutant: Mutant | None) -> Iterator[None]:
    with ExitStack() as stack:
        for owner, attribute, replacement in mutant.patches if mutant else ():
            stack.enter_context(mock.patch.object(owner, attribute, replacement))
        yield


@contextmanager
def _quiet() -> Iterator[None]:
    """What fails on purpose has much to say; clauses on what is said listen by themselves."""
    loggers = [logging.getLogger(name) for name in ("flowcraft", "asyncio")]
    before = [logger.propagate for logger in loggers]
    silent = logging.NullHandler()
    for logger in loggers:
        logger.addHandler(silent)
        logger.propagate = False
    try:
        yield
    finally:
        for logger, propagate in zip(loggers, before, strict=True):
            logger.removeHandler(silent)
            logger.propagate = propagate
