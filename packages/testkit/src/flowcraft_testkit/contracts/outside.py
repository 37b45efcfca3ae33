"""The clauses of a whole backend on what comes from outside: messages and records that nobody of ours has written."""

from __future__ import annotations

import asyncio
import gc
import json
import weakref
import zlib
from typing import Any

import attrs
from flowcraft_core import FlowRuntime, Serializer, create_flow
from flowcraft_core.durable import Client
from flowcraft_core.errors import BackendError
from flowcraft_core.payloads import CompressingCodec
from flowcraft_core.ports import Fact, RunStatus

from .interposed import Call
from .programs import Context, ProgramClauses, Programs, Steps
from .starting import chain


class _Noting:
    """A codec that notes the places that it is asked for."""

    def __init__(self) -> None:
        self._codec = CompressingCodec()
        self.places: set[str] = set()

    def encode(self, data: bytes, *, place: str) -> bytes:
        """See ``PayloadCodec``."""
        self.places.add(place)
        return self._codec.encode(data, place=place)

    def decode(self, data: bytes, *, place: str) -> bytes:
        """See ``PayloadCodec``."""
        return self._codec.decode(data, place=place)


class OutsideClauses(ProgramClauses):
    """What a ``Backend`` promises whatever others have written: an end of it in bounded time, by name."""

    async def test_an_error_of_the_programs_own_fails_the_run_by_name_in_the_end(self) -> None:
        """Whatever a worker meets at a job that it did not expect: it is passed on for a while, and never a loop."""
        steps = Steps()
        flow = chain(steps)
        async with self.programs(flow, reconcile=False) as here:
            job = await self._job_of(here, flow)

            async def failing(operation: str, call: Call) -> Any:
                if operation == "context.get":
                    raise ZeroDivisionError("what nobody has thought of")
                return await call()

            await here.send(json.dumps({**job, "passed": 3_600}))
            await here.hire(around=failing)
            await self._has_failed(here, job["run"], "what nobody has thought of")
            assert not steps.executed

    async def test_a_message_of_a_newer_format_becomes_a_dead_letter_in_the_end(self) -> None:
        """A newer worker may come by for it; when none has for a while, people are told."""
        name = self.id("newer")
        body = {"v": 99, "id": name, "passed": 3_600}
        async with self.programs(chain(Steps())) as here:
            await here.send(json.dumps(body))
            await here.hire()

            async def letters() -> Any:
                return [each for each in await here.client.dead_letters() if name in str(each.body)]

            (letter,) = await self.until(letters, here.patience)
            assert "format 99" in letter.reason
            await here.backend.status.delete(letter.run_id)

    async def test_a_message_from_the_future_is_no_younger_for_it(self) -> None:
        """The time in a message is what somebody says: a run that was cancelled does not go on because of it."""
        steps = Steps()
        flow = chain(steps)
        async with self.programs(flow, reconcile=False) as here:
            job = await self._job_of(here, flow)
            await here.client.cancel(job["run"])
            await here.send(json.dumps({**job, "seen": self.now() + 1e9}))
            await here.hire()
            await self.pass_time(20 * self.beat)
            assert not steps.executed

    async def test_a_run_that_cannot_be_read_fails_by_name_in_the_end(self) -> None:
        """Without any job: its record is damaged, or has more values than any memory, though it is small."""
        wide = zlib.compress(b'{"v":1,"context":[' + b"[]," * 2_700_000 + b"0]}", 9)
        async with self.programs(chain(Steps()), reconcile=False) as here:
            # The reason names the run, whose id is to say nothing of what is wrong.
            for name, body, why in (("one", b'w\x00{"v":1}', "damaged"), ("two", b"w\x01" + wide, "so many values")):
                run_id = self.id(name)
                await here.backend.context.put(run_id, ":run", Fact(body, "somebody"))
                began = self.now() - 120
                status = RunStatus(run_id=run_id, state="running", blueprint_id="", created=began, updated=began)
                await here.backend.status.create(attrs.evolve(status, next_check=began))
                reconciler = await here.reconciler(interval=self.beat)

                async def ended(run_id: str = run_id, reconciler: Any = reconciler) -> bool:
                    await reconciler.run_once()
                    return (await here.client.status(run_id)).state == "failed"

                await self.until(ended, here.patience)
                await self._has_failed(here, run_id, why)

    async def test_a_reconciler_that_fails_once_goes_on(self) -> None:
        """One inside a worker too: a store that refuses for a moment does not leave runs to themselves for good."""
        steps = Steps()
        flow = chain(steps)
        refused: list[str] = []

        async def refusing(operation: str, call: Call) -> Any:
            if operation == "status.find" and not refused:
                refused.append(operation)
                raise BackendError("access denied, for a moment")
            return await call()

        async with self.programs(flow) as here:
            job = await self._job_of(here, flow)
            await here.backend.status.touch(job["run"], at=self.now(), next_check=self.now() - 60)
            await self.pass_time(2 * self.beat + here.backend.context.limits.staleness)
            await here.hire(around=refusing)
            assert (await here.ended(job["run"])).status == "completed"
            assert refused

    async def test_a_worker_that_is_refused_for_a_moment_works_on(self) -> None:
        """What it was given once it is given again: a queue that refuses a receive does not end it."""
        steps = Steps()
        flow = chain(steps)
        receives = 0

        async def refusing(operation: str, call: Call) -> Any:
            nonlocal receives
            if operation == "queue.receive":
                receives += 1
                if receives == 2:
                    raise BackendError("access denied, for a moment")
            return await call()

        async with self.programs(flow) as here:
            await here.hire(around=refusing)
            await self.until(lambda: asyncio.sleep(0, receives > 2), here.patience)
            assert (await here.run(flow)).status == "completed"

    async def test_transforms_that_multiply_fail_their_node_by_name(self) -> None:
        """Each edge carries its input a hundred times: what a few of them give is refused before it is made."""
        steps = Steps()
        flow = create_flow("multiplied").node("n0", steps.gives([1, 2]))
        for place in range(1, 4):
            transform = "[" + ",".join(["input"] * 100) + "]"
            flow.node(f"n{place}", steps.echo).edge(f"n{place - 1}", f"n{place}", transform=transform)
        async with self.programs(flow) as here:
            await here.hire()
            result = await here.run(flow)
            assert result.status == "failed"
            assert "the transforms of node 'n2'" in str(result.reason)

    async def test_a_worker_keeps_nothing_of_a_run_that_has_ended(self) -> None:
        """What it has read for the sake of the next step is of use to nobody then."""
        alive: weakref.WeakSet[Any] = weakref.WeakSet()

        @attrs.define(eq=False)
        class Kept:
            number: int

            def __attrs_post_init__(self) -> None:
                alive.add(self)

        async def make(ctx: Context) -> Kept:
            return Kept(1)

        async def count(ctx: Context) -> int:
            return len(alive)

        flow = create_flow("kept").node("a", make).node("b", count).edge("a", "b")
        async with self.programs(flow, reconcile=False) as here:
            await here.hire(runtime=FlowRuntime([flow], clock=here.clock, serializer=Serializer([Kept])))
            run_id = (await here.client.start(flow, run_id=self.id("run"))).run_id

            async def ended() -> bool:
                return (await here.client.status(run_id)).state == "completed"

            await self.until(ended, here.patience)
            await self.pass_time(2 * self.beat)
            gc.collect()
            assert not list(alive)

    async def test_no_two_records_have_one_place(self) -> None:
        """A codec binds what it encrypts to its place, so that it fits nowhere else, whatever characters ids have."""
        steps = Steps()
        first, second = create_flow("first").node("y z", steps.one), create_flow("second").node("z", steps.one)
        run_id = self.id("run")
        places: list[set[str]] = []
        async with self.programs(first, second, reconcile=False) as here:
            for flow, name in ((first, run_id), (second, f"{run_id} y")):
                codec = _Noting()
                client = Client(await here.connect(), flows=[first, second], clock=here.clock, codec=codec)
                hand = await here.hire(codec=codec)
                await client.start(flow, run_id=name)
                assert (await here.ended(name)).status == "completed"
                await here.kill(hand)
                places.append(codec.places)
            assert places[0]
            assert not places[0] & places[1]

    # --- what they have in common -----------------------------------------------------------------------------------

    async def _job_of(self, here: Programs, flow: Any) -> dict[str, Any]:
        """Start a run, and take its first job away."""
        await here.client.start(flow, run_id=self.id("run"))
        (delivery,) = await here.backend.queue.receive(
            max_messages=1, wait=here.patience, visibility=max(1.0, 6 * self.beat)
        )
        await here.backend.queue.acknowledge([delivery])
        await self.pass_time(here.backend.context.limits.staleness)
        job: dict[str, Any] = json.loads(delivery.body)
        return job

    async def _has_failed(self, here: Programs, run_id: str, why: str) -> None:
        async def failed() -> bool:
            return (await here.client.status(run_id)).state == "failed"

        await self.until(failed, here.patience)
        reason = str((await here.client.status(run_id)).reason)
        assert why in reason, reason
