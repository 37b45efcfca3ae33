"""A decorated step whose needs have changed, in a run of an older version of its flow: it gets them, or is refused."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from flowcraft_core import Flow, FlowRuntime
from flowcraft_core.durable import Client, Worker
from flowcraft_testkit import InMemoryBackend, VirtualClock, Weaknesses


def version(*needs: str) -> Flow[int, str]:
    """A flow that asks somebody, and whose last step needs so much of what comes before."""
    flow = Flow[int, str]("f")

    @flow.step
    async def ask(number: int = flow.input) -> int:
        return number

    answer = flow.wait("answer", str, after=ask)
    outputs: dict[str, Any] = {"number": ask.output, "said": answer.output}
    if "more" in needs:

        @flow.step
        async def extra() -> int:
            return 1

        outputs["more"] = extra.output

    async def done(number: Any = None, said: Any = None, more: Any = None) -> str:
        return f"{number} {said} {more}"

    done.__defaults__ = tuple(outputs[name] if name in needs else None for name in ("number", "said", "more"))
    flow.returns(flow.step(done).output)
    return flow


BOTH, SAID, MORE = version("number", "said"), version("said"), version("said", "more")


@pytest.mark.parametrize(("old", "new", "output"), [(BOTH, SAID, "None yes None"), (BOTH, BOTH, "7 yes None")])
def test_what_is_handed_in_another_way_is_found(old: Flow[int, str], new: Flow[int, str], output: str) -> None:
    waiting = FlowRuntime([old]).run_sync(old, 7)
    result = FlowRuntime([new]).resume_sync(waiting.state, "answer", output="yes")
    assert (result.status, result.outputs["done"]) == ("completed", output)


@pytest.mark.parametrize(("old", "new", "lacks"), [(SAID, BOTH, "ask"), (BOTH, MORE, "extra")])
def test_what_is_not_handed_is_named(old: Flow[int, str], new: Flow[int, str], lacks: str) -> None:
    waiting = FlowRuntime([old]).run_sync(old, 7)
    result = FlowRuntime([new]).resume_sync(waiting.state, "answer", output="yes")
    assert f"step 'done' of flow 'f': in this version it needs the output of '{lacks}'" in str(result.errors[0])


async def test_a_worker_of_another_version_leaves_the_step_to_one_that_has_what_it_needs() -> None:
    clock = VirtualClock()
    async with InMemoryBackend(clock=clock, weaknesses=Weaknesses.none()) as backend:
        client = Client(backend, flows=[SAID], clock=clock)
        await client.start(SAID, 7, run_id="r")

        async def working(flow: Flow[int, str], seconds: float) -> None:
            place = backend.connect()
            await place.open()
            worker = Worker(place, FlowRuntime([flow], clock=clock), poll=5.0)
            task = asyncio.ensure_future(worker.run())
            await clock.sleep(seconds)
            worker.stop()
            await task

        await working(SAID, 60)
        await client.resume("r", "answer", output="yes")
        await working(BOTH, 60)
        assert (await client.status("r")).state == "running"
        assert "needs the output of 'ask'" in str((await client.describe("r")).passed_on)
        await working(SAID, 120)
        assert (await client.result("r")).outputs["done"] == "None yes None"
