"""Stores that take one name for another, or for a pattern of several."""

# ruff: noqa: D102 - a class says what is wrong with it, and the port what its methods are to do
# mypy: disable-error-code="no-any-return"
# What is broken is passed on untyped.
from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from ...contracts import ContextStoreContract, CoordinationStoreContract, StatusStoreContract
from .port import BrokenContext, BrokenCoordination, BrokenStatus, caught_by


def _like(pattern: str, text: str) -> bool:
    """Whether a text is LIKE a pattern, as SQL has it."""
    parts = ("." if letter == "_" else ".*" if letter == "%" else re.escape(letter) for letter in pattern)
    return re.fullmatch("".join(parts), text, re.DOTALL | re.IGNORECASE) is not None


@caught_by(ContextStoreContract.test_deleting_by_any_name_leaves_all_others)
class KeysDeletedByPattern(BrokenContext):
    """Deletes what is LIKE the key."""

    async def delete(self, run_id: str, *, keys: Sequence[str], names: Sequence[str]) -> None:
        found = [key for run, key in self._port._facts._records if run == run_id]
        like = [each for each in found if any(_like(key, each) for key in keys)]
        await self._port.delete(run_id, keys=[*keys, *like], names=names)


@caught_by(ContextStoreContract.test_deleting_by_any_name_leaves_all_others)
class NamesDeletedByPrefix(BrokenContext):
    """Deletes the values whose names begin with the name."""

    async def delete(self, run_id: str, *, keys: Sequence[str], names: Sequence[str]) -> None:
        found = [name for run, name in self._port._values._records if run == run_id]
        like = [each for each in found if any(each.startswith(name) for name in names)]
        await self._port.delete(run_id, keys=keys, names=[*names, *like])


@caught_by(ContextStoreContract.test_deleting_by_any_name_leaves_all_others)
class RunsDeletedByPattern(BrokenContext):
    """Deletes in all runs that are LIKE the run."""

    async def delete(self, run_id: str, *, keys: Sequence[str], names: Sequence[str]) -> None:
        runs = {run for table in (self._port._facts, self._port._values) for run, _ in table._records}
        for run in sorted({run_id, *(run for run in runs if _like(run_id, run))}):
            await self._port.delete(run, keys=keys, names=names)


@caught_by(ContextStoreContract.test_any_sequence_of_calls_does_what_the_port_says)
class NulEndsAKey(BrokenContext):
    """Reads a key up to the first NUL, as C does."""

    async def put(self, run_id: str, key: str, fact: Any) -> Any:
        return await self._port.put(run_id, key.partition("\0")[0] or key, fact)

    async def get(self, run_id: str, keys: Sequence[str]) -> Any:
        read = {key: key.partition("\0")[0] or key for key in keys}
        found = await self._port.get(run_id, list(read.values()))
        return {key: found[cut] for key, cut in read.items() if cut in found}


@caught_by(StatusStoreContract.test_every_change_is_of_one_run_id)
class TouchedByPattern(BrokenStatus):
    """Touches all runs whose ids are LIKE the run's."""

    async def touch(self, run_id: str, **change: Any) -> bool:
        others = [run for run in self.effects._records if run != run_id and _like(run_id, run)]
        for run in others:
            await self._port.touch(run, **change)
        return await self._port.touch(run_id, **change)


@caught_by(StatusStoreContract.test_every_change_is_of_one_run_id)
class EndedByPattern(BrokenStatus):
    """Ends all runs whose ids are LIKE the run's."""

    async def finish(self, run_id: str, state: Any, **end: Any) -> bool:
        others = [run for run in self.effects._records if run != run_id and _like(run_id, run)]
        for run in others:
            await self._port.finish(run, state, **end)
        return await self._port.finish(run_id, state, **end)


@caught_by(StatusStoreContract.test_every_change_is_of_one_run_id)
class DeletedByPrefix(BrokenStatus):
    """Deletes all runs whose ids begin with the run's."""

    async def delete(self, run_id: str) -> None:
        for run in [run for run in self.effects._records if run.startswith(run_id)]:
            await self._port.delete(run)


@caught_by(CoordinationStoreContract.test_every_key_of_a_counter_and_of_a_set_is_a_key_of_its_own)
class CountersFolded(BrokenCoordination):
    """Counts under one key what differs in case only."""

    async def increment(self, key: str, *, ttl: float) -> int:
        return await self._port.increment(key.casefold(), ttl=ttl)


@caught_by(CoordinationStoreContract.test_every_key_of_a_counter_and_of_a_set_is_a_key_of_its_own)
class SetsTrimmed(BrokenCoordination):
    """Leaves out the white space at the end of a set's key."""

    async def add_members(self, key: str, *members: str, ttl: float) -> int:
        return await self._port.add_members(key.rstrip(), *members, ttl=ttl)

    async def members(self, key: str) -> frozenset[str]:
        return await self._port.members(key.rstrip())


@caught_by(CoordinationStoreContract.test_every_key_of_a_counter_and_of_a_set_is_a_key_of_its_own)
class KeysDeletedByPrefix(BrokenCoordination):
    """Deletes every key that begins with the key."""

    async def delete(self, key: str, *, value: str | None = None) -> None:
        for each in [each for each in self.effects._entries if each.startswith(key)]:
            await self._port.delete(each, value=value)
