"""Records that are stored, read or compared wrongly, and calls that are not made again."""

from __future__ import annotations

import ast
import decimal
from typing import Any

import attrs
from flowcraft_core.durable import chunks as chunks_module
from flowcraft_core.durable import storage as storage_module
from flowcraft_core.durable import transient as transient_module
from flowcraft_core.durable.chunks import Chunks
from flowcraft_core.durable.storage import Records, Stored
from flowcraft_core.graph import compile as compile_module
from flowcraft_core.graph.facts import Outcome
from flowcraft_core.ports import Fact

from ...contracts import BackendContract
from ..mutant import Mutant, clause_id, register, replaces, sets


@replaces(
    (Records, "put_outcome"),
    caught_by=BackendContract.test_every_message_twice_gives_one_outcome_each,
    name="storage.EveryWriterHasWon",
)
async def always_won(
    original: Any, self: Any, run_id: str, key: str, outcome: Outcome, job: str, **options: Any
) -> Stored[Outcome]:
    """Goes on from the outcome that it wanted to write, whatever stands."""
    stored = await original(self, run_id, key, outcome, job, **options)
    return attrs.evolve(stored, value=outcome, won=True)


@replaces(
    (Records, "put_outcome"),
    caught_by=BackendContract.test_every_message_twice_gives_one_outcome_each,
    name="storage.LastOutcomeStands",
)
async def overwrites(
    original: Any, self: Any, run_id: str, key: str, outcome: Outcome, job: str, **options: Any
) -> Stored[Outcome]:
    """Puts an outcome in the place of the one that stands."""
    await self.store.delete(run_id, keys=[key], names=[])
    stored: Stored[Outcome] = await original(self, run_id, key, outcome, job, **options)
    return stored


@replaces(
    (Records, "put_claim"),
    caught_by=BackendContract.test_a_join_of_any_runs_once_with_one_input,
    name="storage.ClaimNotStored",
)
async def own_claim(original: Any, self: Any, run_id: str, key: str, slot: int, place: int, job: str) -> Stored[int]:
    """Lets everyone who arrives at a join of any believe that it is his."""
    return Stored(place, job, won=True)


@replaces(
    (chunks_module, "chunk_keys"),
    (storage_module, "chunk_keys"),
    caught_by=BackendContract.test_a_value_longer_than_the_stores_limit_comes_back_whole,
    name="storage.OneChunkOnly",
)
def first_chunk(original: Any, key: str, stored: bytes) -> list[str]:
    """Reads the first part of a long record."""
    keys: list[str] = original(key, stored)
    return keys[:1]


@replaces(
    (Chunks, "write"),
    caught_by=BackendContract.test_a_value_longer_than_the_stores_limit_comes_back_whole,
    name="storage.NoChunks",
)
async def whole(original: Any, self: Any, *written: Any, **more: Any) -> Any:
    """Hands a record of any length to the store."""
    return await original(attrs.evolve(self, store=_Endless(self.store)), *written, **more)


@replaces(
    (Chunks, "find"),
    caught_by=BackendContract.test_purging_leaves_no_part_of_a_long_value_behind,
    name="storage.PartsForgotten",
)
async def finds_nothing(original: Any, self: Any, run_id: str, places: Any) -> list[list[str]]:
    """Removes records, and leaves the parts of long ones where they are."""
    return [[]]


class _Endless:
    """A store that seems to take values of any length."""

    def __init__(self, store: Any) -> None:
        self._store = store
        self.limits = attrs.evolve(store.limits, max_value_bytes=2**40)

    async def put(self, run_id: str, key: str, fact: Fact) -> Any:
        """See ``ContextStore.put``."""
        return await self._store.put(run_id, key, fact)


@replaces(
    (Records, "_encode"),
    caught_by=BackendContract.test_values_come_back_as_they_were,
    name="storage.TypesForgotten",
)
def untyped(original: Any, self: Any, value: Any) -> Any:
    """Stores decimals as floats."""
    return original(self, _plain(value))


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _plain(each) for name, each in value.items()}
    return float(value) if isinstance(value, decimal.Decimal) else value


def _as_text(position: Any) -> str:
    return repr([list(level) for level in position])


def _from_text(text: str) -> Any:
    return tuple(tuple(level) for level in ast.literal_eval(text))


register(
    Mutant(
        name="storage.PositionsComparedAsText",
        defect="Stores positions so that pass 10 comes before pass 9.",
        clause=clause_id(BackendContract.test_passes_beyond_ten_set_values_in_their_order),
        patches=((storage_module, "to_sortable", _as_text), (storage_module, "from_sortable", _from_text)),
    )
)


@replaces(
    (compile_module, "escape"),
    caught_by=BackendContract.test_names_may_be_of_any_characters,
    name="storage.NodeIdsFolded",
)
def folded(original: Any, text: str) -> str:
    """Takes node ids that differ in their case or in spaces around them for one."""
    escaped: str = original(text.casefold().strip())
    return escaped


sets(
    transient_module,
    "_ATTEMPTS",
    1,
    caught_by=BackendContract.test_calls_that_fail_for_a_moment_are_made_again,
    name="storage.NoSecondTry",
    defect="Gives up a call that fails once.",
)


@replaces(
    (Records, "_put"),
    caught_by=BackendContract.test_calls_that_fail_for_a_moment_are_made_again,
    name="storage.DoesNotKnowItself",
)
async def stranger(original: Any, self: Any, *args: Any, **options: Any) -> Any:
    """Takes its own record, whose answer was lost, for somebody else's."""
    return await original(attrs.evolve(self, store=_Signing(self.store)), *args, **options)


class _Signing:
    """A store in which the writer is another one for each call."""

    def __init__(self, store: Any) -> None:
        self._store = store
        self.limits = store.limits

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def put(self, run_id: str, key: str, fact: Fact) -> Fact | None:
        """See ``ContextStore.put``."""
        standing: Fact | None = await self._store.put(run_id, key, fact)
        return standing and attrs.evolve(standing, writer=standing.writer + " or another")
