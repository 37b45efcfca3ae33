"""Context stores that let the wrong value stand."""

# ruff: noqa: D101, D102 - a class says what is wrong with it, and the port what its methods are to do
# mypy: disable-error-code="no-any-return"
# What is broken is passed on untyped.
from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import attrs
from flowcraft_core.ports import Fact, PositionedValue

from ...contracts import ContextStoreContract
from .port import BrokenContext, caught_by, private_backend


@caught_by(ContextStoreContract.test_the_greater_position_stands_whichever_comes_first)
class LastSetterWins(BrokenContext):
    """Overwrites whatever the position."""

    async def apply(self, run_id: str, values: Mapping[str, PositionedValue]) -> None:
        for name, value in values.items():
            await self.set(run_id, name, value)


class ComparingOtherwise(BrokenContext):
    def rank(self, value: PositionedValue) -> Any:
        raise NotImplementedError

    async def apply(self, run_id: str, values: Mapping[str, PositionedValue]) -> None:
        standing = await self._port.values(run_id, list(values))
        for name, value in values.items():
            if name not in standing or self.rank(standing[name]) < self.rank(value):
                await self.set(run_id, name, value)


@caught_by(ContextStoreContract.test_of_racing_setters_the_greatest_position_stands)
class LookedThenSet(ComparingOtherwise):
    """Compares rightly, and sets in a second step."""

    def rank(self, value: PositionedValue) -> Any:
        return value.position


@caught_by(ContextStoreContract.test_positions_are_compared_by_code_point)
class PositionsAsNumbers(ComparingOtherwise):
    """Compares digits as numbers."""

    def rank(self, value: PositionedValue) -> Any:
        return (value.position.isdecimal(), len(value.position) * value.position.isdecimal(), value.position)


@caught_by(ContextStoreContract.test_positions_are_compared_by_code_point)
class PositionsInSixteenBits(ComparingOtherwise):
    """Compares as JavaScript compares text."""

    def rank(self, value: PositionedValue) -> Any:
        return value.position.encode("utf-16-be")


@caught_by(ContextStoreContract.test_positions_are_compared_by_code_point)
class PositionsCut(ComparingOtherwise):
    """Compares the first thousand bytes."""

    def rank(self, value: PositionedValue) -> Any:
        return value.position[:1_000]


@caught_by(ContextStoreContract.test_a_deletion_has_a_position_like_any_value)
class DeletionForgotten(BrokenContext):
    """Removes a deleted value with its position."""

    async def apply(self, run_id: str, values: Mapping[str, PositionedValue]) -> None:
        await self._port.apply(run_id, values)
        await self._port.delete(run_id, keys=[], names=[name for name, value in values.items() if value.body is None])


@caught_by(ContextStoreContract.test_a_value_reads_as_it_was_set)
class EmptyIsDeleted(BrokenContext):
    """Takes an empty body for none."""

    async def apply(self, run_id: str, values: Mapping[str, PositionedValue]) -> None:
        emptied = {name: attrs.evolve(value, body=value.body or None) for name, value in values.items()}
        await self._port.apply(run_id, emptied)


@caught_by(ContextStoreContract.test_a_value_may_be_as_long_as_the_limit_and_no_longer)
class LongValueCut(BrokenContext):
    """Cuts a value that is too long."""

    async def apply(self, run_id: str, values: Mapping[str, PositionedValue]) -> None:
        longest = self._port.limits.max_value_bytes
        cut = {name: attrs.evolve(value, body=value.body and value.body[:longest]) for name, value in values.items()}
        await self._port.apply(run_id, cut)


@caught_by(ContextStoreContract.test_values_outlive_their_client)
class ValuesOfTheClient(BrokenContext):
    """Keeps values in the memory of the client that set them."""

    def __init__(self, port: Any) -> None:
        super().__init__(private_backend().context)


@caught_by(ContextStoreContract.test_what_one_client_sets_others_see_within_the_declared_staleness)
class ValuesCached(BrokenContext):
    """Remembers values, which change."""

    def __init__(self, port: Any) -> None:
        super().__init__(port)
        self._seen: dict[str, PositionedValue] = {}

    async def values(self, run_id: str, names: Sequence[str]) -> Mapping[str, PositionedValue]:
        self._seen = {**await self._port.values(run_id, names), **self._seen}
        return {name: self._seen[name] for name in names if name in self._seen}

    async def apply(self, run_id: str, values: Mapping[str, PositionedValue]) -> None:
        self._seen = {name: value for name, value in self._seen.items() if name not in values}
        await self._port.apply(run_id, values)


@caught_by(ContextStoreContract.test_deleting_removes_values_with_their_positions)
class PositionsKept(BrokenContext):
    """Forgets a deleted value, and not where its setter stood."""

    def __init__(self, port: Any) -> None:
        super().__init__(port)
        self._positions: dict[tuple[str, str], str] = {}

    async def delete(self, run_id: str, *, keys: Sequence[str], names: Sequence[str]) -> None:
        for name, value in (await self._port.values(run_id, names)).items():
            self._positions[run_id, name] = value.position
        await self._port.delete(run_id, keys=keys, names=names)

    async def apply(self, run_id: str, values: Mapping[str, PositionedValue]) -> None:
        later = {n: v for n, v in values.items() if v.position > self._positions.get((run_id, n), "")}
        await self._port.apply(run_id, later)


@caught_by(ContextStoreContract.test_any_number_of_values_is_set_and_read_by_one_call)
class OneStopsTheOthers(BrokenContext):
    """Stops at the first name that keeps what it has."""

    async def apply(self, run_id: str, values: Mapping[str, PositionedValue]) -> None:
        for name, value in values.items():
            standing = (await self._port.values(run_id, [name])).get(name)
            if standing and standing.position >= value.position:
                return
            await self._port.apply(run_id, {name: value})
            await asyncio.sleep(0)


@caught_by(ContextStoreContract.test_names_are_names_of_their_own_apart_from_keys)
class ValuesAmongFacts(BrokenContext):
    """Stores a value under the key of a fact."""

    async def apply(self, run_id: str, values: Mapping[str, PositionedValue]) -> None:
        await self._port.apply(run_id, values)
        for name in values:
            await self._port.put(run_id, name, Fact(b"a value", "store"))
