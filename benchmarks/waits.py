"""What it costs to wait for a place under a limit, and how soon one that is given back is taken: counted by ``cost``.

One worker is at a step that has the only place. Another one, whose requests are counted, has jobs that wait for it.
When the first one is done, it is measured when the step of the other one begins.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from flowcraft_core import Clock, FlowRuntime, Limit, NodeContext, SystemClock, create_flow
from flowcraft_core.durable import Client, Worker
from flowcraft_core.ports import Backend

# What is asked for.
_MOST_REQUESTS, _PER_SECONDS = 1.0, 5.0
_TAKEN_WITHIN = 10.0

#: For how long it is counted where time is real, seconds.
WAITED = 120.0

# How long it takes until what waits has settled down, seconds.
_SETTLES = 15.0


async def waits(
    counted: Backend,
    other: Backend,
    counts: Callable[[], Mapping[str, int]],
    *,
    waiting: int,
    seconds: float,
    clock: Clock | None = None,
    **options: Any,
) -> dict[str, Any]:
    """Count what waiting costs, and say how soon it ends.

    Args:
        counted: The backend of the worker at which jobs wait, open.
        other: The same place for the worker that has the place, and for the client.
        counts: The requests of the former so far, by operation, without those that only look for messages in vain.
        waiting: How many jobs wait.
        seconds: For how long it is counted.
        clock: Tells the time.
        options: Of the workers.

    Returns:
        A row; ``ok`` says whether both are within their bounds.
    """
    clock = clock or SystemClock()
    began: list[float] = []
    ends = asyncio.Event()

    async def step(ctx: NodeContext[Any, Any]) -> None:
        began.append(clock.now())
        if len(began) == 1:
            while not ends.is_set():
                await clock.sleep(0.25)

    flow = create_flow("waiting").node("step", step, limit="api")
    runtime = FlowRuntime([flow], clock=clock, limits=[Limit("api", concurrency=1)])
    fixed: dict[str, Any] = {"reconcile": False, "heartbeat": None, **options}
    holder = Worker(other, runtime, concurrency=1, prefetch=0, **fixed)  # it takes nothing else while it is at it
    waits_here = Worker(counted, runtime, **fixed)
    client = Client(other, flows=[flow], clock=clock)
    working = [asyncio.ensure_future(holder.run())]
    first = await client.start(flow)
    while not began:
        await clock.sleep(0.05)
    working.append(asyncio.ensure_future(waits_here.run()))
    runs = [await client.start(flow) for _ in range(waiting)]
    await clock.sleep(_SETTLES)
    before = dict(counts())
    await clock.sleep(seconds)
    spent = {name: number - before.get(name, 0) for name, number in counts().items() if number > before.get(name, 0)}
    ended = clock.now()
    ends.set()
    for run in (first, *runs):
        result = await client.wait(run, timeout=600)
        if result.status != "completed":
            raise RuntimeError(f"what waited is {result.status}: {result.reason}")
    holder.stop()
    waits_here.stop()
    await asyncio.gather(*working)
    requests = sum(spent.values()) / waiting / seconds * _PER_SECONDS
    taken_after = began[1] - ended
    print(
        f"{waiting} waiting for a place: {requests:.2f} requests of each in 5 s (at most {_MOST_REQUESTS:g}), "
        f"one given back was taken after {taken_after:.1f} s (at most {_TAKEN_WITHIN:g})"
    )
    return {
        "waiting": waiting,
        "seconds": seconds,
        "requests_in_5_s": requests,
        "by_operation": dict(sorted(spent.items())),
        "taken_after_s": taken_after,
        "ok": requests <= _MOST_REQUESTS and 0 <= taken_after <= _TAKEN_WITHIN,
    }
