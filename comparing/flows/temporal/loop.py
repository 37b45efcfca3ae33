"""A text that is improved until it is good."""

from datetime import timedelta
from typing import TypedDict

from temporalio import activity, workflow

LIMIT = timedelta(seconds=10)


class Draft(TypedDict):
    text: str
    score: int


@activity.defn
async def begin(title: str) -> Draft:
    return Draft(text=title, score=40)


@activity.defn
async def improve(draft: Draft) -> Draft:
    return Draft(text=draft["text"] + "!", score=draft["score"])


@activity.defn
async def review(draft: Draft) -> Draft:
    return Draft(text=draft["text"], score=draft["score"] + 30)


@activity.defn
async def publish(text: str) -> str:
    return f"{text} It is out."


@workflow.defn
class Loop:
    @workflow.run
    async def run(self, title: str) -> str:
        goal = 80
        draft = await workflow.execute_activity(begin, title, start_to_close_timeout=LIMIT)
        while draft["score"] < goal:
            draft = await workflow.execute_activity(improve, draft, start_to_close_timeout=LIMIT)
            draft = await workflow.execute_activity(review, draft, start_to_close_timeout=LIMIT)
        return await workflow.execute_activity(publish, draft["text"], start_to_close_timeout=LIMIT)
