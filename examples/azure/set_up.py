"""``python set_up.py``: create the queue, the database and its containers, where they are missing."""

from __future__ import annotations

import asyncio

from flowcraft_azure import AzureSettings, provision

if __name__ == "__main__":
    settings = AzureSettings.from_environment()
    asyncio.run(provision(**settings.for_provision()))
    print(f"queue {settings.queue_name} and database {settings.cosmos_database_name} are there")
