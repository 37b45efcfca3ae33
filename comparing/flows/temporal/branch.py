"""One of two ways, which meet again."""

from datetime import timedelta

from temporalio import activity, workflow

LIMIT = timedelta(seconds=10)


@activity.defn
async def weigh(kilos: int) -> int:
    return kilos


@activity.defn
async def freight(kilos: int) -> str:
    return f"{kilos} kg by freight"


@activity.defn
async def post(kilos: int) -> str:
    return f"{kilos} kg by post"


@activity.defn
async def label(way: str) -> str:
    return f"{way}!"


@workflow.defn
class Branch:
    @workflow.run
    async def run(self, kilos: int) -> str:
        limit = 30
        weight = await workflow.execute_activity(weigh, kilos, start_to_close_timeout=LIMIT)
        if weight > limit:
            way = await workflow.execute_activity(freight, weight, start_to_close_timeout=LIMIT)
        else:
            way = await workflow.execute_activity(post, weight, start_to_close_timeout=LIMIT)
        return await workflow.execute_activity(label, way, start_to_close_timeout=LIMIT)
