"""A failure is made good, and something is tidied up in any case."""

from dataclasses import dataclass
from datetime import timedelta

from temporalio import activity, workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError

LIMIT = timedelta(seconds=10)

tidied: list[str] = []


@dataclass
class Charge:
    euros: int
    card: str


@dataclass
class Failure:
    euros: int
    message: str


@activity.defn
async def reserve(card: str) -> int:
    return 40


@activity.defn
async def charge(of: Charge) -> str:
    if of.card == "expired":
        raise PermissionError(f"the card is {of.card}")
    return f"{of.euros} paid"


@activity.defn
async def ship(paid: str) -> str:
    return f"{paid}, shipped"


@activity.defn
async def release(failure: Failure) -> str:
    return f"{failure.euros} released, {failure.message}"


@activity.defn
async def tidy(by: str) -> None:
    tidied.append(by)


@workflow.defn
class Cleanup:
    @workflow.run
    async def run(self, card: str) -> str:
        clerk = "Ada"
        once = RetryPolicy(maximum_attempts=1)
        euros = await workflow.execute_activity(reserve, card, start_to_close_timeout=LIMIT)
        of = Charge(euros, card)
        try:
            paid = await workflow.execute_activity(charge, of, start_to_close_timeout=LIMIT, retry_policy=once)
        except ActivityError as error:
            failure = Failure(euros, getattr(error.cause, "message", ""))
            return await workflow.execute_activity(release, failure, start_to_close_timeout=LIMIT)
        else:
            return await workflow.execute_activity(ship, paid, start_to_close_timeout=LIMIT)
        finally:
            await workflow.execute_activity(tidy, clerk, start_to_close_timeout=LIMIT)
