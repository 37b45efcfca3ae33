"""A person's answer is waited for, but not for ever."""

from dataclasses import dataclass
from datetime import timedelta

from temporalio import activity, workflow

LIMIT = timedelta(seconds=10)


@dataclass
class Answer:
    by: str


@dataclass
class Approved:
    claim: str
    by: str
    unit: str


@activity.defn
async def ask(claim: str) -> str:
    return f"a {claim}"


@activity.defn
async def pay(approved: Approved) -> str:
    return f"{approved.claim} paid in {approved.unit} by {approved.by}"


@activity.defn
async def lapse(claim: str) -> str:
    return f"{claim} has lapsed"


@workflow.defn
class Approval:
    def __init__(self) -> None:
        self.said: Answer | None = None

    @workflow.signal
    def answer(self, said: Answer) -> None:
        self.said = said

    @workflow.run
    async def run(self, claim: str) -> str:
        currency = "EUR"
        question = await workflow.execute_activity(ask, claim, start_to_close_timeout=LIMIT)
        try:
            await workflow.wait_condition(lambda: self.said is not None, timeout=LIMIT)
        except TimeoutError:
            return await workflow.execute_activity(lapse, question, start_to_close_timeout=LIMIT)
        assert self.said is not None
        approved = Approved(question, self.said.by, currency)
        return await workflow.execute_activity(pay, approved, start_to_close_timeout=LIMIT)
