"""The clauses of a context store on facts."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Mapping
from typing import Any

import pytest
from flowcraft_core.ports import Backend, ContextStore, Fact, PositionedValue

from .clauses import needs
from .drawn import DrawnContextClauses
from .hostile import CONFUSED, FULL_LENGTH_KEYS, LONG_KEYS, LONG_RUN_IDS, PAIRS, TEXTS
from .processes import ROUNDS, put_facts
from .troubled import Calls

_ALL_BYTES = bytes(range(256))


class FactClauses(DrawnContextClauses):
    """What a ``ContextStore`` promises of facts."""

    contract = "context"

    def port(self, backend: Backend) -> ContextStore:
        """The context store."""
        return backend.context

    racer = put_facts

    def calls_with(self, port: ContextStore, text: str) -> Calls:
        """See ``TroubledClauses``."""
        value, fact = PositionedValue("1", b"value"), Fact(b"fact", "writer")
        return {
            "put (run id)": lambda: port.put(text, "key", fact),
            "put (key)": lambda: port.put("run", text, fact),
            "put (writer)": lambda: port.put(self.fresh("run"), "key", Fact(b"", text)),
            "put (job)": lambda: port.put(self.fresh("run"), "key", Fact(b"", "writer", text)),
            "get (run id)": lambda: port.get(text, ["key"]),
            "get (key)": lambda: port.get("run", [text]),
            "apply (run id)": lambda: port.apply(text, {"name": value}),
            "apply (name)": lambda: port.apply("run", {text: value}),
            "apply (position)": lambda: port.apply(self.fresh("run"), {"name": PositionedValue(text, b"")}),
            "values (run id)": lambda: port.values(text, ["name"]),
            "values (name)": lambda: port.values("run", [text]),
            "delete (run id)": lambda: port.delete(text, keys=["key"], names=["name"]),
            "delete (key)": lambda: port.delete("run", keys=[text], names=[]),
            "delete (name)": lambda: port.delete("run", keys=[], names=[text]),
        }

    async def before_the_race(self, port: ContextStore, name: str) -> set[Any]:
        """See ``TroubledClauses``."""
        return set(range(ROUNDS))

    async def leaves_no_trace(self, here: ContextStore, there: ContextStore, name: str) -> None:
        """See ``TroubledClauses``."""
        fact, value = Fact(b"mine", name), {name: PositionedValue("1", b"mine")}
        assert await here.put(name, name, fact) is None, "another store's fact stands in the way"
        await here.apply(name, value)
        await self.settle(there)
        assert dict(await there.get(name, [name])) == {}, "a fact of one store is seen in the other"
        assert dict(await there.values(name, [name])) == {}, "a value of one store is seen in the other"
        await there.delete(name, keys=[name], names=[name])
        await self.settle(here)
        assert dict(await here.get(name, [name])) == {name: fact}, "deleting in one store takes from the other"
        assert dict(await here.values(name, [name])) == value, "deleting in one store takes from the other"
        await here.delete(name, keys=[name], names=[name])

    async def settle(self, store: ContextStore) -> None:
        """Wait until reads see what other clients have written so far."""
        if store.limits.staleness:
            await self.pass_time(store.limits.staleness)

    async def put_all(self, store: ContextStore, run_id: str, facts: Mapping[str, Fact]) -> None:
        """Put facts, a few at a time; each must be the first under its key."""
        room = asyncio.Semaphore(16)

        async def put(key: str, fact: Fact) -> None:
            async with room:
                standing = await store.put(run_id, key, fact)
                assert standing is None, f"under {key!a} there was to be no fact, and there stands {standing!a}"

        await asyncio.gather(*(put(key, fact) for key, fact in facts.items()))

    # --- written once ---

    async def test_a_fact_reads_as_it_was_written(self) -> None:
        """An outcome is bytes, which may be anything, also nothing."""
        async with self.connect() as store:
            run_id = self.fresh("run")
            facts = {
                "bytes": Fact(_ALL_BYTES, "a writer/😀", "a job/😀"),
                "empty": Fact(b"", "writer"),
                "json": Fact(b'{"a": 1.0}', "writer", "job"),
            }
            await self.put_all(store, run_id, facts)
            assert dict(await store.get(run_id, list(facts))) == facts

    async def test_the_first_fact_stands_and_the_second_writer_is_given_it(self) -> None:
        """An instance has one outcome; who comes second, from wherever, goes on from the one that stands."""
        async with self.connect() as first, self.connect() as second:
            run_id, fact = self.fresh("run"), Fact(_ALL_BYTES, "first", "job one")
            assert await first.put(run_id, "key", fact) is None
            assert await second.put(run_id, "key", Fact(b"other", "second", "job two")) == fact
            assert await first.put(run_id, "key", Fact(b"third", "third")) == fact
            assert dict(await first.get(run_id, ["key"])) == {"key": fact}

    async def test_of_racing_writers_one_wins_and_all_others_are_given_its_fact(self) -> None:
        """Two deliveries of one job commit at once, and both must know which outcome is true."""
        async with self.connect_many(3) as stores:
            run_id = self.fresh("run")
            facts = [Fact(b"from %d" % place, f"writer {place}") for place in range(12)]
            answers = await self.race(stores[place % 3].put(run_id, "key", fact) for place, fact in enumerate(facts))
            winners = [fact for fact, answer in zip(facts, answers, strict=True) if answer is None]
            assert len(winners) == 1
            assert [answer for answer in answers if answer is not None] == winners * 11
            await self.settle(stores[0])
            for store in stores:
                assert dict(await store.get(run_id, ["key"])) == {"key": winners[0]}

    async def test_a_writer_whose_answer_was_lost_finds_itself(self) -> None:
        """After a time-out the same writer puts again: it has won if the fact that stands is its own."""
        async with self.connect() as one, self.connect() as other:
            run_id, fact = self.fresh("run"), Fact(b"outcome", "writer", "job")
            assert await one.put(run_id, "key", fact) is None
            assert await one.put(run_id, "key", fact) == fact
            assert await other.put(run_id, "key", fact) == fact

    async def test_facts_outlive_their_client(self) -> None:
        """What ``put`` has returned for survives every restart."""
        run_id, fact = self.fresh("run"), Fact(b"outcome", "writer")
        async with self.connect() as store:
            await store.put(run_id, "key", fact)
        async with self.connect() as store:
            await self.settle(store)
            assert dict(await store.get(run_id, ["key"])) == {"key": fact}

    # --- reading ---

    async def test_what_one_client_writes_others_see_within_the_declared_staleness(self) -> None:
        """A successor waits so long for a predecessor's fact, and no longer. A client's own writes it sees at once."""
        async with self.connect() as writer, self.connect() as reader:
            run_id, fact = self.fresh("run"), Fact(b"outcome", "writer")
            await reader.get(run_id, ["key"])  # a reader that remembers that there was none is stale for ever
            await writer.put(run_id, "key", fact)
            assert dict(await writer.get(run_id, ["key"])) == {"key": fact}
            await self.settle(reader)
            assert dict(await reader.get(run_id, ["key"])) == {"key": fact}

    async def test_keys_without_a_fact_are_left_out(self) -> None:
        """Absence is an answer, and no error."""
        async with self.connect() as store:
            run_id, fact = self.fresh("run"), Fact(b"outcome", "writer")
            assert dict(await store.get(run_id, ["key"])) == {}
            await store.put(run_id, "key", fact)
            assert dict(await store.get(run_id, ["none", "key", "key "])) == {"key": fact}
            assert dict(await store.get(run_id, [])) == {}
            assert dict(await store.get(self.fresh("run"), ["key"])) == {}

    async def test_any_number_of_facts_is_read_by_one_call(self) -> None:
        """A join of many reads all of its predecessors; one that is left out of an answer looks unready."""
        async with self.connect() as store:
            run_id, number = self.fresh("run"), store.limits.max_keys_read * 2 + 1
            facts = {f"item[{place}]": Fact(b"%d" % place, "writer") for place in range(number)}
            await self.put_all(store, run_id, facts)
            assert dict(await store.get(run_id, list(facts))) == facts

    async def test_facts_too_long_for_one_answer_are_read_all_the_same(self) -> None:
        """Services answer with so many bytes and name what is left over; the adapter asks again for that."""
        async with self.connect() as store:
            run_id, size = self.fresh("run"), min(store.limits.max_value_bytes, 400_000)
            number = min(17_000_000 // size + 1, 100)
            facts = {f"page[{place}]": Fact(b"%d" % (place % 10) * size, "writer") for place in range(number)}
            await self.put_all(store, run_id, facts)
            found = await store.get(run_id, list(facts))
            assert found.keys() == facts.keys()
            assert all(found[key] == fact for key, fact in facts.items())

    async def test_a_key_may_be_asked_for_twice(self) -> None:
        """Two edges may come from one node, and services refuse a batch that names a key twice."""
        async with self.connect() as store:
            run_id, fact = self.fresh("run"), Fact(b"outcome", "writer")
            await store.put(run_id, "key", fact)
            assert dict(await store.get(run_id, ["key", "none", "key", "none"])) == {"key": fact}

    # --- names and limits ---

    async def test_every_name_is_a_name_of_its_own(self) -> None:
        """Users choose the ids of runs and nodes: no two may be confused, whatever characters they have."""
        run_id = self.fresh("run")
        names = [
            *((run_id, key) for key in (*TEXTS, *LONG_KEYS)),
            *((run_id, "key") for run_id in TEXTS),
            *((run_id, key) for run_id in LONG_RUN_IDS for key in LONG_KEYS),
            *PAIRS,
        ]
        runs: dict[str, dict[str, Fact]] = {}
        for run_id, key in names:
            runs.setdefault(run_id, {})[key] = Fact(f"{run_id} {key}".encode(), "writer")
        async with self.connect() as store:
            for run_id, facts in runs.items():  # another run of this clause on the same store may have left some
                await store.delete(run_id, keys=list(facts), names=[])
            for run_id, facts in runs.items():
                await self.put_all(store, run_id, facts)
            for run_id, facts in runs.items():
                assert dict(await store.get(run_id, list(facts))) == facts

    async def test_keys_of_full_length_are_keys_of_their_own_whatever_they_are_made_of(self) -> None:
        """What is escaped, hashed or cut to fit must stay one key: deep constructs of long names have such keys."""
        async with self.connect() as store:
            run_id = self.fresh("/😀") + "/"
            run_id = run_id.ljust(300, "%")
            facts = {key: Fact(b"%d" % place, "writer") for place, key in enumerate(FULL_LENGTH_KEYS)}
            await self.put_all(store, run_id, facts)
            assert dict(await store.get(run_id, list(facts))) == facts
            assert [await store.put(run_id, key, Fact(b"", "other")) for key in facts] == list(facts.values())

    async def test_a_fact_may_be_as_long_as_the_limit_and_no_longer(self) -> None:
        """A longer one is refused with the limit in the message, before anything is lost."""
        async with self.connect() as store:
            run_id, longest = self.fresh("run"), store.limits.max_value_bytes
            with pytest.raises(ValueError, match=rf"max_value_bytes|{longest}"):
                await store.put(run_id, "key", Fact(b"x" * (longest + 1), "writer"))
            assert dict(await store.get(run_id, ["key"])) == {}
            fact = Fact(b"x" * longest, "writer", "job")
            assert await store.put(run_id, LONG_KEYS[-1], fact) is None
            assert await store.put(run_id, LONG_KEYS[-1], Fact(b"", "other")) == fact
            assert dict(await store.get(run_id, [LONG_KEYS[-1]])) == {LONG_KEYS[-1]: fact}

    # --- deleting ---

    async def test_deleting_removes_what_was_named_and_nothing_else(self) -> None:
        """A purge names every key that can exist, many of which do not."""
        async with self.connect() as store:
            run_id, other_run = self.fresh("run"), self.fresh("run")
            number = store.limits.max_keys_read + 2
            facts = {f"key {place}": Fact(b"%d" % place, "writer") for place in range(number)}
            await self.put_all(store, run_id, facts)
            await self.put_all(store, other_run, facts)
            gone = [key for key in facts if key != "key 1"]
            await store.delete(run_id, keys=[*gone, "none"], names=["none"])
            await store.delete(run_id, keys=gone, names=[])
            await store.delete(run_id, keys=[], names=[])
            assert dict(await store.get(run_id, list(facts))) == {"key 1": facts["key 1"]}
            assert dict(await store.get(other_run, list(facts))) == facts

    async def test_deleting_by_any_name_leaves_all_others(self) -> None:
        """A name is no pattern, no prefix and no folded word: neither a key's, nor a value's, nor a run's."""
        first, names = self.fresh("run"), list(dict.fromkeys(itertools.chain(*CONFUSED)))
        fact, value = Fact(b"fact", "writer"), PositionedValue("1", b"value")
        runs = [first, *(f"{first}{name}" for name in names)]
        async with self.connect() as store:
            await self.put_all(store, first, dict.fromkeys(names, fact))
            await store.apply(first, dict.fromkeys(names, value))
            for run_id in runs[1:]:
                assert await store.put(run_id, "a", fact) is None, f"the run {run_id!a} was another's"
            for place, name in enumerate(names):
                await store.delete(first, keys=[name], names=[])
                await store.delete(first, keys=[], names=[name])
                await store.delete(runs[place + 1], keys=["a"], names=["a"])
                left = names[place + 1 :]
                assert (await store.get(first, names)).keys() == set(left), f"deleting {name!a} took others"
                assert (await store.values(first, names)).keys() == set(left), f"deleting {name!a} took others"
                for run_id in runs[place + 2 :][:3]:
                    assert await store.get(run_id, ["a"]), f"deleting in {runs[place + 1]!a} took from {run_id!a}"
            for run_id in runs[1:]:
                assert dict(await store.get(run_id, ["a"])) == {}, f"of {run_id!a} something was left"

    async def test_under_a_deleted_key_a_fact_can_be_put_again(self) -> None:
        """A run id may be used again once its run was purged."""
        async with self.connect() as store:
            run_id, fact = self.fresh("run"), Fact(b"second", "other")
            await store.put(run_id, "key", Fact(b"first", "writer"))
            await store.delete(run_id, keys=["key"], names=[])
            assert await store.put(run_id, "key", fact) is None
            assert dict(await store.get(run_id, ["key"])) == {"key": fact}

    # --- what is really there ---

    @needs("side_door")
    async def test_a_race_leaves_one_fact_and_no_trace_of_the_others(self) -> None:
        """Seen past the adapter: the winner's fact as it was written, and the losers stored nothing anywhere."""
        async with self.connect_many(3) as stores:
            run_id = self.fresh("run")
            facts = [Fact(_ALL_BYTES + b"%d" % place, f"writer {place}", "job/😀") for place in range(9)]
            answers = await self.race(stores[place % 3].put(run_id, "key", fact) for place, fact in enumerate(facts))
            assert dict(await self.stored.facts(run_id)) == {"key": facts[answers.index(None)]}

    @needs("side_door")
    async def test_deleting_leaves_nothing_in_the_store(self) -> None:
        """Seen past the adapter: a purge is what people are promised who ask for their data to be gone."""
        async with self.connect() as store:
            run_id, fact, value = self.fresh("run"), Fact(b"a secret", "writer"), PositionedValue("1", b"a secret")
            keys, names = [*TEXTS[:20], LONG_KEYS[-1]], [*TEXTS[:20], LONG_KEYS[-1]]
            for key in keys:
                await store.put(run_id, key, fact)
            await store.apply(run_id, dict.fromkeys(names, value))
            assert dict(await self.stored.facts(run_id)) == dict.fromkeys(keys, fact)
            assert dict(await self.stored.values(run_id)) == dict.fromkeys(names, value)
            await store.delete(run_id, keys=keys, names=names)
            assert dict(await self.stored.facts(run_id)) == {}
            assert dict(await self.stored.values(run_id)) == {}

    @needs("store_limits")
    async def test_the_limits_are_those_that_are_declared(self) -> None:
        """The engine cuts records, and waits for stale reads, by what the port says."""
        async with self.connect() as store:
            assert store.limits == self.declared.store_limits
