import asyncio
import re
import socket
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from flowcraft_core import Clock, FlowRuntime, NodeContext, RetryPolicy, create_flow
from flowcraft_core.threads import StepThreads
from flowcraft_testkit import VirtualClock
from hypothesis import given
from hypothesis import strategies as st

DAY = 86_400.0


async def test_a_month_passes_in_no_time_and_exactly() -> None:
    clock: Clock = VirtualClock(start=1_000.0)
    began = time.monotonic()
    await clock.sleep(30 * DAY)
    assert clock.now() == 1_000.0 + 30 * DAY
    assert time.monotonic() - began < 5


async def test_time_stands_still_while_nobody_sleeps() -> None:
    clock = VirtualClock()
    began = clock.now()
    await asyncio.sleep(0.001)
    assert clock.now() == began


@pytest.mark.parametrize("seconds", [0, -1])
async def test_a_sleep_of_no_time_lets_others_run_and_moves_nothing(seconds: float) -> None:
    clock = VirtualClock()
    began = clock.now()
    ran: list[str] = []
    other = asyncio.ensure_future(_append(ran, "other"))
    await clock.sleep(seconds)
    assert ran == ["other"]
    assert clock.now() == began
    await other


@given(st.lists(st.integers(min_value=1, max_value=20), max_size=30))
def test_sleepers_wake_by_time_and_those_of_one_instant_in_the_order_in_which_they_fell_asleep(
    naps: list[int],
) -> None:
    clock, woken = VirtualClock(start=0.0), []

    async def nap(place: int, seconds: int) -> None:
        await clock.sleep(seconds)
        woken.append((clock.now(), place))

    async def everybody() -> None:
        await asyncio.gather(*(nap(place, seconds) for place, seconds in enumerate(naps)))

    asyncio.run(everybody())
    assert woken == sorted((float(seconds), place) for place, seconds in enumerate(naps))


async def test_whoever_wakes_goes_as_far_as_it_can_before_the_next_one_wakes() -> None:
    clock, log = VirtualClock(), []

    async def nap(name: str) -> None:
        await clock.sleep(1)
        for step in range(50):
            log.append((name, step))
            await asyncio.sleep(0)

    await asyncio.gather(nap("a"), nap("b"))
    assert log == [(name, step) for name in "ab" for step in range(50)]


async def test_time_waits_for_everything_that_is_ready_however_long_its_way() -> None:
    clock = VirtualClock()
    began = clock.now()

    async def busy() -> float:
        for _ in range(1_000):
            await asyncio.gather(*(asyncio.ensure_future(asyncio.sleep(0)) for _ in range(3)))
        return clock.now()

    ended, _ = await asyncio.gather(busy(), clock.sleep(1))
    assert ended == began


async def test_time_waits_for_input_that_has_arrived() -> None:
    clock = VirtualClock()
    began, arrived = clock.now(), asyncio.Event()
    near, far = socket.socketpair()
    with near, far:
        far.setblocking(False)

        async def receive() -> float:
            await asyncio.get_running_loop().sock_recv(far, 1)
            arrived.set()
            return clock.now()

        async def send() -> None:
            await clock.sleep(1)
            near.send(b"x")
            await arrived.wait()  # nothing is ready until the loop asks for input

        received, _, _ = await asyncio.gather(receive(), send(), clock.sleep(2))
    assert received == began + 1


async def test_time_waits_for_a_call_from_another_thread_that_has_arrived() -> None:
    clock, loop = VirtualClock(), asyncio.get_running_loop()
    began, called = clock.now(), loop.create_future()

    async def hand_over() -> float:
        thread = threading.Thread(target=loop.call_soon_threadsafe, args=(called.set_result, None))
        thread.start()
        thread.join()  # the loop's thread stands still here: the call has arrived before the loop can look
        await called
        return clock.now()

    answered, _ = await asyncio.gather(hand_over(), clock.sleep(1))
    assert answered == began


async def test_time_waits_for_a_step_in_a_thread() -> None:
    clock = VirtualClock(patience=60.0)
    began = clock.now()

    def work() -> float:
        time.sleep(0.02)  # the event loop has nothing to do for so long
        return clock.now()

    ended, _ = await asyncio.gather(StepThreads().run(work), clock.sleep(DAY))
    assert ended == began
    assert clock.now() == began + DAY


@pytest.mark.parametrize("patience", [0.0, 0.05])
async def test_time_passes_by_a_step_that_itself_waits_for_it(patience: float) -> None:
    clock, passed = VirtualClock(patience=patience), threading.Event()
    began = clock.now()

    async def let_pass() -> None:
        await clock.sleep(DAY)
        passed.set()

    seen, _ = await asyncio.gather(StepThreads().run(lambda: passed.wait(60)), let_pass())
    assert seen
    assert clock.now() == began + DAY


async def test_a_step_that_was_given_up_is_not_waited_for() -> None:
    clock, ended = VirtualClock(patience=3600.0), threading.Event()
    step = asyncio.ensure_future(StepThreads().run(lambda: ended.wait(60)))
    await asyncio.sleep(0)
    step.cancel()
    await clock.sleep(DAY)
    ended.set()


async def test_a_cancelled_sleeper_moves_no_time() -> None:
    clock = VirtualClock()
    began = clock.now()
    sleeper = asyncio.ensure_future(clock.sleep(DAY))
    await asyncio.sleep(0)
    sleeper.cancel()
    await clock.sleep(1)
    assert sleeper.cancelled()
    assert clock.now() == began + 1


def test_a_clock_goes_on_in_the_next_event_loop() -> None:
    clock = VirtualClock(start=0.0)

    async def leave_one_asleep() -> None:
        left = asyncio.ensure_future(clock.sleep(DAY))
        await clock.sleep(1)
        assert not left.done()

    asyncio.run(leave_one_asleep())
    asyncio.run(clock.sleep(2))
    assert clock.now() == 3


async def test_a_clock_serves_one_event_loop_at_a_time() -> None:
    clock = VirtualClock()
    sleeper = asyncio.ensure_future(clock.sleep(DAY))
    await asyncio.sleep(0)
    errors: list[str] = []

    def elsewhere() -> None:
        try:
            asyncio.run(clock.sleep(1))
        except RuntimeError as error:
            errors.append(str(error))

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert errors == ["others sleep on this clock in another event loop: give each loop a clock of its own"]
    await sleeper


async def test_an_event_loop_has_one_clock_at_a_time() -> None:
    sleeper = asyncio.ensure_future(VirtualClock().sleep(DAY))
    await asyncio.sleep(0)
    with pytest.raises(RuntimeError, match="another VirtualClock in this event loop"):
        await VirtualClock().sleep(1)
    await sleeper
    first, second = VirtualClock(start=0.0), VirtualClock(start=0.0)
    for _ in range(3):  # one after the other is well, however soon
        await first.sleep(1)
        await second.sleep(1)
    assert (first.now(), second.now()) == (3.0, 3.0)


async def test_a_flow_sleeps_and_retries_on_it() -> None:
    clock = VirtualClock(start=0.0)
    tried: list[float] = []

    async def fails_twice(ctx: NodeContext[Any, Any]) -> int:
        tried.append(clock.now())
        if ctx.attempt < 3:
            raise ConnectionError("not yet")
        return ctx.attempt

    flow = (
        create_flow("reminder")
        .sleep("wait", "40d")
        .node("send", fails_twice, retries=RetryPolicy(max_attempts=3, delay=60, backoff=10, max_delay=DAY, jitter=0))
        .edge("wait", "send")
    )
    result = await FlowRuntime([flow], clock=clock).run("reminder")
    assert result.outputs["send"] == 3
    assert tried == [40 * DAY, 40 * DAY + 60, 40 * DAY + 660]


async def _append(into: list[str], what: str) -> None:
    into.append(what)


def test_the_example_in_the_readme_runs_as_printed() -> None:
    readme = Path(__file__).parents[1].joinpath("README.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```python\n(.*?)^```$", readme, re.MULTILINE | re.DOTALL)
    assert blocks
    for block in blocks:
        exec(compile(block, "README.md", "exec"), {})
