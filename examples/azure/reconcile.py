"""``python reconcile.py``: look once at every run that has stood still for five minutes; for a timer of your own.

Workers do it by themselves. This is for the times when none is at work.
"""

from __future__ import annotations

import asyncio

from flowcraft_azure import AzureSettings, create_azure_reconciler
from parcel_place import make_adapter


async def main() -> None:
    """Look once."""
    settings = AzureSettings.from_environment()
    reconciler = create_azure_reconciler(
        adapter=make_adapter(),
        cosmos_client=settings.cosmos_client,
        cosmos_database_name=settings.cosmos_database_name,
        status_container_name=settings.status_container_name,
        stalled_threshold_seconds=300,
    )
    stats = await reconciler.run()
    print(f"reconciled {stats.reconciled_runs} of {stats.stalled_runs} stalled runs, {stats.failed_runs} failed")


if __name__ == "__main__":
    asyncio.run(main())
