"""The clauses of a whole backend on what a reconciler brings on, and what it leaves alone."""

from __future__ import annotations

from collections import Counter
from typing import Any

import attrs
from flowcraft_core import create_flow
from flowcraft_core.errors import SerializationError
from flowcraft_core.jobs import decode_job
from flowcraft_core.ports import Fact, RunStatus

from .interposed import Call
from .programs import ProgramClauses, Steps
from .starting import chain


class _OfLastWeek:
    """A codec without the key with which everything is stored by now."""

    def encode(self, data: bytes, *, place: str) -> bytes:
        """See ``PayloadCodec``."""
        return data

    def decode(self, data: bytes, *, place: str) -> bytes:
        """See ``PayloadCodec``."""
        raise SerializationError(f"record {place!r} was stored with another key")


class ReconcilingClauses(ProgramClauses):
    """What a ``Backend`` promises of runs whose jobs or whose ends were lost."""

    async def test_an_end_that_nobody_wrote_is_written_by_a_reconciler(self) -> None:
        """The last worker died with all outcomes stored and the status not: the facts say how the run ended."""
        steps = Steps()
        good, bad = chain(steps), create_flow("bad").node("x", steps.broken)
        async with self.programs(good, bad, reconcile=False) as here:
            for flow, state in ((good, "completed"), (bad, "failed")):
                await here.client.start(flow, run_id=(run_id := self.id("run")))
                await here.hire_until("status.finish", when="before")
                await self.lose_messages(here)
                await self.pass_time(here.backend.context.limits.staleness)
                done = await (await here.reconciler()).reconcile(run_id)
                assert (done.finished, done.revived) == (1, 0)
                assert (await here.client.status(run_id)).state == state

    async def test_a_reconciler_revives_what_is_due_and_nothing_else(self) -> None:
        """Not the branch that was not taken, nor what has an outcome; what is worked on it leaves alone."""
        steps = Steps()
        flow = create_flow("stalled").node("a", steps.gives(7)).node("b", steps.echo).node("c", steps.broken)
        flow.node("d", steps.echo).node("e", steps.echo, join="any").edge("a", "b").edge("b", "d").edge("d", "e")
        flow.edge("a", "c", condition="result.output < 0").edge("c", "e")
        async with self.programs(flow, reconcile=False) as here:
            await here.client.start(flow, run_id=(run_id := self.id("run")))
            await here.hire_until("context.put", when="before", number=2)
            await self.lose_messages(here)
            await self.pass_time(here.backend.context.limits.staleness)
            done = await (await here.reconciler()).reconcile(run_id)
            assert (done.revived, done.finished) == (1, 0)
            await here.hire()
            result = await here.ended(run_id)
            assert (result.status, result.outputs) == ("completed", {"a": 7, "b": 7, "d": 7, "e": 7})
            assert (steps.count("a"), steps.count("c")) == (1, 0)

    async def test_every_stalled_run_is_found_over_many_pages(self) -> None:
        """A round goes through all pages of what is due, and looks at nothing that is not; no run is forgotten."""
        steps = Steps()
        flow = chain(steps, 1)
        async with self.programs(flow, reconcile=False) as here:
            runs = [self.id("run") for _ in range(130)]
            for place, run_id in enumerate(runs):
                await here.client.start(flow, run_id=run_id)
                due = self.now() - 60 if place % 13 else self.now() + 86_400
                await here.backend.status.touch(run_id, at=self.now(), next_check=due)
            await self.lose_messages(here)
            waiting = set(runs[::13])
            await self.pass_time(2 * self.beat + here.backend.context.limits.staleness)
            reconciler = await here.reconciler(interval=10_000.0)  # longer than a round can take

            async def looked_at() -> bool:
                now = self.now()
                checks = [(await here.client.status(run_id)).next_check for run_id in runs]
                return all(check is not None and check > now for check in checks)

            for _ in range(10):  # an index may lag behind
                await reconciler.run_once()
                await self.pass_time(self.beat)
            assert await looked_at()
            await here.hire(2)
            for run_id in set(runs) - waiting:
                assert (await here.ended(run_id)).status == "completed"
            assert {(await here.client.status(run_id)).state for run_id in waiting} == {"running"}

    async def test_a_run_that_cannot_be_read_does_not_hold_up_the_others(self) -> None:
        """Its record is damaged, or was written by a later version: the round goes on, and says how many it was."""
        steps = Steps()
        flow = chain(steps, 1)
        async with self.programs(flow, reconcile=False) as here:
            damaged, good = self.id("damaged"), self.id("good")
            await here.backend.context.put(damaged, ":run", Fact(b'w\x00{"v":99}', "somebody"))
            began = self.now() - 120
            status = RunStatus(run_id=damaged, state="running", blueprint_id="", created=began, updated=began)
            await here.backend.status.create(attrs.evolve(status, next_check=began))
            await here.client.start(flow, run_id=good)
            await here.backend.status.touch(good, at=self.now(), next_check=self.now() - 60)
            await self.lose_messages(here)
            await self.pass_time(2 * self.beat + here.backend.context.limits.staleness)
            reconciler, errors = await here.reconciler(), 0

            async def both_seen() -> bool:
                nonlocal errors
                errors += (await reconciler.run_once()).errors
                check = (await here.client.status(good)).next_check
                return errors > 0 and check is not None and check > self.now()

            await self.until(both_seen, here.patience)
            await here.backend.status.delete(damaged)

    async def test_a_run_that_is_revived_without_progress_fails_in_the_end(self) -> None:
        """Revivals that somebody took are counted: a run that nobody can bring on does not cost for ever."""
        steps = Steps()
        flow = chain(steps, 1)
        async with self.programs(flow, reconcile=False) as here:
            await here.client.start(flow, run_id=(run_id := self.id("run")))
            reconciler = await here.reconciler(revivals=1)
            for failed in (0, 1):
                await here.hire_until("context.put", when="before")
                await self.lose_messages(here)
                await self.pass_time(here.backend.context.limits.staleness)
                assert (await reconciler.reconcile(run_id)).failed == failed
            status = await here.client.status(run_id)
            assert (status.state, "without progress" in str(status.reason)) == ("failed", True)

    async def test_what_nobody_has_taken_yet_is_no_revival(self) -> None:
        """A queue may be long, and workers few: however often a job is sent again, that fails no run."""
        steps = Steps()
        flow = create_flow("waiting").node("a", steps.one)
        async with self.programs(flow, reconcile=False) as here:
            run_id = (await here.client.start(flow, run_id=self.id("run"))).run_id
            reconciler = await here.reconciler(revivals=1)
            await self.pass_time(here.backend.context.limits.staleness)
            for _ in range(4):
                assert (await reconciler.reconcile(run_id)).failed == 0
            await here.hire()
            assert (await here.ended(run_id)).status == "completed"

    async def test_a_reconciler_that_cannot_read_what_others_can_does_not_end_it(self) -> None:
        """It lacks a key or a type, say, as a program of last week does while a new one is rolled out."""
        steps = Steps()
        flow = chain(steps, 1)
        async with self.programs(flow, reconcile=False) as here:
            run_id = (await here.client.start(flow, run_id=self.id("run"))).run_id
            await self.pass_time(here.backend.context.limits.staleness)
            old, errors = await here.reconciler(codec=_OfLastWeek()), 0

            async def has_looked_often() -> bool:
                nonlocal errors
                # As whoever can read it does at each look, but that it is due again at once.
                await here.backend.status.touch(run_id, at=self.now(), next_check=self.now() - 60)
                errors += (await old.run_once()).errors
                await self.pass_time(0.1 * self.beat)
                return errors > 10

            await self.until(has_looked_often, here.patience)
            assert (await here.client.status(run_id)).state == "running"
            await here.hire()
            assert (await here.ended(run_id)).status == "completed"

    async def test_what_workers_get_on_with_is_not_sent_again(self) -> None:
        """The jobs of a wide batch wait for free workers for minutes, and reconcilers look at the run meanwhile."""
        steps = Steps()
        items = list(range(24))
        flow = create_flow("wide").node("items", steps.gives(items))
        flow.batch("each", steps.takes(self._clock, 10.0)).edge("items", "each")
        sent: Counter[str] = Counter()

        async def noting(operation: str, call: Call) -> Any:
            answer = await call()
            if operation == "queue.send":
                sent.update(decode_job(message.body).key for message in call.args[0])
            return answer

        async with self.programs(flow) as here:
            await here.hire(2, around=noting, concurrency=1, prefetch=0)
            began = self.now()
            run_id = (await here.client.start(flow)).run_id
            await self.pass_time(90.0)
            done = await (await here.reconciler()).reconcile(run_id, insist=False)
            assert (done.scanned, done.busy, done.revived) == (1, 1, 0)
            assert len((await here.ended(run_id)).outputs["each"]) == len(items)
            assert self.now() - began > 100
            # What came twice, or of which it is not known whether it was sent, its sender may send again.
            assert sent.total() <= len(sent) + 5
