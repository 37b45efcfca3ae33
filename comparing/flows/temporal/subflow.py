"""A flow that calls another one."""

from datetime import timedelta

from temporalio import activity, workflow

LIMIT = timedelta(seconds=10)


@activity.defn
async def gross(net: float) -> float:
    return net


@workflow.defn
class Tax:
    @workflow.run
    async def run(self, net: int) -> float:
        rate = 0.25
        return await workflow.execute_activity(gross, net * (1 + rate), start_to_close_timeout=LIMIT)


@activity.defn
async def add(lines: list[int]) -> int:
    return sum(lines)


@activity.defn
async def show(whole: float) -> str:
    return f"{whole:g} to pay"


@workflow.defn
class Subflow:
    @workflow.run
    async def run(self, lines: list[int]) -> str:
        net = await workflow.execute_activity(add, lines, start_to_close_timeout=LIMIT)
        total = await workflow.execute_child_workflow(Tax.run, net)
        return await workflow.execute_activity(show, total, start_to_close_timeout=LIMIT)
