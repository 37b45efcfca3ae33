"""The clauses of a whole backend on what belongs together for whoever traces runs on it."""

from __future__ import annotations

from flowcraft_core import FlowRuntime, create_flow
from flowcraft_core.durable import Client
from flowcraft_core.durable.engine import Settings
from flowcraft_core.durable.suspensions import suspension_key
from flowcraft_core.graph.facts import Suspension

from .programs import ProgramClauses, Programs, Steps
from .starting import chain
from .traced import Remembering


class TracingClauses(ProgramClauses):
    """What a ``Backend`` keeps of a run's trace."""

    async def test_a_run_goes_on_in_one_trace_and_its_jobs_tell_in_which_span_they_were_sent(self) -> None:
        """Through a worker that dies, messages that get lost, a reconciler and whoever resumes a wait."""
        steps, seen = Steps(), Remembering()
        flow = create_flow("traced").node("a", steps.one).wait("w").node("b", steps.add).edge("a", "w").edge("w", "b")
        async with self.programs(flow, reconcile=False) as here:
            runtime = FlowRuntime([flow], clock=self._clock, telemetry=seen)
            client = await self._client(here, seen)
            await client.start(flow, run_id=(run_id := self.id("run")))
            (trace,) = seen.started
            await here.hire_until("context.put", runtime=runtime)
            await self.lose_messages(here)
            await self.pass_time(here.backend.context.limits.staleness)
            await (await here.reconciler(telemetry=seen)).reconcile(run_id)
            await here.hire(runtime=runtime)
            await self.until(lambda: self._waits(here, run_id))
            await client.resume(run_id, "w", output=1)
            assert (await here.ended(run_id)).status == "completed"
            await self.until(lambda: self._has_ended(seen))
        assert {found for run, found, _ in seen.seen if run == run_id} == {trace}, "a run has one trace"
        jobs = [job for _, _, job in seen.seen if job is not None]
        assert jobs[0].trace == trace, "the first job is sent by whoever starts the run"
        assert {job.trace for job in jobs} <= {trace, *seen.sent}, "a job says in which span it was sent"
        assert jobs[-1].trace in seen.sent, "a job says in which span it was sent"
        assert seen.ended == [(run_id, trace)], "a run's end is told once, in its trace"

    async def test_a_run_that_was_started_without_a_trace_gets_one_from_whoever_works_on_it_first(self) -> None:
        """Two workers that trace agree on it, and it goes with the run when that is purged."""
        steps, seen = Steps(), Remembering()
        flow = chain(steps)
        async with self.programs(flow, reconcile=False, settings=Settings(max_steps=1)) as here:
            await here.client.start(flow, run_id=(run_id := self.id("run")))
            runtime = FlowRuntime([flow], clock=self._clock, telemetry=seen)
            await here.hire_until("context.put", runtime=runtime, number=2)
            await here.hire(2, runtime=runtime)
            await here.ended(run_id)
            assert len(seen.started) == 1, "a run is started once"
            assert {found for _, found, _ in seen.seen} == set(seen.started), "a run has one trace"
            await here.leave()
            await here.client.purge(run_id)
            await self.pass_time(here.backend.context.limits.staleness)
            left = await here.backend.context.get(run_id, [":trace", ":run"])
            assert not left, "what is purged leaves nothing behind"

    async def _client(self, here: Programs, seen: Remembering) -> Client:
        return Client(await here.connect(), flows=here.flows, clock=self._clock, telemetry=seen)

    async def _waits(self, here: Programs, run_id: str) -> bool:
        return bool(await here.backend.context.get(run_id, [suspension_key("w", Suspension("wait"))]))

    async def _has_ended(self, seen: Remembering) -> bool:
        return bool(seen.ended)
