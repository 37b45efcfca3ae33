"""Steps one after the other."""

from datetime import timedelta

from temporalio import activity, workflow

LIMIT = timedelta(seconds=10)


@activity.defn
async def split(text: str) -> list[str]:
    return text.split()


@activity.defn
async def count(words: list[str]) -> int:
    return len(words)


@activity.defn
async def report(number: int) -> str:
    return f"{number}"


@workflow.defn
class Chain:
    @workflow.run
    async def run(self, text: str) -> str:
        unit = "words"
        words = await workflow.execute_activity(split, text, start_to_close_timeout=LIMIT)
        number = await workflow.execute_activity(count, words, start_to_close_timeout=LIMIT)
        said = await workflow.execute_activity(report, number, start_to_close_timeout=LIMIT)
        return f"{said} {unit}"
