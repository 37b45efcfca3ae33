"""The contract of a coordination store."""

from __future__ import annotations

import itertools
from typing import Any

from flowcraft_core.ports import Backend, CoordinationStore

from .clauses import needs
from .drawn import DrawnHintClauses
from .hostile import CONFUSED, FULL_LENGTH_KEYS, LONG_KEYS, LONG_RUN_IDS, TEXTS
from .processes import ROUNDS, take_leases
from .troubled import Calls

#: A time to live that does not end within a clause.
LONG = 600.0


class CoordinationStoreContract(DrawnHintClauses):
    """What a ``CoordinationStore`` promises, as long as it loses nothing."""

    contract = "coordination"

    def port(self, backend: Backend) -> CoordinationStore:
        """The coordination store."""
        return backend.coordination

    racer = take_leases

    def calls_with(self, port: CoordinationStore, text: str) -> Calls:
        """See ``TroubledClauses``."""
        counter, lease, join = f"{text}1", f"{text}2", f"{text}3"
        short = text[-30:]  # a member has 40 characters at most
        return {
            "increment": lambda: port.increment(counter, ttl=LONG),
            "set_if_absent (key)": lambda: port.set_if_absent(lease, "me", ttl=LONG),
            "set_if_absent (value)": lambda: port.set_if_absent(self.fresh("lease"), text, ttl=LONG),
            "extend_ttl (key)": lambda: port.extend_ttl(lease, "me", ttl=LONG),
            "add_members (key)": lambda: port.add_members(join, "a", ttl=LONG),
            "add_members (member)": lambda: port.add_members(self.fresh("join"), short, ttl=LONG),
            "members": lambda: port.members(join),
            "get": lambda: port.get(lease),
            "delete": lambda: port.delete(lease),
        }

    async def before_the_race(self, port: CoordinationStore, name: str) -> set[Any]:
        """See ``TroubledClauses``."""
        return set(range(ROUNDS))

    async def leaves_no_trace(self, here: CoordinationStore, there: CoordinationStore, name: str) -> None:
        """See ``TroubledClauses``."""
        assert await here.set_if_absent(name, "mine", ttl=LONG) is True, "another store's lease stands in the way"
        assert await there.get(name) is None, "a lease of one store is seen in the other"
        await there.delete(name)
        assert await here.get(name) == "mine", "deleting in one store takes from the other"
        await here.delete(name)

    # --- counters ---

    async def test_a_counter_counts_every_call_of_every_client(self) -> None:
        """Revivals and poisoned deliveries are counted by whoever comes upon them."""
        async with self.connect() as one, self.connect() as other:
            key = self.fresh("counter")
            assert await one.get(key) is None
            assert await one.increment(key, ttl=LONG) == 1
            assert await other.increment(key, ttl=LONG) == 2
            assert await one.increment(key, ttl=LONG) == 3
            assert await other.get(key) == "3"
            assert await other.increment(self.fresh("counter"), ttl=LONG) == 1

    async def test_racing_increments_are_all_counted(self) -> None:
        """Each caller gets a number of its own: none is lost between reading and writing."""
        async with self.connect_many(3) as stores:
            key = self.fresh("counter")
            sums = await self.race(stores[place % 3].increment(key, ttl=LONG) for place in range(15))
            assert sorted(sums) == list(range(1, 16))

    async def test_a_counter_lives_as_long_as_its_first_call_said(self) -> None:
        """A bound on tries per hour must not be put off by each try."""
        async with self.connect() as store:
            key = self.fresh("counter")
            await store.increment(key, ttl=self.short * 2)
            await self.pass_time(self.short)
            assert await store.increment(key, ttl=LONG) == 2
            await self.pass_time(self.short)
            await self.until_gone(store, key)
            assert await store.increment(key, ttl=LONG) == 1

    # --- leases ---

    async def test_a_lease_is_taken_by_one(self) -> None:
        """Whoever comes second learns it, and the holder's value stands."""
        async with self.connect() as holder, self.connect() as other:
            key = self.fresh("lease")
            assert await other.get(key) is None
            assert await holder.set_if_absent(key, "me 😀", ttl=LONG) is True
            assert await other.set_if_absent(key, "you", ttl=LONG) is False
            assert await holder.set_if_absent(key, "me 😀", ttl=LONG) is False
            assert await other.get(key) == "me 😀"

    async def test_of_racing_takers_one_has_the_lease(self) -> None:
        """Two workers that both believe to hold it would both run a step with a lease."""
        async with self.connect_many(3) as stores:
            key = self.fresh("lease")
            answers = await self.race(
                stores[place % 3].set_if_absent(key, f"holder {place}", ttl=LONG) for place in range(12)
            )
            assert sorted(answers) == [False] * 11 + [True]
            assert await stores[0].get(key) == f"holder {answers.index(True)}"

    async def test_a_lease_is_free_when_its_time_has_run_out(self) -> None:
        """Its holder died; whether the store has removed it yet makes no difference."""
        async with self.connect() as holder, self.connect() as other:
            key = self.fresh("lease")
            await holder.set_if_absent(key, "me", ttl=self.short)
            assert await other.set_if_absent(key, "you", ttl=LONG) is False
            await self.pass_time(self.short)
            await self.until_gone(other, key)
            assert await holder.extend_ttl(key, "me", ttl=LONG) is False
            assert await other.set_if_absent(key, "you", ttl=LONG) is True
            assert await holder.get(key) == "you"

    async def test_of_racing_takers_of_an_expired_lease_one_has_it(self) -> None:
        """A dead holder's lease is what many wait for: removing it and taking it are one step."""
        async with self.connect_many(3) as stores:
            key = self.fresh("lease")
            await stores[0].set_if_absent(key, "dead", ttl=self.short)
            await self.pass_time(self.short)
            await self.until_gone(stores[0], key)
            answers = await self.race(
                stores[place % 3].set_if_absent(key, f"holder {place}", ttl=LONG) for place in range(12)
            )
            assert sorted(answers) == [False] * 11 + [True]
            assert await stores[0].get(key) == f"holder {answers.index(True)}"

    async def test_a_renewed_lease_lives_longer(self) -> None:
        """A holder that works on keeps it."""
        async with self.connect() as holder, self.connect() as other:
            key = self.fresh("lease")
            await holder.set_if_absent(key, "me", ttl=self.short)
            assert await holder.extend_ttl(key, "me", ttl=LONG) is True
            await self.pass_time(self.short)
            assert await other.set_if_absent(key, "you", ttl=LONG) is False
            assert await holder.extend_ttl(key, "me", ttl=self.short) is True
            await self.pass_time(self.short)
            await self.until_gone(other, key)

    async def test_only_its_holder_renews_a_lease(self) -> None:
        """Renewing what another holds, or what is free, would keep it from everybody."""
        async with self.connect() as store:
            key = self.fresh("lease")
            assert await store.extend_ttl(key, "me", ttl=LONG) is False
            assert await store.get(key) is None
            await store.set_if_absent(key, "me", ttl=self.short)
            assert await store.extend_ttl(key, "you", ttl=LONG) is False
            await self.pass_time(self.short)
            await self.until_gone(store, key)

    async def test_only_its_holder_gives_a_lease_back(self) -> None:
        """A holder that was paused past its time must not free the lease that is another's by now."""
        async with self.connect() as late, self.connect() as holder:
            key = self.fresh("lease")
            await late.set_if_absent(key, "late", ttl=self.short)
            await self.pass_time(self.short)
            await self.until_gone(holder, key)
            await holder.set_if_absent(key, "holder", ttl=LONG)
            await late.delete(key, value="late")
            assert await late.get(key) == "holder"
            await holder.delete(key, value="holder")
            assert await late.set_if_absent(key, "late", ttl=LONG) is True

    async def test_giving_a_lease_back_takes_none_from_who_has_it_next(self) -> None:
        """It is given back again when the answer was lost: looking and removing are one step."""
        async with self.connect_many(3) as stores:
            for _ in range(5):
                key = self.fresh("lease")
                await stores[0].set_if_absent(key, "me", ttl=LONG)
                given_back = [stores[0].delete(key, value="me") for _ in range(4)]
                taken = [stores[1 + place % 2].set_if_absent(key, f"holder {place}", ttl=LONG) for place in range(6)]
                calls = [call for pair in zip(given_back, taken, strict=False) for call in pair] + taken[4:]
                answers = [answer for answer in await self.race(calls) if answer is not None]
                assert answers.count(True) <= 1
                expected = f"holder {answers.index(True)}" if True in answers else None
                assert await stores[0].get(key) == expected

    @needs("skips_time")
    async def test_a_long_time_to_live_is_kept_to_its_end(self) -> None:
        """A join may be open for weeks, and a store that takes less must not make it less quietly."""
        async with self.connect() as store:
            counter, lease, join = (self.fresh(name) for name in ("counter", "lease", "join"))
            month = 30 * 86_400.0
            await store.increment(counter, ttl=month)
            await store.set_if_absent(lease, "me", ttl=month)
            await store.add_members(join, "a", ttl=month)
            await self.skip_time(month - LONG)
            assert (await store.get(counter), await store.get(lease)) == ("1", "me")
            assert await store.members(join) == {"a"}
            await self.skip_time(LONG)
            for key in (counter, lease):
                await self.until_gone(store, key)

    async def test_times_between_whole_seconds_are_not_cut(self) -> None:
        """A lease that ends sooner than its holder believes is taken from it."""
        async with self.connect() as store:
            part = self.short + 0.9  # far from the second before it, since calls take time, too
            counter, lease, renewed, join = (self.fresh(name) for name in ("counter", "lease", "renewed", "join"))
            await store.increment(counter, ttl=part)
            await store.set_if_absent(lease, "me", ttl=part)
            await store.add_members(join, "a", ttl=part)
            await store.set_if_absent(renewed, "me", ttl=LONG)
            await store.extend_ttl(renewed, "me", ttl=part)
            await self.pass_time(self.short + 0.1)
            assert [await store.get(key) for key in (counter, lease, renewed)] == ["1", "me", "me"]
            assert await store.members(join) == {"a"}

    async def test_reading_renews_nothing(self) -> None:
        """Whoever waits for a lease looks at it again and again, and gets it once its holder is dead."""
        async with self.connect() as holder, self.connect() as other:
            counter, lease, join = (self.fresh(name) for name in ("counter", "lease", "join"))
            await holder.increment(counter, ttl=self.short * 2)
            await holder.set_if_absent(lease, "me", ttl=self.short * 2)
            await holder.add_members(join, "a", ttl=self.short * 2)
            for _ in range(4):
                await self.pass_time(self.short / 2)
                await other.get(counter)
                await other.get(lease)
                await other.members(join)
            for key in (counter, lease):
                await self.until_gone(holder, key)

            async def set_is_gone() -> bool:
                return await other.members(join) == frozenset()

            await self.until(set_is_gone)

    # --- sets ---

    async def test_a_member_counts_once(self) -> None:
        """A join that counts a redelivered arrival twice runs before its time."""
        async with self.connect() as one, self.connect() as other:
            key = self.fresh("join")
            assert await one.members(key) == frozenset()
            arrivals = ((one, "a"), (other, "a"), (one, "b"), (other, "b"), (one, "a"))
            assert [await store.add_members(key, member, ttl=LONG) for store, member in arrivals] == [1, 1, 2, 2, 2]
            assert await other.members(key) == {"a", "b"}
            assert await one.members(self.fresh("join")) == frozenset()

    async def test_several_members_are_added_in_one_call(self) -> None:
        """Whoever finds a set wiped fills it again with all that the facts tell of."""
        async with self.connect() as store:
            key = self.fresh("join")
            assert await store.add_members(key, "a", "b", ttl=LONG) == 2
            assert await store.add_members(key, "b", "c", "d", ttl=LONG) == 4
            assert await store.members(key) == {"a", "b", "c", "d"}

    async def test_the_last_of_racing_arrivals_sees_the_set_full(self) -> None:
        """Whoever sees it full starts the join; if nobody did, it would wait for the reconciler."""
        async with self.connect_many(3) as stores:
            key, members = self.fresh("join"), [f"{place}".rjust(40, "m") for place in range(200)]
            together = [members[first : first + 4] for first in range(0, 200, 4)]
            sizes = await self.race(
                stores[place % 3].add_members(key, *some, ttl=LONG) for place, some in enumerate(together * 2)
            )
            assert max(sizes) == 200
            assert await stores[0].members(key) == set(members)

    async def test_each_arrival_renews_the_set(self) -> None:
        """Branches may be hours apart."""
        async with self.connect() as store:
            key = self.fresh("join")
            await store.add_members(key, "a", ttl=self.short)
            assert await store.add_members(key, "a", ttl=LONG) == 1
            await self.pass_time(self.short)
            assert await store.members(key) == {"a"}
            assert await store.add_members(key, "b", ttl=LONG) == 2

    async def test_an_expired_set_begins_anew(self) -> None:
        """Half of the old one would be worse than nothing of it."""
        async with self.connect() as store:
            key = self.fresh("join")
            for member in "ab":
                await store.add_members(key, member, ttl=self.short)
            await self.pass_time(self.short)

            async def is_gone() -> bool:
                return await store.members(key) == frozenset()

            await self.until(is_gone)
            assert await store.add_members(key, "c", ttl=LONG) == 1
            assert await store.members(key) == {"c"}

    # --- all keys ---

    async def test_deleting_removes_a_key_of_any_kind(self) -> None:
        """What is not needed any more goes, and what is not there is no error."""
        async with self.connect() as store:
            counter, lease, join, other = (self.fresh(name) for name in ("counter", "lease", "join", "lease"))
            await store.increment(counter, ttl=LONG)
            await store.set_if_absent(lease, "me", ttl=LONG)
            await store.add_members(join, "a", ttl=LONG)
            await store.set_if_absent(other, "me", ttl=LONG)
            for key in (counter, lease, join, self.fresh("none")):
                await store.delete(key)
            await store.delete(self.fresh("none"), value="me")
            assert await store.get(counter) is None
            assert await store.get(lease) is None
            assert await store.members(join) == frozenset()
            assert await store.get(other) == "me"
            assert await store.increment(counter, ttl=LONG) == 1
            assert await store.add_members(join, "b", ttl=LONG) == 1

    async def test_every_key_is_a_key_of_its_own(self) -> None:
        """Keys are made of ids of runs and nodes, which users choose."""
        async with self.connect() as store:
            keys = [*TEXTS, *LONG_KEYS, *(run_id + key for run_id in LONG_RUN_IDS for key in LONG_KEYS)]
            for key in keys:  # another run of this clause on the same store may have left some
                await store.delete(key)
            for place, key in enumerate(keys):
                assert await store.set_if_absent(key, f"value {place}", ttl=LONG) is True
            for place, key in enumerate(keys):
                assert await store.get(key) == f"value {place}"

    async def test_every_key_of_a_counter_and_of_a_set_is_a_key_of_its_own(self) -> None:
        """As those of leases are; and what is deleted is one key, and no pattern."""
        async with self.connect() as store:
            first = self.fresh("key")
            keys = [f"{first}{text}" for text in dict.fromkeys((*TEXTS, *itertools.chain(*CONFUSED)))]
            for key in keys:
                assert await store.increment(f"{key}", ttl=LONG) == 1, f"the counter {key!a} was another's"
                assert await store.add_members(f"+{key}", "a", ttl=LONG) == 1, f"the set {key!a} was another's"
            for place, key in enumerate(keys):
                await store.delete(key)
                await store.delete(f"+{key}")
                left = keys[place + 1] if place + 1 < len(keys) else None
                if left is not None:
                    assert await store.get(left) == "1", f"deleting {key!a} took {left!a}"
                    assert await store.members(f"+{left}") == {"a"}, f"deleting {key!a} took {left!a}"

    async def test_keys_of_full_length_are_keys_of_their_own_whatever_they_are_made_of(self) -> None:
        """A key is made of ids of runs and instances, up to 4,000 characters: whoever hashes it hashes all of it."""
        async with self.connect() as store:
            first = self.fresh("join")
            keys = [first + key for key in (*FULL_LENGTH_KEYS, *LONG_KEYS)]
            keys = [key.ljust(3_999, "k") + end for key in keys for end in "12"]
            for place, key in enumerate(keys):
                assert await store.add_members(key, str(place), ttl=LONG) == 1
            for place, key in enumerate(keys):
                assert await store.members(key) == {str(place)}

    async def until_gone(self, store: CoordinationStore, key: str) -> None:
        """Wait until a key is expired by the store's clock as well."""

        async def is_gone() -> bool:
            return await store.get(key) is None

        await self.until(is_gone)
