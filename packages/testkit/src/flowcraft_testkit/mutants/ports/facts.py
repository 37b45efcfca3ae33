"""Context stores that lose, overwrite or mix up facts."""

# ruff: noqa: D101, D102 - a class says what is wrong with it, and the port what its methods are to do
# mypy: disable-error-code="no-any-return"
# What is broken is passed on untyped.
from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

import attrs
from flowcraft_core.errors import BackendError
from flowcraft_core.ports import Fact, StoreLimits

from ...contracts import ContextStoreContract
from .port import BrokenContext, caught_by, private_backend


@caught_by(ContextStoreContract.test_the_first_fact_stands_and_the_second_writer_is_given_it)
class LastWriterWins(BrokenContext):
    """Overwrites the fact that stands."""

    async def put(self, run_id: str, key: str, fact: Fact) -> Fact | None:
        await self.overwrite(run_id, key, fact)
        return None


@caught_by(ContextStoreContract.test_of_racing_writers_one_wins_and_all_others_are_given_its_fact)
class LookedThenPut(BrokenContext):
    """Puts in a second step what it did not find in a first one."""

    async def put(self, run_id: str, key: str, fact: Fact) -> Fact | None:
        if standing := (await self._port.get(run_id, [key])).get(key):
            return standing
        await self.overwrite(run_id, key, fact)
        return None


@caught_by(ContextStoreContract.test_the_first_fact_stands_and_the_second_writer_is_given_it)
class LoserGetsItsOwn(BrokenContext):
    """Gives the second writer back what it wanted to write."""

    async def put(self, run_id: str, key: str, fact: Fact) -> Fact | None:
        return fact if await self._port.put(run_id, key, fact) else None


@caught_by(ContextStoreContract.test_a_writer_whose_answer_was_lost_finds_itself)
class EveryCallSignsAnew(BrokenContext):
    """Stores a writer of its own instead of the caller's."""

    _calls = 0

    async def put(self, run_id: str, key: str, fact: Fact) -> Fact | None:
        self._calls += 1
        return await self._port.put(run_id, key, attrs.evolve(fact, writer=f"call {self._calls}"))


@caught_by(ContextStoreContract.test_a_fact_reads_as_it_was_written)
class JobForgotten(BrokenContext):
    """Stores no job."""

    async def put(self, run_id: str, key: str, fact: Fact) -> Fact | None:
        return await self._port.put(run_id, key, attrs.evolve(fact, job=""))


@caught_by(ContextStoreContract.test_facts_outlive_their_client)
class FactsOfTheClient(BrokenContext):
    """Keeps facts in the memory of the client that put them."""

    def __init__(self, port: Any) -> None:
        super().__init__(private_backend().context)


@caught_by(ContextStoreContract.test_keys_without_a_fact_are_left_out)
class AbsenceRefused(BrokenContext):
    """Raises for a key without a fact."""

    async def get(self, run_id: str, keys: Sequence[str]) -> Mapping[str, Fact]:
        found = await self._port.get(run_id, keys)
        assert found.keys() == set(keys), "no such key"
        return found


@caught_by(ContextStoreContract.test_a_fact_may_be_as_long_as_the_limit_and_no_longer)
class LongBodyCut(BrokenContext):
    """Cuts a body that is too long."""

    async def put(self, run_id: str, key: str, fact: Fact) -> Fact | None:
        body = fact.body[: self._port.limits.max_value_bytes]
        return await self._port.put(run_id, key, attrs.evolve(fact, body=body))


class Renaming(BrokenContext):
    def renamed(self, key: str) -> str:
        raise NotImplementedError

    async def put(self, run_id: str, key: str, fact: Fact) -> Fact | None:
        return await self._port.put(run_id, self.renamed(key), fact)

    async def get(self, run_id: str, keys: Sequence[str]) -> Mapping[str, Fact]:
        found = await self._port.get(run_id, [self.renamed(key) for key in keys])
        return {key: found[self.renamed(key)] for key in keys if self.renamed(key) in found}

    async def delete(self, run_id: str, *, keys: Sequence[str], names: Sequence[str]) -> None:
        await self._port.delete(run_id, keys=[self.renamed(key) for key in keys], names=names)


@caught_by(ContextStoreContract.test_every_name_is_a_name_of_its_own)
class KeysFolded(Renaming):
    """Compares keys as some databases compare text."""

    def renamed(self, key: str) -> str:
        return key.casefold()


@caught_by(ContextStoreContract.test_every_name_is_a_name_of_its_own)
class KeysCut(Renaming):
    """Makes a long key fit."""

    def renamed(self, key: str) -> str:
        return key[:255]


@caught_by(ContextStoreContract.test_every_name_is_a_name_of_its_own)
class KeysCleaned(Renaming):
    """Replaces what the service does not take in a key."""

    def renamed(self, key: str) -> str:
        return key.translate(str.maketrans("/\\#?", "...."))


@caught_by(ContextStoreContract.test_every_name_is_a_name_of_its_own)
class NamesJoined(BrokenContext):
    """Joins run and key by a separator that both may have."""

    async def put(self, run_id: str, key: str, fact: Fact) -> Fact | None:
        return await self._port.put("all", f"{run_id}/{key}"[-2_000:], fact)

    async def get(self, run_id: str, keys: Sequence[str]) -> Mapping[str, Fact]:
        joined = {key: f"{run_id}/{key}"[-2_000:] for key in keys}
        found = await self._port.get("all", list(joined.values()))
        return {key: found[joined[key]] for key in keys if joined[key] in found}

    async def delete(self, run_id: str, *, keys: Sequence[str], names: Sequence[str]) -> None:
        await self._port.delete("all", keys=[f"{run_id}/{key}"[-2_000:] for key in keys], names=names)


@caught_by(ContextStoreContract.test_any_number_of_facts_is_read_by_one_call)
class PageTwoLost(BrokenContext):
    """Reads the first request's keys only."""

    async def get(self, run_id: str, keys: Sequence[str]) -> Mapping[str, Fact]:
        return await self._port.get(run_id, keys[: self._port.limits.max_keys_read])


@caught_by(ContextStoreContract.test_facts_too_long_for_one_answer_are_read_all_the_same)
class UnprocessedKeysIgnored(BrokenContext):
    """Takes for absent what did not fit into the answer."""

    async def get(self, run_id: str, keys: Sequence[str]) -> Mapping[str, Fact]:
        answer: dict[str, Fact] = {}
        for key, fact in (await self._port.get(run_id, keys)).items():
            if sum(len(each.body) for each in answer.values()) < 16_000_000:
                answer[key] = fact
        return answer


@caught_by(ContextStoreContract.test_a_key_may_be_asked_for_twice)
class KeyTwiceRefused(BrokenContext):
    """Passes on that the service refuses a batch with a key twice."""

    async def get(self, run_id: str, keys: Sequence[str]) -> Mapping[str, Fact]:
        if len(set(keys)) < len(keys):
            raise BackendError("Provided list of item keys contains duplicates")
        return await self._port.get(run_id, keys)


@caught_by(ContextStoreContract.test_what_one_client_writes_others_see_within_the_declared_staleness)
class AbsenceCached(BrokenContext):
    """Remembers what it did not find."""

    def __init__(self, port: Any) -> None:
        super().__init__(port)
        self._absent: set[tuple[str, str]] = set()

    async def get(self, run_id: str, keys: Sequence[str]) -> Mapping[str, Fact]:
        found: Mapping[str, Fact] = await self._port.get(run_id, [k for k in keys if (run_id, k) not in self._absent])
        self._absent.update((run_id, key) for key in keys if key not in found)
        return found


@caught_by(ContextStoreContract.test_deleting_removes_what_was_named_and_nothing_else)
class RunDeleted(BrokenContext):
    """Deletes all of a run."""

    async def delete(self, run_id: str, *, keys: Sequence[str], names: Sequence[str]) -> None:
        every = [key for run, key in self._port._facts._records if run == run_id]
        await self._port.delete(run_id, keys=every, names=names)


@caught_by(ContextStoreContract.test_under_a_deleted_key_a_fact_can_be_put_again)
class DeletedIsTaken(BrokenContext):
    """Leaves a mark under a deleted key that stands against new facts."""

    def __init__(self, port: Any) -> None:
        super().__init__(port)
        self._deleted: set[tuple[str, str]] = set()

    async def delete(self, run_id: str, *, keys: Sequence[str], names: Sequence[str]) -> None:
        self._deleted.update((run_id, key) for key in keys)
        await self._port.delete(run_id, keys=keys, names=names)

    async def put(self, run_id: str, key: str, fact: Fact) -> Fact | None:
        if (run_id, key) in self._deleted:
            return fact
        return await self._port.put(run_id, key, fact)


@caught_by(ContextStoreContract.test_keys_of_full_length_are_keys_of_their_own_whatever_they_are_made_of)
class KeysEscapedAndCut(Renaming):
    """Escapes keys, and cuts what has become too long by it."""

    def renamed(self, key: str) -> str:
        return quote(key, safe="")[:2_000]


@caught_by(ContextStoreContract.test_a_race_leaves_one_fact_and_no_trace_of_the_others)
class LosersKept(BrokenContext):
    """Keeps what the losers of a race wanted to write."""

    async def put(self, run_id: str, key: str, fact: Fact) -> Fact | None:
        standing = await self._port.put(run_id, key, fact)
        if standing is not None:
            await self._port.put(run_id, f"{key[-1_900:]} by {fact.writer}", fact)
        return standing


@caught_by(ContextStoreContract.test_deleting_leaves_nothing_in_the_store)
class DeletedIsMoved(BrokenContext):
    """Moves what is deleted where no reader looks."""

    async def delete(self, run_id: str, *, keys: Sequence[str], names: Sequence[str]) -> None:
        for key, fact in (await self._port.get(run_id, keys)).items():
            await self._port.put(run_id, f"deleted {key[-1_900:]}", fact)
        await self._port.delete(run_id, keys=keys, names=names)


@caught_by(ContextStoreContract.test_the_limits_are_those_that_are_declared)
class LimitsUndertold(BrokenContext):
    """Says that it takes less than it does."""

    @property
    def limits(self) -> StoreLimits:
        return attrs.evolve(self._port.limits, max_value_bytes=self._port.limits.max_value_bytes // 2)
