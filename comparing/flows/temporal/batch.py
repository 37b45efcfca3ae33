"""Each item of a list, two at a time."""

import asyncio
from datetime import timedelta

from temporalio import activity, workflow

LIMIT = timedelta(seconds=10)


@activity.defn
async def parse(text: str) -> int:
    return int(text)


@activity.defn
async def add(numbers: list[int]) -> int:
    return sum(numbers)


@workflow.defn
class Batch:
    @workflow.run
    async def run(self, texts: list[str]) -> int:
        scale = 10
        places = asyncio.Semaphore(2)

        async def parse_one(text: str) -> int:
            async with places:
                return await workflow.execute_activity(parse, text, start_to_close_timeout=LIMIT)

        numbers = await asyncio.gather(*(parse_one(text) for text in texts))
        return scale * await workflow.execute_activity(add, numbers, start_to_close_timeout=LIMIT)
