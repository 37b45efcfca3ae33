"""Three steps side by side, and one that joins them."""

import asyncio
from dataclasses import dataclass
from datetime import timedelta

from temporalio import activity, workflow

LIMIT = timedelta(seconds=10)


@dataclass
class Found:
    who: int
    where: list[str]
    each: float
    times: int


@activity.defn
async def people(city: str) -> int:
    return len(city)


@activity.defn
async def places(city: str) -> list[str]:
    return [f"{city} harbour", f"{city} park"]


@activity.defn
async def price(city: str) -> float:
    return 1.5


@activity.defn
async def total(found: Found) -> int:
    return int((found.who + len(found.where)) * found.each * found.times)


@workflow.defn
class Fan:
    @workflow.run
    async def run(self, city: str) -> int:
        factor = 2
        who, where, each = await asyncio.gather(
            workflow.execute_activity(people, city, start_to_close_timeout=LIMIT),
            workflow.execute_activity(places, city, start_to_close_timeout=LIMIT),
            workflow.execute_activity(price, city, start_to_close_timeout=LIMIT),
        )
        found = Found(who, where, each, factor)
        return await workflow.execute_activity(total, found, start_to_close_timeout=LIMIT)
