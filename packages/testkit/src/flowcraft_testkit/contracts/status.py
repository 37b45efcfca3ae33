"""The contract of a status store: single statuses here, and how they are found."""

from __future__ import annotations

import itertools
from typing import get_args

import attrs
from flowcraft_core.ports import REASON_LENGTH, FinalState

from .clauses import needs
from .finding import NOW
from .hostile import CONFUSED, LONG_RUN_IDS, TEXTS
from .ordering import OrderingClauses


class StatusStoreContract(OrderingClauses):
    """What a ``StatusStore`` promises."""

    async def test_a_status_reads_as_it_was_created(self) -> None:
        """People and reconcilers see all of it: times to the microsecond, tags of any text."""
        async with self.connect() as creator, self.connect() as reader:
            run = self.status(
                next_check=NOW + 60,
                tags={"customer": "a/b 😀", "a key.with$signs": ""},
                reason="it says 'no'\n",
            )
            plain = self.status(state="awaiting", blueprint_id="ключ/😀")
            dead = self.status(state="dead", body='{"not": "a job" \n😀', reason="malformed")
            for status in (run, plain, dead):
                assert await creator.create(status) is True
                assert await reader.get(status.run_id) == status
            assert await reader.get(self.fresh("run")) is None

    async def test_a_stored_status_does_not_change_with_what_the_caller_has(self) -> None:
        """Tags are a dict, and the caller's."""
        async with self.connect() as store:
            tags = {"customer": "one"}
            status = self.status(tags=tags)
            await store.create(status)
            tags["customer"] = "two"
            assert await store.get(status.run_id) == self.status(run_id=status.run_id, tags={"customer": "one"})

    async def test_a_run_has_one_status(self) -> None:
        """A second start with the id learns that there is a run, and changes nothing."""
        async with self.connect() as store:
            status = self.status(tags={"which": "first"})
            assert await store.create(status) is True
            assert await store.create(attrs.evolve(status, blueprint_id="other", tags={})) is False
            assert await store.get(status.run_id) == status
            await store.finish(status.run_id, "completed", at=NOW)
            assert await store.create(status) is False
            assert await store.get(status.run_id) == attrs.evolve(status, state="completed", next_check=None)

    async def test_of_racing_creators_one_wins(self) -> None:
        """Two clients that start one run id at once start one run."""
        async with self.connect_many(3) as stores:
            run_id = self.fresh("run")
            statuses = [self.status(run_id=run_id, blueprint_id=f"flow {place}") for place in range(12)]
            answers = await self.race(stores[place % 3].create(status) for place, status in enumerate(statuses))
            assert sorted(answers) == [False] * 11 + [True]
            assert await stores[0].get(run_id) == statuses[answers.index(True)]

    async def test_statuses_outlive_their_client(self) -> None:
        """Runs survive every restart."""
        status = self.status(next_check=NOW)
        async with self.connect() as store:
            await store.create(status)
        async with self.connect() as store:
            assert await store.get(status.run_id) == status

    async def test_every_run_id_is_a_name_of_its_own(self) -> None:
        """Users choose run ids: no two may be confused, whatever characters they have."""
        async with self.connect() as store:
            statuses = [self.status(run_id=run_id, reason=run_id) for run_id in (*TEXTS, *LONG_RUN_IDS)]
            for status in statuses:
                await store.delete(status.run_id)
            for status in statuses:
                assert await store.create(status) is True
            for status in statuses:
                assert await store.get(status.run_id) == status
            for status in statuses:
                await store.delete(status.run_id)
                assert await store.get(status.run_id) is None

    async def test_a_dead_letter_keeps_the_longest_message_that_the_queue_takes(self) -> None:
        """It is sent back as it came: one that was cut would be another message."""
        async with self._open_backend() as backend:
            for letter in ("x", "😀", "\0"):
                body = letter * (backend.queue.limits.max_body_bytes // len(letter.encode()))
                dead = self.status(state="dead", body=body, reason="malformed")
                assert await backend.status.create(dead) is True
                found = await backend.status.get(dead.run_id)
                assert found is not None, "the dead letter is not there"
                assert found.body == body, f"of {len(body)} letters {letter!a} came back {len(found.body or '')}"

    async def test_a_long_reason_keeps_no_run_from_ending(self) -> None:
        """An error's text may have megabytes; the store may cut it, and ends the run."""
        async with self.connect() as store:
            for letter in ("x", "😀", "\0"):
                status, reason = self.status(next_check=NOW), letter * 500_000
                await store.create(status)
                assert await store.finish(status.run_id, "failed", at=NOW, reason=reason) is True
                dead = self.status(state="dead", reason=reason)
                assert await store.create(dead) is True
                for found in (await store.get(status.run_id), await store.get(dead.run_id)):
                    assert found is not None, "the status is not there"
                    kept = found.reason or ""
                    assert reason.startswith(kept.removesuffix("…")), "what is kept of a reason is its beginning"
                    assert len(kept) >= REASON_LENGTH, f"of a reason {len(kept)} characters were kept"

    @needs("skips_time")
    async def test_nothing_expires(self) -> None:
        """People look at what ended last year, and a run may sleep for longer."""
        async with self.connect() as store:
            statuses = [self.status(next_check=NOW), self.status(), self.status(state="dead", body="{}")]
            await self.create_all(store, statuses)
            await store.finish(statuses[1].run_id, "completed", at=NOW)
            await self.skip_time(400 * 86_400.0)
            ended = attrs.evolve(statuses[1], state="completed")
            for status in (statuses[0], ended, statuses[2]):
                assert await store.get(status.run_id) == status

    # --- touching ---

    async def test_touching_sets_what_it_names_and_keeps_the_rest(self) -> None:
        """The next look is put off or called off, and the report may follow."""
        async with self.connect() as store, self.connect() as reader:
            status = self.status(tags={"a": "b"}, next_check=NOW)
            await store.create(status)
            assert await store.touch(status.run_id, at=NOW + 1, next_check=NOW + 9.5, state="awaiting") is True
            expected = attrs.evolve(status, updated=NOW + 1, next_check=NOW + 9.5, state="awaiting")
            assert await reader.get(status.run_id) == expected
            assert await store.touch(status.run_id, at=NOW + 2, next_check=None) is True
            assert await reader.get(status.run_id) == attrs.evolve(expected, updated=NOW + 2, next_check=None)
            assert await store.touch(status.run_id, at=NOW + 3, next_check=NOW, state="running") is True
            expected = attrs.evolve(expected, updated=NOW + 3, next_check=NOW, state="running")
            assert await reader.get(status.run_id) == expected

    async def test_a_final_run_is_never_touched(self) -> None:
        """A worker that comes late must not bring a run back, nor have it looked at for ever."""
        async with self.connect() as store:
            for state in get_args(FinalState):
                status = self.status(next_check=NOW)
                await store.create(status)
                await store.finish(status.run_id, state, at=NOW + 1, reason="why")
                ended = await store.get(status.run_id)
                assert await store.touch(status.run_id, at=NOW + 2, next_check=NOW + 3, state="running") is False
                assert await store.touch(status.run_id, at=NOW + 2, next_check=None) is False
                assert await store.get(status.run_id) == ended

    async def test_changing_what_is_not_there_creates_nothing(self) -> None:
        """A run that was purged meanwhile does not come back as a half of a status."""
        async with self.connect() as store:
            run_id = self.fresh("run")
            assert await store.touch(run_id, at=NOW, next_check=NOW, state="running") is False
            assert await store.finish(run_id, "completed", at=NOW) is False
            assert await store.get(run_id) is None

    async def test_a_dead_letter_is_no_live_run(self) -> None:
        """It is kept as it is until somebody deals with it."""
        async with self.connect() as store:
            dead = self.status(state="dead", body="{}", reason="malformed")
            await store.create(dead)
            assert await store.touch(dead.run_id, at=NOW, next_check=NOW, state="running") is False
            assert await store.finish(dead.run_id, "cancelled", at=NOW) is False
            assert await store.get(dead.run_id) == dead

    async def test_every_change_is_of_one_run_id(self) -> None:
        """A run id is no pattern, no prefix and no folded word: touching, ending, deleting one leaves all others."""
        first = self.fresh("run")
        async with self.connect() as store:
            live = [self.status(run_id=f"{first}{name}") for name in dict.fromkeys(itertools.chain(*CONFUSED))]
            await self.create_all(store, live)
            for place, status in enumerate(live):
                run_id = status.run_id
                assert await store.touch(run_id, at=NOW + 1, next_check=NOW + 60, state="awaiting") is True
                touched = attrs.evolve(status, updated=NOW + 1, next_check=NOW + 60, state="awaiting")
                assert await store.get(run_id) == touched
                assert await store.finish(run_id, "completed", at=NOW + 2) is True
                ended = attrs.evolve(status, updated=NOW + 2, state="completed", reason=None)
                assert await store.get(run_id) == ended
                await store.delete(run_id)
                assert await store.get(run_id) is None
                for other in live[place + 1 :]:
                    assert await store.get(other.run_id) == other, f"a change of {run_id!a} was one of others"

    async def test_a_clock_that_is_behind_changes_nothing(self) -> None:
        """Clocks of several machines differ: an earlier time still touches, and still ends."""
        async with self.connect() as store:
            status = self.status(updated=NOW + 60)
            await store.create(status)
            assert await store.touch(status.run_id, at=NOW, next_check=NOW + 9, state="awaiting") is True
            touched = attrs.evolve(status, updated=NOW, next_check=NOW + 9, state="awaiting")
            assert await store.get(status.run_id) == touched
            assert await store.finish(status.run_id, "failed", at=NOW - 60, reason="why") is True
            ended = attrs.evolve(status, updated=NOW - 60, next_check=None, state="failed", reason="why")
            assert await store.get(status.run_id) == ended

    async def test_the_same_end_from_two_callers_is_one_callers(self) -> None:
        """Two workers say the same at the same time: one of them ended the run, and says so to others."""
        async with self.connect() as one, self.connect() as other:
            status = self.status()
            await one.create(status)
            assert await one.finish(status.run_id, "completed", at=NOW, reason="done") is True
            assert await other.finish(status.run_id, "completed", at=NOW, reason="done") is False
            assert await one.finish(status.run_id, "completed", at=NOW, reason="done") is False

    # --- finishing ---

    async def test_a_run_ends_once(self) -> None:
        """The first end stands with its reason, needs no look any more, and keeps what the run was."""
        async with self.connect() as store, self.connect() as other:
            for live in ("running", "awaiting"):
                for state in get_args(FinalState):
                    status = self.status(state=live, next_check=NOW, tags={"a": "b"})
                    await store.create(status)
                    assert await store.finish(status.run_id, state, at=NOW + 1, reason="why") is True
                    ended = attrs.evolve(status, state=state, updated=NOW + 1, next_check=None, reason="why")
                    assert await other.get(status.run_id) == ended
                    for again in get_args(FinalState):
                        assert await other.finish(status.run_id, again, at=NOW + 2, reason="no") is False
                    assert await store.get(status.run_id) == ended

    async def test_of_racing_ends_one_stands(self) -> None:
        """A run that completes while it is cancelled is one or the other, and one caller knows that it was his."""
        states: tuple[FinalState, ...] = get_args(FinalState)
        async with self.connect_many(3) as stores:
            status = self.status()
            await stores[0].create(status)
            answers = await self.race(
                stores[place % 3].finish(status.run_id, states[place % 3], at=NOW + place, reason=f"reason {place}")
                for place in range(12)
            )
            assert sorted(answers) == [False] * 11 + [True]
            winner = answers.index(True)
            assert await stores[0].get(status.run_id) == attrs.evolve(
                status, state=states[winner % 3], updated=NOW + winner, next_check=None, reason=f"reason {winner}"
            )

    async def test_an_end_stands_against_racing_touches(self) -> None:
        """A touch that read the run when it was live does not write it back."""
        async with self.connect_many(3) as stores:
            for _ in range(5):
                status = self.status()
                await stores[0].create(status)
                touches = [
                    store.touch(status.run_id, at=NOW, next_check=NOW + 1, state="awaiting") for store in stores * 2
                ]
                ended = stores[0].finish(status.run_id, "completed", at=NOW + 2)
                assert (await self.race([*touches[:3], ended, *touches[3:]]))[3] is True
                assert await stores[1].get(status.run_id) == attrs.evolve(
                    status, state="completed", updated=NOW + 2, next_check=None
                )

    # --- deleting ---

    async def test_a_deleted_run_can_be_started_again(self) -> None:
        """Deleting takes all of that status and of no other one, and twice is no error."""
        async with self.connect() as store:
            status, other = self.status(tags={"a": "b"}, next_check=NOW), self.status()
            for each in (status, other):
                await store.create(each)
            await store.delete(status.run_id)
            await store.delete(status.run_id)
            assert await store.get(status.run_id) is None
            assert await store.get(other.run_id) == other
            assert await store.create(attrs.evolve(status, tags={})) is True

    @needs("side_door")
    async def test_the_store_holds_the_status_as_it_is(self) -> None:
        """Seen past the adapter: of racing ends one is stored, whole, and a deleted status is not there."""
        async with self.connect_many(3) as stores:
            status = self.status(next_check=NOW, tags={"a/b": "😀"}, blueprint_id="ключ")
            await stores[0].create(status)
            assert await self.stored.status(status.run_id) == status
            answers = await self.race(
                store.finish(status.run_id, "failed", at=NOW + place, reason=f"reason {place}")
                for place, store in enumerate(stores)
            )
            winner = answers.index(True)
            ended = attrs.evolve(
                status, state="failed", updated=NOW + winner, next_check=None, reason=f"reason {winner}"
            )
            assert await self.stored.status(status.run_id) == ended
            await stores[1].touch(status.run_id, at=NOW + 9, next_check=NOW)
            assert await self.stored.status(status.run_id) == ended
            await stores[2].delete(status.run_id)
            assert await self.stored.status(status.run_id) is None
