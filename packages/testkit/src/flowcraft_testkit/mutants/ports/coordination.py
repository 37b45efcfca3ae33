"""Coordination stores whose counters, leases and sets are wrong."""

# ruff: noqa: D102 - a class says what is wrong with it, and the port what its methods are to do
# mypy: disable-error-code="no-any-return"
# What is broken is passed on untyped.
from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

from ...contracts import CoordinationStoreContract
from .port import BrokenCoordination, caught_by

FOR_EVER = 1e12


@caught_by(CoordinationStoreContract.test_a_counter_counts_every_call_of_every_client)
class CountedByClient(BrokenCoordination):
    """Counts in the memory of each client."""

    def __init__(self, port: Any) -> None:
        super().__init__(port)
        self._counts: Counter[str] = Counter()

    async def increment(self, key: str, *, ttl: float) -> int:
        self._counts[key] += 1
        return self._counts[key]


@caught_by(CoordinationStoreContract.test_every_key_is_a_key_of_its_own)
class KeysCut(BrokenCoordination):
    """Makes a long key fit."""

    async def set_if_absent(self, key: str, value: str, *, ttl: float) -> bool:
        return await self._port.set_if_absent(key[:1_024], value, ttl=ttl)

    async def get(self, key: str) -> str | None:
        return await self._port.get(key[:1_024])

    async def delete(self, key: str, *, value: str | None = None) -> None:
        await self._port.delete(key[:1_024], value=value)


@caught_by(CoordinationStoreContract.test_racing_increments_are_all_counted)
class ReadThenCounted(BrokenCoordination):
    """Writes in a second step what it read in a first one."""

    async def increment(self, key: str, *, ttl: float) -> int:
        number = int(await self._port.get(key) or 0)
        self.effects.delete(key, None)
        return [self.effects.increment(key, ttl) for _ in range(number + 1)][-1]


@caught_by(CoordinationStoreContract.test_a_counter_lives_as_long_as_its_first_call_said)
class CounterRenewed(BrokenCoordination):
    """Gives a counter a new time at each call."""

    async def increment(self, key: str, *, ttl: float) -> int:
        counted: int = await self._port.increment(key, ttl=ttl)
        self.effects._entries[key].expires = self.effects._clock.now() + ttl
        return counted


@caught_by(CoordinationStoreContract.test_a_lease_is_taken_by_one)
class LeaseForEveryone(BrokenCoordination):
    """Overwrites the lease that stands."""

    async def set_if_absent(self, key: str, value: str, *, ttl: float) -> bool:
        await self._port.delete(key)
        return await self._port.set_if_absent(key, value, ttl=ttl)


@caught_by(CoordinationStoreContract.test_of_racing_takers_one_has_the_lease)
class LookedThenTaken(BrokenCoordination):
    """Takes in a second step what it found free in a first one."""

    async def set_if_absent(self, key: str, value: str, *, ttl: float) -> bool:
        if await self._port.get(key):
            return False
        await self._port.delete(key)
        await self._port.set_if_absent(key, value, ttl=ttl)
        return True


@caught_by(CoordinationStoreContract.test_of_racing_takers_of_an_expired_lease_one_has_it)
class ExpiredRemovedThenTaken(BrokenCoordination):
    """Removes an expired lease in a step of its own, and with it a new one that was faster."""

    async def set_if_absent(self, key: str, value: str, *, ttl: float) -> bool:
        if key in self.effects._entries and await self._port.get(key) is None:
            self.effects._entries.pop(key, None)
            await asyncio.sleep(0)
        return await self._port.set_if_absent(key, value, ttl=ttl)


@caught_by(CoordinationStoreContract.test_a_lease_is_free_when_its_time_has_run_out)
class ExpiredLeaseNeverFree(BrokenCoordination):
    """Waits for the store to remove what has expired."""

    async def set_if_absent(self, key: str, value: str, *, ttl: float) -> bool:
        if key in self.effects._entries:
            return False
        return await self._port.set_if_absent(key, value, ttl=ttl)


@caught_by(CoordinationStoreContract.test_a_lease_is_free_when_its_time_has_run_out)
class ExpiredKeySeen(BrokenCoordination):
    """Reads what the store has not removed yet."""

    async def get(self, key: str) -> str | None:
        entry = self.effects._entries.get(key)
        return entry and str(entry.content)


@caught_by(CoordinationStoreContract.test_a_lease_is_free_when_its_time_has_run_out)
class RenewedAfterItsTime(BrokenCoordination):
    """Renews a lease that has expired, because its record is still there."""

    async def extend_ttl(self, key: str, value: str, *, ttl: float) -> bool:
        entry = self.effects._entries.get(key)
        if entry is None or entry.content != value:
            return False
        entry.expires = self.effects._clock.now() + ttl
        return True


@caught_by(CoordinationStoreContract.test_a_renewed_lease_lives_longer)
class RenewalIgnored(BrokenCoordination):
    """Says that it has renewed."""

    async def extend_ttl(self, key: str, value: str, *, ttl: float) -> bool:
        return bool(await self._port.get(key) == value)


@caught_by(CoordinationStoreContract.test_only_its_holder_renews_a_lease)
class ForeignLeaseRenewed(BrokenCoordination):
    """Renews whoever asks."""

    async def extend_ttl(self, key: str, value: str, *, ttl: float) -> bool:
        standing = await self._port.get(key)
        return bool(standing and await self._port.extend_ttl(key, standing, ttl=ttl))


@caught_by(CoordinationStoreContract.test_only_its_holder_gives_a_lease_back)
class ForeignLeaseDeleted(BrokenCoordination):
    """Deletes whatever the value."""

    async def delete(self, key: str, *, value: str | None = None) -> None:
        await self._port.delete(key)


@caught_by(CoordinationStoreContract.test_a_member_counts_once)
class CounterInsteadOfSet(BrokenCoordination):
    """Counts arrivals."""

    async def add_members(self, key: str, *members: str, ttl: float) -> int:
        return await self._port.increment(key, ttl=ttl)

    async def members(self, key: str) -> frozenset[str]:
        return frozenset()


@caught_by(CoordinationStoreContract.test_the_last_of_racing_arrivals_sees_the_set_full)
class ReadThenAdded(BrokenCoordination):
    """Writes back a set that it read before."""

    async def add_members(self, key: str, *members: str, ttl: float) -> int:
        union = {*await self._port.members(key), *members}
        await asyncio.sleep(0)
        self.effects.delete(key, None)
        return self.effects.add_members(key, union, ttl)


@caught_by(CoordinationStoreContract.test_each_arrival_renews_the_set)
class SetNotRenewed(BrokenCoordination):
    """Gives a set its time at the first call only."""

    async def add_members(self, key: str, *members: str, ttl: float) -> int:
        entry = self.effects._get(key)
        left = entry.expires - self.effects._clock.now() if entry else ttl
        return await self._port.add_members(key, *members, ttl=left)


@caught_by(CoordinationStoreContract.test_an_expired_set_begins_anew)
class ExpiredMembersCount(BrokenCoordination):
    """Adds to a set that has expired, because its record is still there."""

    async def add_members(self, key: str, *members: str, ttl: float) -> int:
        if entry := self.effects._entries.get(key):
            entry.expires = FOR_EVER
        return await self._port.add_members(key, *members, ttl=ttl)


@caught_by(CoordinationStoreContract.test_several_members_are_added_in_one_call)
class OnlyTheFirstAdded(BrokenCoordination):
    """Adds the first of several members."""

    async def add_members(self, key: str, *members: str, ttl: float) -> int:
        return await self._port.add_members(key, *members[:1], ttl=ttl)


@caught_by(CoordinationStoreContract.test_deleting_removes_a_key_of_any_kind)
class OnlyLeasesDeleted(BrokenCoordination):
    """Deletes values, and leaves counters and sets."""

    async def delete(self, key: str, *, value: str | None = None) -> None:
        entry: Any = self.effects._entries.get(key)
        if entry and isinstance(entry.content, str):
            await self._port.delete(key, value=value)


@caught_by(CoordinationStoreContract.test_giving_a_lease_back_takes_none_from_who_has_it_next)
class LookedThenGivenBack(BrokenCoordination):
    """Removes in a second step the lease that it found to be its own in a first one."""

    async def delete(self, key: str, *, value: str | None = None) -> None:
        if value is None or await self._port.get(key) == value:
            await self._port.delete(key)


@caught_by(CoordinationStoreContract.test_keys_of_full_length_are_keys_of_their_own_whatever_they_are_made_of)
class KeysByTheirEnds(BrokenCoordination):
    """Makes a long key fit by leaving out its middle."""

    async def add_members(self, key: str, *members: str, ttl: float) -> int:
        return await self._port.add_members(_without_middle(key), *members, ttl=ttl)

    async def members(self, key: str) -> frozenset[str]:
        return await self._port.members(_without_middle(key))


def _without_middle(key: str) -> str:
    return key if len(key) <= 2_600 else f"{key[:1_200]}...{key[-1_200:]}"
