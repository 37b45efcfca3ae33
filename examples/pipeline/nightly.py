"""Every night the day's money is settled: a flow of one step, and the schedule that starts it."""

from __future__ import annotations

from zoneinfo import ZoneInfo

from flowcraft_core import SyncNodeContext, create_flow
from flowcraft_core.durable import Client
from flowcraft_core.schedules import due_of
from services import Services

#: Whose nights they are.
ZONE = "Europe/Oslo"


def settle(ctx: SyncNodeContext[None, Services]) -> str:
    """Settle what was charged and not refunded, for the night that is meant, whenever this runs."""
    due = due_of(ctx.run_id)
    night = f"{due.astimezone(ZoneInfo(ZONE)):%Y-%m-%d}" if due else "by hand"
    settlement = {"night": night, "total": ctx.dependencies.total()}
    return ctx.dependencies.post("settlements", settlement, key=ctx.idempotency_key)


nightly = create_flow("nightly").node("settle", settle, retries=3)


async def schedule(client: Client) -> None:
    """Have it run each night at half past two; for a program that is called with each deployment."""
    await client.schedules.make(
        "nightly", nightly, cron="30 2 * * *", timezone=ZONE, missed="latest", overlap="skip", replace=True
    )
