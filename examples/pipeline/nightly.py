"""Every night the day's money is settled: a flow of one step, and the schedule that starts it."""

from __future__ import annotations

from flowcraft_core import SyncNodeContext, create_flow
from flowcraft_core.durable import Client
from flowcraft_core.schedules import due_of
from services import Services


def settle(ctx: SyncNodeContext[None, Services]) -> str:
    """Settle what was charged and not refunded, for the night that is meant, whenever this runs."""
    night = due_of(ctx.run_id)
    settlement = {"night": f"{night:%Y-%m-%d}" if night else "by hand", "total": ctx.dependencies.total()}
    return ctx.dependencies.post("settlements", settlement, key=ctx.idempotency_key)


nightly = create_flow("nightly").node("settle", settle, retries=3)


async def schedule(client: Client) -> None:
    """Have it run each night at half past two in Oslo; for a program that is called with each deployment."""
    await client.schedules.make(
        "nightly", nightly, cron="30 2 * * *", timezone="Europe/Oslo", missed="latest", overlap="skip", replace=True
    )
