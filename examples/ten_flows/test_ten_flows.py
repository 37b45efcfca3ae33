"""Both ways of writing the ten flows give the same result."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from flowcraft_core import FlowRuntime, Serializer

from . import built, decorated
from .shapes import Draft, Services, Turn

# name, input, answer of its wait, output
RUNS: list[tuple[str, Any, Any, Any]] = [
    ("orders", {"customer": "Ada", "euros": 20}, None, "paid 22"),
    ("orders", {"customer": "Ada", "euros": 200}, {"ok": True, "by": "Bo"}, "paid 220, says Bo"),
    ("orders", {"customer": "Ada", "euros": 200}, {"ok": False, "by": "Bo"}, "refused by Bo"),
    ("etl", "Monday", None, {"rows": 4}),
    ("retries", "why", None, "WHY? FROM THE CACHE, AFTER 3 ATTEMPTS"),
    ("drafts", "tea", None, Draft("Tea!!", 100)),
    ("documents", ["one", "torn", "two"], None, "2 of 3"),
    ("invoices", 2, None, "375 = 125 + 250"),
    ("claims", "train", {"ok": True, "by": "Bo"}, "train: paid by Bo"),
    ("parcels", 80, None, "80: freight of 80 kg, insured"),
    ("parcels", 2, None, "2: post of 2 kg"),
    ("agent", "tea", None, "tea: look up tea 0 in tool and look up tea 1 in tool"),
    ("nightly", None, None, "7 sold"),
]


async def run(make: Callable[[], Any], given: Any, answer: Any) -> Any:
    flow: Any = make()
    is_built = make.__module__.endswith("built")
    services = Services({"EUR": 1.1}, [])
    runtime = FlowRuntime([flow], dependencies=services, serializer=Serializer([Draft, Turn]))
    begun = runtime.start(flow, {"input": given} if is_built else given)
    if answer is not None:
        async with asyncio.timeout(20):
            while not begun.waiting:  # noqa: ASYNC110 - a handle has no event for it
                await asyncio.sleep(0.001)
        begun.resume(begun.waiting[0], output=answer)
    async with asyncio.timeout(20):
        return (await begun.result()).raise_for_status().output


@pytest.mark.parametrize(
    ("name", "given", "answer", "output"), [pytest.param(*a, id=f"{a[0]}-{n}") for n, a in enumerate(RUNS)]
)
@pytest.mark.parametrize("way", [built, decorated], ids=["built", "decorated"])
async def test_a_flow_gives_what_it_is_for(way: Any, name: str, given: Any, answer: Any, output: Any) -> None:
    result = await run(getattr(way, name), given, answer)
    assert result == (pytest.approx(output) if isinstance(output, float) else output)


@pytest.mark.parametrize("name", dict.fromkeys(run[0] for run in RUNS))
def test_a_flow_is_the_same_blueprint_each_time(name: str) -> None:
    make = getattr(decorated, name)
    kept = [make() for _ in range(5)]  # each at places of its own in memory
    assert len({flow.to_blueprint().content_hash() for flow in kept}) == 1
