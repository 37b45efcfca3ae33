"""A context value that one step sets, and a later one reads."""

from dataclasses import dataclass
from datetime import timedelta

from temporalio import activity, workflow

LIMIT = timedelta(seconds=10)


@dataclass
class Totals:
    total: int
    full: int


@activity.defn
async def add(prices: list[int]) -> int:
    return sum(prices)


@activity.defn
async def discount(total: int) -> int:
    return total - total // 10


@activity.defn
async def report(totals: Totals) -> str:
    return f"{totals.total} instead of {totals.full}"


@workflow.defn
class Shared:
    @workflow.run
    async def run(self, prices: list[int]) -> str:
        before = await workflow.execute_activity(add, prices, start_to_close_timeout=LIMIT)
        total = await workflow.execute_activity(discount, before, start_to_close_timeout=LIMIT)
        totals = Totals(total, before)
        return await workflow.execute_activity(report, totals, start_to_close_timeout=LIMIT)
