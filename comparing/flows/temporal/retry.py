"""A service that fails is asked again, and then something stands in."""

from dataclasses import dataclass
from datetime import timedelta

from temporalio import activity, workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError

LIMIT = timedelta(seconds=10)


@dataclass
class Missed:
    question: str
    place: str


@activity.defn
async def trim(question: str) -> str:
    return question.strip("?")


@activity.defn
async def ask(question: str) -> str:
    if question == "when":
        return f"{question} now"
    raise ConnectionError(question)


@activity.defn
async def cached(missed: Missed) -> str:
    return f"{missed.question} from the {missed.place}"


@activity.defn
async def show(answer: str) -> str:
    return f"{answer}."


@workflow.defn
class Retry:
    @workflow.run
    async def run(self, question: str) -> str:
        source = "cache"
        thrice = RetryPolicy(maximum_attempts=3)
        trimmed = await workflow.execute_activity(trim, question, start_to_close_timeout=LIMIT)
        try:
            answer = await workflow.execute_activity(ask, trimmed, start_to_close_timeout=LIMIT, retry_policy=thrice)
        except ActivityError:
            missed = Missed(trimmed, source)
            answer = await workflow.execute_activity(cached, missed, start_to_close_timeout=LIMIT)
        return await workflow.execute_activity(show, answer, start_to_close_timeout=LIMIT)
