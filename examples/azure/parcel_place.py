"""Where parcels are worked on: on Azure, or on emulators, as the environment says."""

from __future__ import annotations

from flowcraft_azure import AzureQueueAdapter, AzureSettings
from flowcraft_core import FlowRuntime
from parcels import parcel_flow


def make_adapter() -> AzureQueueAdapter:
    """An adapter with the flow; each client is made by a function, so that it serves any event loop."""
    settings = AzureSettings.from_environment()
    return AzureQueueAdapter(runtime=FlowRuntime([parcel_flow()]), **settings.for_backend())
