"""The contracts bite: each of these ports gets one thing wrong, and the clause that is named for it fails."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import attrs
import pytest
from flowcraft_core.errors import BackendError
from flowcraft_core.ports import Backend
from flowcraft_testkit import InMemoryBackend, VirtualClock, Weaknesses
from flowcraft_testkit.contracts import (
    ContextStoreContract,
    Contract,
    CoordinationStoreContract,
    JobQueueContract,
    Opener,
    StatusStoreContract,
    opened,
)

from .broken import coordination, facts, finding, holding, sending, status, values  # noqa: F401 - they fill the list
from .broken.port import MUTANTS, BrokenPort

# What a clause may fail with; a TypeError, say, would be a slip in the mutant.
FAILURES = (AssertionError, pytest.fail.Exception, BackendError)


def run(contract: type[Contract[Any]], clause: str, open_backend: Opener, clock: VirtualClock) -> None:
    instance = contract()
    instance.begin(open_backend, clock)
    asyncio.run(getattr(instance, clause)())


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: f"{mutant.name}-{mutant.__name__}")
def test_a_broken_port_fails_the_clause_that_is_named_for_it(mutant: type[BrokenPort]) -> None:
    clock = VirtualClock()
    # Strong, but for the handles: what fails here fails because of the one defect.
    store = InMemoryBackend(clock=clock, weaknesses=attrs.evolve(Weaknesses.none(), new_handles=True))

    @asynccontextmanager
    async def open_broken() -> AsyncIterator[Backend]:
        async with opened(store.connect()) as backend:
            setattr(backend, mutant.name, mutant(getattr(backend, mutant.name)))
            yield backend

    with pytest.raises(FAILURES):
        run(mutant.contract, mutant.clause, open_broken, clock)


@pytest.mark.parametrize(
    "contract", [JobQueueContract, ContextStoreContract, StatusStoreContract, CoordinationStoreContract]
)
def test_every_clause_is_named_for_a_broken_port(contract: type[Contract[Any]]) -> None:
    clauses = {name for name in dir(contract) if name.startswith("test_")}
    assert clauses == {mutant.clause for mutant in MUTANTS if mutant.contract is contract}
