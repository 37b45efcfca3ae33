"""The clauses of a whole backend on how runs start and end."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Mapping
from random import Random
from typing import Any

import pytest
from flowcraft_core import FlowBuilder, FlowRuntime, ResumeError, RetryPolicy, create_flow
from flowcraft_core.durable import Client, UnknownRunError
from flowcraft_core.errors import BackendError, TransientError
from flowcraft_core.ports import Backend

from .clauses import needs
from .heard import listening
from .interposed import Call, noting
from .programs import ProgramClauses, Programs, Steps


def chain(steps: Steps, length: int = 3, flow_id: str = "chain") -> FlowBuilder:
    """A row of nodes n0, n1, ..., each of which gives one more."""
    flow = create_flow(flow_id).node("n0", steps.one)
    for place in range(1, length):
        flow.node(f"n{place}", steps.add).edge(f"n{place - 1}", f"n{place}")
    return flow


class StartingClauses(ProgramClauses):
    """What a ``Backend`` promises of being opened, and of the beginning and the end of runs."""

    async def write_by_hand(self, backend: Any, run_id: str, blueprint_id: str, values: Mapping[str, Any]) -> None:
        """Write a run to the store as people do without a client; yours, if you declare ``hand_written``.

        Args:
            backend: A client; your own is its ``inner``.
            run_id: The run.
            blueprint_id: Its flow.
            values: The initial context.
        """
        raise NotImplementedError(f"{type(self).__name__} declares hand_written, but has no write_by_hand")

    # --- opening ---

    async def test_opening_twice_is_refused(self) -> None:
        """Connections of a first opening would be nobody's to close."""
        async with self.connect() as backend:
            with pytest.raises(BackendError, match="open") as raised:
                await backend.open()
            assert not isinstance(raised.value, TransientError), "to open it once more does not help"
            assert await backend.status.get(self.id("run")) is None

    async def test_use_in_another_event_loop_is_refused(self) -> None:
        """Most clients of databases hang there, or mix up their answers; a named error is found in a minute."""
        async with self.connect() as backend:
            run_id = self.id("run")

            def elsewhere() -> None:
                asyncio.run(_get(backend, run_id))

            with pytest.raises(BackendError, match="loop") as raised:
                await asyncio.to_thread(elsewhere)
            assert not isinstance(raised.value, TransientError), "to use it there once more does not help"
            assert await backend.status.get(run_id) is None

    @needs("outages")
    async def test_opening_what_cannot_be_reached_is_a_transient_error(self) -> None:
        """A program that starts before its database does waits for it, or is begun again; it is not set up wrongly."""
        async with self.connect():
            pass  # so that there is a store
        await self.trouble_maker.take_down()
        try:
            async with self.connect():
                said: BackendError | None = None
        except BackendError as error:
            said = error
        finally:
            await self.trouble_maker.bring_up()
        is_right = said is None or isinstance(said, TransientError)
        assert is_right, f"it may be reached later: that is a TransientError, and not {said!r}"
        async with self.connect() as backend:
            assert await backend.status.get(self.id("run")) is None

    # --- starting ---

    async def test_a_chain_runs_to_its_end(self) -> None:
        """Client, worker and reconciler agree that it has ended, and nothing of it is left to do."""
        steps = Steps()
        flow = chain(steps)
        async with self.programs(flow) as here:
            await here.hire(2)
            run_id = self.id("run")
            result = await here.run(flow, {"x": 1}, run_id=run_id, tags={"a": "b"})
            assert (result.status, result.outputs) == ("completed", {"n0": 1, "n1": 2, "n2": 3})
            assert (result.context, result.steps) == ({"x": 1}, 3)
            assert steps.executed == ["n0", "n1", "n2"]
            status = await here.client.status(run_id)
            assert (status.state, status.tags, status.next_check) == ("completed", {"a": "b"}, None)
            assert (await (await here.reconciler()).reconcile(run_id)).scanned == 0

    async def test_a_run_survives_that_every_program_ends(self) -> None:
        """Nothing of a run is in a process: others go on, days later, on new connections."""
        steps = Steps()
        flow = create_flow("restart").node("a", steps.one).wait("w").node("b", steps.add)
        flow.edge("a", "w").edge("w", "b")
        run_id = self.id("run")
        async with self.programs(flow) as here:
            await here.hire()
            await here.client.start(flow, run_id=run_id)
            await resumable(here, run_id)
            await here.leave()
        async with self.programs(flow) as here:
            await here.client.resume(run_id, "w", output=10)
            await here.hire()
            result = await here.ended(run_id)
            assert (result.status, result.outputs) == ("completed", {"a": 1, "w": 10, "b": 11})
            assert steps.executed == ["a", "b"]

    async def test_a_second_start_with_the_id_starts_nothing(self) -> None:
        """Starting is idempotent: whoever repeats a request does not pay twice."""
        steps = Steps()
        flow = chain(steps)
        async with self.programs(flow) as here:
            run_id = self.id("run")
            other = Client(await here.connect(), flows=[flow], clock=here.clock)
            clients = [here.client, other] * 3
            started = await self.race(
                client.start(flow, {"x": place}, run_id=run_id) for place, client in enumerate(clients)
            )
            assert [each.created for each in started].count(True) == 1
            await here.hire(2)
            result = await here.ended(run_id)
            assert result.context == {"x": [each.created for each in started].index(True)}
            assert not (await other.start(flow, run_id=run_id)).created
            await self.pass_time(6 * self.beat)
            assert steps.count("n1") == steps.count("n2") == 1

    async def test_a_start_with_an_id_that_is_taken_says_by_what(self) -> None:
        """An id that two use for different things is found out, and so is a request that was changed and repeated."""
        steps = Steps()
        flow, other = chain(steps), create_flow(self.id("other")).node("a", steps.one)
        async with self.programs(flow, other) as here:
            run_id, value = self.id("run"), {"set": {"a", "b", "c"}, "text": "\u00e9\0", "of": [(1, 2.5), None]}
            assert (await here.client.start(flow, {"x": value}, run_id=run_id)).same
            again = {"x": {**value, "set": {"c", "b", "a"}}}
            for meant, context, same in (
                (flow, again, True),
                (flow, {"x": {**value, "set": {"a", "b"}}}, False),
                (flow, {"x": {**value, "of": [(1.0, 2.5), None]}}, False),
                (flow, {"x": {**value, "of": [(True, 2.5), None]}}, False),
                (flow, {"x": value, "y": None}, False),
                (flow, {}, False),
                (other, {"x": value}, False),
            ):
                started = await here.client.start(meant, context, run_id=run_id)
                assert (started.created, started.same) == (False, same), (meant, context)
            await here.hire()
            assert (await here.ended(run_id)).context == {"x": value}, "it is the first start's"

    async def test_a_start_that_was_cut_short_is_finished(self) -> None:
        """A client dies between any two calls: the next start with the id, or a reconciler, completes what it began."""
        steps = Steps()
        flow = chain(steps)
        async with self.programs(flow) as here:
            await here.hire()
            has_power = here.backend.starts is not None  # to make one call of the three
            calls = ("context.put", "status.create", "queue.send", *(["starts.begin"] if has_power else []))
            for operation in calls:
                for applied in (False, True):
                    run_id = self.id("run")
                    await self._cut(here, flow, run_id, operation, applied)
                    await here.client.start(flow, run_id=run_id)
                    await self.pass_time(here.backend.context.limits.staleness)
                    await (await here.reconciler()).reconcile(run_id)
                    assert (await here.ended(run_id)).outputs == {"n0": 1, "n1": 2, "n2": 3}

    async def test_a_start_that_another_finishes_meanwhile_sends_one_first_job(self) -> None:
        """Whoever writes the status sends it: two who begin with one each would execute the first step twice."""
        steps = Steps()
        flow, sent = chain(steps), list[str]()
        listen = noting(sent)
        async with self.programs(flow, reconcile=False) as here:

            async def be_overtaken(operation: str, call: Call) -> Any:
                if operation == "status.create":
                    assert not (await other.start(flow, run_id=run_id, tags={"a": "b"})).created
                return await listen(operation, call)

            run_id = self.id("run")
            first, other = [
                Client(await here.connect(around, starts=False), flows=[flow], clock=here.clock)
                for around in (be_overtaken, listen)
            ]
            assert (await first.start(flow, run_id=run_id, tags={"a": "b"})).created
            assert len(sent) == 1, f"sent were {sent}"
            await here.hire(2)
            assert (await here.ended(run_id)).outputs == {"n0": 1, "n1": 2, "n2": 3}
            assert steps.executed == ["n0", "n1", "n2"]

    async def test_a_start_whose_answer_was_lost_begins_at_once(self) -> None:
        """Its status is there when it is written again, and still is its own: no reconciler has to find the run."""
        steps = Steps()
        flow = chain(steps)

        async def twice(operation: str, call: Call) -> Any:
            if operation == "status.create":
                await call()
            return await call()

        async with self.programs(flow, reconcile=False) as here:
            client = Client(await here.connect(twice, starts=False), flows=[flow], clock=here.clock)
            run_id = self.id("run")
            assert (await client.start(flow, run_id=run_id)).created
            await here.hire()
            assert (await here.ended(run_id)).outputs == {"n0": 1, "n1": 2, "n2": 3}

    async def test_a_start_that_another_finishes_is_what_its_record_says(self) -> None:
        """Also where the other meant another flow: a status that said that one would be found under it."""
        steps = Steps()
        flow, others = chain(steps), create_flow(self.id("other")).node("a", steps.one)
        async with self.programs(flow, others, reconcile=False) as here:
            for meant, is_same in ((flow, True), (others, False)):
                run_id = self.id("run")
                await self._cut(here, flow, run_id, "context.put", True)
                await self.pass_time(self.beat)
                finished = await here.client.start(meant, run_id=run_id, tags={"a": "b"}, timeout=1.0)
                assert (finished.created, finished.same) == (False, is_same)
                status = await here.client.status(run_id)
                named = (status.blueprint_id, status.tags, status.state)
                assert named == (flow.id, {"a": "b"} if is_same else {}, "running")
                assert status.updated - status.created >= self.beat / 2, "it was started when its record was written"
                assert status.next_check is not None
                assert status.next_check - status.updated > 2, "the time-out is of who has finished its start"
                await here.hire()
                assert (await here.ended(run_id)).outputs == {"n0": 1, "n1": 2, "n2": 3}

    async def _cut(self, here: Programs, flow: FlowBuilder, run_id: str, operation: str, applied: bool) -> None:
        async def cut(called: str, call: Call) -> Any:
            if called == operation and (operation != "context.put" or call.args[0] == run_id):
                if applied:
                    await call()
                raise KeyError("the client dies")
            return await call()

        connection = await here.connect(cut, starts=operation == "starts.begin")
        with pytest.raises(KeyError, match="dies"):
            await Client(connection, flows=[flow], clock=here.clock).start(flow, run_id=run_id)

    @needs("hand_written")
    async def test_a_run_that_was_written_by_hand_is_taken_up(self) -> None:
        """People begin runs with the tools of their cloud: a record in the table, a message in the queue."""
        steps = Steps()
        flow = create_flow("by_hand").node("a", steps.one).node("b", steps.one).node("c", steps.total)
        flow.edge("a", "c").edge("b", "c")
        async with self.programs(flow) as here:
            await here.hire(2)
            run_id = self.id("run")
            await self.write_by_hand(here.backend, run_id, flow.id, {"x": 1})
            jobs = [{"runId": run_id, "blueprintId": flow.id, "nodeId": node} for node in "ab"]
            await here.send(*map(json.dumps, jobs))
            await self.until(lambda: _has_record(here.client, run_id))
            result = await here.ended(run_id)
            assert (result.status, result.outputs["c"], result.context) == ("completed", 2, {"x": 1})
            named = (await here.client.status(run_id)).blueprint_id
            assert named == flow.id, "its first message says which flow it is: its status says so, too"

    @needs("hand_written")
    async def test_a_run_that_was_written_by_hand_is_another_one_after_a_purge(self) -> None:
        """Its message names no more than its id: whoever remembers the earlier run looks at what is there now."""
        steps = Steps()

        async def quote(ctx: Any) -> Any:
            return await ctx.context.get("item")

        flow = create_flow("quoted").node("a", quote).node("b", steps.echo).edge("a", "b")
        async with self.programs(flow) as here:
            await here.hire()
            run_id = self.id("run")
            for item in ("lamp", "chair"):
                await self.write_by_hand(here.backend, run_id, flow.id, {"item": item})
                await here.send(json.dumps({"runId": run_id, "blueprintId": flow.id, "nodeId": "a"}))
                await self.until(lambda: _has_record(here.client, run_id), here.patience)
                result = await here.ended(run_id)
                assert (result.outputs, result.context) == ({"a": item, "b": item}, {"item": item})
                await self.pass_time(2 * self.beat + here.backend.context.limits.staleness)
                await here.client.purge(run_id)
                await self.pass_time(here.backend.context.limits.staleness)

    async def test_a_run_stays_on_the_blueprint_that_it_was_started_with(self) -> None:
        """A deployment changes what new runs do, and none that is under way."""
        steps = Steps()

        def version() -> FlowBuilder:
            flow = create_flow("deployed").node("a", steps.one).wait("w").node("b", steps.echo)
            return flow.edge("a", "w").edge("w", "b")

        old, new = version(), version().node("c", steps.add).edge("b", "c")
        async with self.programs(old) as here:
            old_run, new_run = self.id("old"), self.id("new")
            await here.hire()
            await here.client.start(old, run_id=old_run)
            await resumable(here, old_run)
            await here.leave()
            await here.hire(runtime=FlowRuntime([new], clock=here.clock))
            client = Client(here.backend, flows=[new], clock=here.clock)
            await client.start(new, run_id=new_run)
            await resumable(here, new_run)
            for run_id in (old_run, new_run):
                await client.resume(run_id, "w", output=5)
            assert (await here.ended(old_run)).outputs == {"a": 1, "w": 5, "b": 5}
            assert (await here.ended(new_run)).outputs == {"a": 1, "w": 5, "b": 5, "c": 6}
            await self.pass_time(2 * self.beat)
            assert steps.count("c") == 1

    async def test_a_deployment_gives_no_run_in_flight_another_nodes_step(self) -> None:
        """Steps that are called alike are told apart by their nodes, whatever was put before them meanwhile."""
        steps = Steps()

        def version(*nodes: str) -> FlowBuilder:
            flow = create_flow("renewed").wait("w")
            for node in nodes:
                flow.node(node, steps.gives(node)).edge("w", node)
            return flow

        old, new = version("b", "c"), version("a", "c", "b")
        async with self.programs(old) as here:
            run_id = self.id("old")
            await here.hire()
            await here.client.start(old, run_id=run_id)
            await resumable(here, run_id)
            await here.leave()
            await here.hire(runtime=FlowRuntime([new], clock=here.clock))
            await here.client.resume(run_id, "w", output=5)
            result = await here.ended(run_id)
            assert (result.status, result.outputs) == ("completed", {"w": 5, "b": "b", "c": "c"})

    # --- what cannot be acted on ---

    async def test_what_is_no_job_becomes_a_dead_letter_with_its_reason(self) -> None:
        """It is kept where people find it, does not come again, and can be sent back."""
        bodies = {"no JSON 😀": "not JSON", "{}": "run", '{"v":0}': "format"}
        steps = Steps()
        flow = chain(steps)
        async with self.programs(flow) as here:
            await here.hire()
            known = {letter.run_id for letter in await here.client.dead_letters()}
            await here.send(*bodies)

            async def letters() -> Any:
                found = [each for each in await here.client.dead_letters() if each.run_id not in known]
                return len(found) == len(bodies) and found

            found = await self.until(letters, 100 * self.beat)
            assert {letter.body for letter in found} == set(bodies)
            assert all(bodies[letter.body] in letter.reason for letter in found)
            assert (await here.run(flow)).status == "completed"
            deliveries = here.calls["queue.receive"]
            await self.pass_time(20 * self.beat)
            assert here.calls["queue.receive"] == deliveries
            await here.client.send_back(found[0].run_id)
            known.add(found[0].run_id)
            again = await self.until(letters, 100 * self.beat)
            with pytest.raises(UnknownRunError):
                await here.client.status(found[0].run_id)
            assert {letter.body for letter in again} == set(bodies)
            for letter in again:
                await here.backend.status.delete(letter.run_id)

    async def test_a_job_of_a_run_or_an_instance_that_cannot_be_is_set_aside(self) -> None:
        """It is passed on for a while, since reads may be stale; then its reason says what is missing."""
        steps = Steps()
        flow = create_flow("waits").node("a", steps.one).wait("w").edge("a", "w")
        async with self.programs(flow) as here:
            await here.hire()
            run_id, nobody = self.id("run"), self.id("nobody")
            await here.client.start(flow, run_id=run_id)
            await resumable(here, run_id)
            for run, key in ((nobody, "a"), (run_id, "nowhere[3]")):
                await here.send(json.dumps({"v": 1, "id": "job", "run": run, "key": key, "passed": 86_400}))

            async def letters() -> Any:
                found = await here.client.dead_letters()
                mine = [letter for letter in found if run_id in str(letter.body) or nobody in str(letter.body)]
                return len({letter.body for letter in mine}) == 2 and mine  # one that is delivered twice has two

            reasons = {str(letter.reason) for letter in await self.until(letters, 100 * self.beat)}
            assert any("nowhere[3]" in reason for reason in reasons)
            assert any(nobody in reason for reason in reasons)
            status = await here.client.status(run_id)
            assert (status.state, "nowhere[3]" in str(status.reason)) == ("failed", True)

    # --- ending ---

    async def test_an_ended_run_is_left_as_it_is(self) -> None:
        """Reconcilers, late jobs, resumes and cancellations change nothing in it."""
        steps = Steps()
        good, bad = chain(steps, flow_id="good"), create_flow("bad").node("x", steps.broken)
        async with self.programs(good, bad) as here:
            await here.hire()
            for flow in (good, bad):
                run_id = self.id("run")
                before = await here.run(flow, run_id=run_id)
                status, executed = await here.client.status(run_id), len(steps.executed)
                await (await here.reconciler()).reconcile(run_id)
                job = {"v": 1, "id": "late", "run": run_id, "key": "n1", "seen": self.now() - 5 * self.beat}
                await here.send(json.dumps(job))
                assert await here.client.cancel(run_id) is False
                with pytest.raises(ResumeError, match="ended"):
                    await here.client.resume(run_id, "n1")
                await self.pass_time(10 * self.beat)
                assert await here.client.status(run_id) == status
                assert await here.client.result(run_id) == before
                assert len(steps.executed) == executed

    @needs("side_door")
    async def test_a_purged_run_leaves_nothing(self) -> None:
        """Seen past the adapter: no fact, no chunk, no value, no status."""
        steps = Steps()

        async def big(ctx: Any) -> str:
            text = incompressible(2 * here.backend.context.limits.max_value_bytes + 7)
            await ctx.context.set("big", text)
            return text

        flow = create_flow("purged").node("a", big).node("list", steps.gives([1, 2])).batch("items", steps.echo)
        flow.edge("a", "list").edge("list", "items").node("b", steps.one).edge("items", "b")
        async with self.programs(flow) as here:
            await here.hire()
            run_id = self.id("run")
            assert (await here.run(flow, run_id=run_id)).status == "completed"
            assert await self.stored.facts(run_id)
            await self.pass_time(here.backend.context.limits.staleness)
            await here.client.purge(run_id)
            assert not await self.stored.facts(run_id)
            assert not await self.stored.values(run_id)
            assert await self.stored.status(run_id) is None
            with pytest.raises(UnknownRunError):
                await here.client.status(run_id)

    @needs("side_door")
    async def test_what_is_due_after_a_purge_comes_to_nothing(self) -> None:
        """A retry, a sleep and a wait's time: nothing is executed or stored any more, and it is no dead letter."""
        steps, delay = Steps(), 10 * self.beat
        again = RetryPolicy(max_attempts=2, delay=delay, max_delay=delay, jitter=0)
        flow = create_flow("due").node("r", steps.broken, retries=again).sleep("z", delay).node("after", steps.one)
        flow.wait("w", timeout=delay).node("late", steps.one).edge("z", "after").edge("w", "late", action="timeout")
        async with self.programs(flow) as here:
            await here.hire()
            await here.client.start(flow, run_id=(run_id := self.id("run")))
            await self.until(lambda: _suspensions(here, run_id), here.patience)
            assert await here.client.cancel(run_id)
            await here.client.purge(run_id)
            steps.executed.clear()
            with listening() as heard:
                await self.pass_time(2 * delay)
            assert steps.executed == []
            assert not await self.stored.facts(run_id)
            assert await self.stored.status(run_id) is None
            assert not heard.of("passed_on", "given_up", run_id=run_id)

    @needs("side_door")
    async def test_a_run_that_is_purged_as_soon_as_it_has_ended_leaves_nothing(self) -> None:
        """By somebody who may not see yet what was written last, the run's record among it."""
        flow = create_flow("brief").node("a", Steps().one).edge("a", "w").wait("w")
        async with self.programs(flow) as here:
            for number in range(8):
                run_id, another = self.id("run"), Client(await here.connect(), flows=[flow], clock=here.clock)
                await here.client.start(flow, {"given": number}, run_id=run_id)
                await here.client.resume(run_id, "w", output=number, early=True)
                await here.client.cancel(run_id)
                await another.purge(run_id)
                assert not await self.stored.facts(run_id)
                assert not await self.stored.values(run_id)
                assert await self.stored.status(run_id) is None


def incompressible(length: int) -> str:
    """So many characters that do not shrink below three quarters, the same ones each time."""
    dice = Random(length)  # noqa: S311 - bytes that can be had again
    return base64.b85encode(dice.randbytes(length)).decode()[:length]


async def resumable(here: Programs, run_id: str) -> None:
    """Return once a run only waits to be resumed, and is reported so."""
    reconciler, end = await here.reconciler(), here.clock.now() + here.patience
    while True:
        due = (await here.client.status(run_id)).next_check
        if due is not None and due <= here.clock.now():
            await here.clock.sleep(here.backend.context.limits.staleness)
            if (await reconciler.reconcile(run_id)).waiting:
                assert (await here.client.status(run_id)).state == "awaiting"
                return
        assert here.clock.now() < end, f"the run {run_id!r} does not come to its wait"
        await here.clock.sleep(here.patience / 2_000)


async def _get(backend: Backend, run_id: str) -> None:
    await backend.status.get(run_id)


async def _has_record(client: Client, run_id: str) -> bool:
    try:
        await client.result(run_id)
    except UnknownRunError:
        return False
    return True


async def _suspensions(here: Programs, run_id: str) -> bool:
    waits = (await here.client.describe(run_id)).waits
    return sorted(wait.kind for wait in waits) == ["retry", "sleep", "wait"]
