"""The contract of a context store: its facts, and here its context values."""

from __future__ import annotations

from itertools import pairwise
from random import Random

import pytest
from flowcraft_core.ports import Fact, PositionedValue

from .clauses import needs
from .facts import FactClauses
from .hostile import LONG_KEYS, TEXTS

#: Positions in their order: as text by code point, not as numbers, not in 16-bit units, not folded or trimmed.
ORDERED_POSITIONS = (
    *("!", "+1", "-1", "1", "1 ", "1!", "10", "2", "9", "B", "_", "a", "a!", "aa", "b", "~", "Ω", "日"),
    *("\uffee", "\U00010000", "😀", "p" * 3_999 + "1", "p" * 3_999 + "2"),
)


class ContextStoreContract(FactClauses):
    """What a ``ContextStore`` promises."""

    async def test_a_value_reads_as_it_was_set(self) -> None:
        """A context value is bytes, which may be anything; that it was deleted is something else than nothing."""
        async with self.connect() as store:
            run_id = self.fresh("run")
            values = {
                "bytes": PositionedValue("1", bytes(range(256))),
                "empty": PositionedValue("2", b""),
                "deleted": PositionedValue("3", None),
            }
            await store.apply(run_id, values)
            assert dict(await store.values(run_id, [*values, "never set"])) == values

    async def test_the_greater_position_stands_whichever_comes_first(self) -> None:
        """The later setter in the flow wins, whatever the timing; the same setter again changes nothing."""
        async with self.connect() as store:
            run_id = self.fresh("run")
            early, late = PositionedValue("1", b"early"), PositionedValue("2", b"late")
            for name, order in {"forward": (early, late), "backward": (late, early)}.items():
                for value in (*order, *order):
                    await store.apply(run_id, {name: value})
                assert dict(await store.values(run_id, [name])) == {name: late}
            await store.apply(run_id, {"forward": PositionedValue("2", b"again")})
            assert dict(await store.values(run_id, ["forward"])) == {"forward": late}

    async def test_a_deletion_has_a_position_like_any_value(self) -> None:
        """An earlier setter that comes late does not bring back what a later one deleted."""
        async with self.connect() as store:
            run_id, deleted = self.fresh("run"), PositionedValue("2", None)
            await store.apply(run_id, {"name": PositionedValue("1", b"set")})
            for value in (deleted, PositionedValue("1", b"set"), deleted):
                await store.apply(run_id, {"name": value})
                assert dict(await store.values(run_id, ["name"])) == {"name": deleted}
            await store.apply(run_id, {"name": PositionedValue("3", b"")})
            assert dict(await store.values(run_id, ["name"])) == {"name": PositionedValue("3", b"")}

    async def test_positions_are_compared_by_code_point(self) -> None:
        """They are made to be ordered so; read as numbers, folded or in 16-bit units, another setter would win."""
        order = sorted(ORDERED_POSITIONS)
        async with self.connect() as store:
            run_id = self.fresh("run")
            for lesser, greater in pairwise(order):
                rising, falling = (self.fresh("name") for _ in range(2))
                await store.apply(run_id, {rising: PositionedValue(lesser, b"")})
                await store.apply(run_id, {rising: PositionedValue(greater, b"greater")})
                await store.apply(run_id, {falling: PositionedValue(greater, b"greater")})
                await store.apply(run_id, {falling: PositionedValue(lesser, b"")})
                standing = PositionedValue(greater, b"greater")
                assert dict(await store.values(run_id, [rising, falling])) == {rising: standing, falling: standing}

    async def test_of_racing_setters_the_greatest_position_stands(self) -> None:
        """Branches run on many workers; reading and then writing would let the last one to write win."""
        values = [PositionedValue(f"{place:02}", b"%d" % place) for place in range(15)]
        dice = Random(1)  # noqa: S311 - any orders will do, as long as they are the same ones each time
        orders = [values, values[::-1], *(dice.sample(values, len(values)) for _ in range(4))]
        async with self.connect_many(3) as stores:
            run_id, names = self.fresh("run"), [self.fresh("name") for _ in orders]
            for name, order in zip(names, orders, strict=True):
                await self.race(stores[place % 3].apply(run_id, {name: value}) for place, value in enumerate(order))
            await self.settle(stores[0])
            assert dict(await stores[0].values(run_id, names)) == dict.fromkeys(names, values[-1])

    async def test_any_number_of_values_is_set_and_read_by_one_call(self) -> None:
        """Each name stands for itself: one that keeps a greater value holds up none of the others."""
        async with self.connect() as store:
            run_id, number = self.fresh("run"), store.limits.max_keys_read + 1
            values = {f"name {place}": PositionedValue("1", b"%d" % place) for place in range(number)}
            kept = {"name 0": PositionedValue("2", b"kept")}
            await store.apply(run_id, kept)
            await store.apply(run_id, values)
            assert dict(await store.values(run_id, [*values, "name 0"])) == {**values, **kept}
            await store.apply(run_id, {})
            assert dict(await store.values(run_id, [])) == {}

    async def test_many_long_values_are_set_by_one_call(self) -> None:
        """Where a request is limited in bytes, the adapter splits by that as well, and none is left out."""
        async with self.connect() as store:
            run_id, size = self.fresh("run"), min(store.limits.max_value_bytes, 400_000)
            number = min(17_000_000 // size + 1, 100)
            values = {f"name {n}": PositionedValue("1", b"%d" % (n % 10) * size) for n in range(number)}
            await store.apply(run_id, values)
            found = await store.values(run_id, list(values))
            left_out = values.keys() - found.keys()
            assert not left_out, f"of {number} values of {size} bytes these were not set: {sorted(left_out)}"
            assert all(found[name] == value for name, value in values.items())

    async def test_any_number_of_keys_and_names_is_deleted_by_one_call(self) -> None:
        """A purge names both at once, and more of each than goes into a request."""
        async with self.connect() as store:
            run_id, number = self.fresh("run"), max(store.limits.max_keys_read, 100) * 2 + 1
            facts = {f"key {place}": Fact(b"", "writer") for place in range(number)}
            values = {f"key {place}": PositionedValue("1", b"") for place in range(number)}
            await self.put_all(store, run_id, facts)
            await store.apply(run_id, values)
            await store.delete(run_id, keys=list(facts)[1:], names=list(values)[2:])
            assert (await store.get(run_id, list(facts))).keys() == {"key 0"}
            assert (await store.values(run_id, list(values))).keys() == {"key 0", "key 1"}

    @needs("skips_time")
    async def test_nothing_expires(self) -> None:
        """A run may sleep for a year, and its facts are all that is left of it."""
        async with self.connect() as store:
            run_id, fact = self.fresh("run"), Fact(b"outcome", "writer")
            values = {"set": PositionedValue("1", b"value"), "deleted": PositionedValue("2", None)}
            await store.put(run_id, "key", fact)
            await store.apply(run_id, values)
            await self.skip_time(400 * 86_400.0)
            assert dict(await store.get(run_id, ["key"])) == {"key": fact}
            assert dict(await store.values(run_id, list(values))) == values
            assert await store.put(run_id, "key", Fact(b"other", "other")) == fact

    async def test_what_one_client_sets_others_see_within_the_declared_staleness(self) -> None:
        """A client's own values it sees at once."""
        async with self.connect() as writer, self.connect() as reader:
            run_id = self.fresh("run")
            for position in "12":
                value = {"name": PositionedValue(position, position.encode())}
                await writer.apply(run_id, value)
                assert dict(await writer.values(run_id, ["name"])) == value
                await self.settle(reader)
                assert dict(await reader.values(run_id, ["name"])) == value

    async def test_values_outlive_their_client(self) -> None:
        """What ``apply`` has returned for survives every restart."""
        run_id, value = self.fresh("run"), {"name": PositionedValue("1", b"value")}
        async with self.connect() as store:
            await store.apply(run_id, value)
        async with self.connect() as store:
            await self.settle(store)
            assert dict(await store.values(run_id, ["name"])) == value

    async def test_a_value_may_be_as_long_as_the_limit_and_no_longer(self) -> None:
        """With the longest position and the longest name beside it."""
        async with self.connect() as store:
            run_id, longest = self.fresh("run"), store.limits.max_value_bytes
            with pytest.raises(ValueError, match=r"\d"):
                await store.apply(run_id, {"name": PositionedValue("1", b"x" * (longest + 1))})
            assert dict(await store.values(run_id, ["name"])) == {}
            value = {LONG_KEYS[-1]: PositionedValue("😀" * 1_000, b"x" * longest)}
            await store.apply(run_id, value)
            assert dict(await store.values(run_id, list(value))) == value

    async def test_names_are_names_of_their_own_apart_from_keys(self) -> None:
        """A context value may be called what a node is called."""
        async with self.connect() as store:
            run_id, other_run = self.fresh("run"), self.fresh("run")
            values = {name: PositionedValue("1", name.encode()) for name in (*TEXTS, *LONG_KEYS)}
            fact = Fact(b"a fact", "writer")
            await store.apply(run_id, values)
            for name in ("a", "a.b"):
                assert await store.put(run_id, name, fact) is None
            assert dict(await store.values(run_id, list(values))) == values
            assert dict(await store.get(run_id, ["a", "a.b"])) == {"a": fact, "a.b": fact}
            assert dict(await store.values(other_run, list(values))) == {}

    async def test_deleting_removes_values_with_their_positions(self) -> None:
        """After a purge a name is as if it had never been set; facts and other names are not touched."""
        async with self.connect() as store:
            run_id, value, fact = self.fresh("run"), PositionedValue("2", b"value"), Fact(b"fact", "writer")
            await store.apply(run_id, {"gone": value, "kept": value})
            await store.put(run_id, "gone", fact)
            await store.delete(run_id, keys=[], names=["gone", "none"])
            assert dict(await store.values(run_id, ["gone", "kept"])) == {"kept": value}
            assert dict(await store.get(run_id, ["gone"])) == {"gone": fact}
            await store.apply(run_id, {"gone": PositionedValue("1", b"anew")})
            assert dict(await store.values(run_id, ["gone"])) == {"gone": PositionedValue("1", b"anew")}
