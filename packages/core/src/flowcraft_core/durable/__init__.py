"""The three programs over the ports: client, worker and reconciler."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..graph.standing import InstanceState
    from .adapter import Adapter
    from .answering import Answered, Answering, Asked
    from .client import Client
    from .comparing import Difference, differences
    from .describing.said import PassedOn, UnderWay, WorkerDescription
    from .describing.shapes import (
        FailedAttempt,
        Inside,
        InstanceDescription,
        InstanceKind,
        OpenWait,
        QueueDescription,
        RunDescription,
        RunsPage,
        Stopped,
        TakenEdge,
        Way,
    )
    from .diagnosing import diagnose
    from .engine import Settings
    from .exporting import Footprint
    from .finding import RunFilters
    from .garbage import collect_seldom
    from .places import backend_from_url, installed_backends, open_url, provision_url
    from .reconciler import Reconciled, Reconciler
    from .results import Purged, Started, StoredResult, StoredRun
    from .runs import UnknownRunError
    from .scheduling.client import ScheduleClient, ScheduleSettings
    from .scheduling.revisions import UnknownScheduleError
    from .scheduling.shapes import StoredSchedule
    from .scheduling.sync_client import SyncScheduleClient
    from .shared_context import SharedContext
    from .sync_client import SyncClient
    from .worker import Worker

__all__ = [
    "Adapter",
    "Answered",
    "Answering",
    "Asked",
    "Client",
    "Difference",
    "FailedAttempt",
    "Footprint",
    "Inside",
    "InstanceDescription",
    "InstanceKind",
    "InstanceState",
    "OpenWait",
    "PassedOn",
    "Purged",
    "QueueDescription",
    "Reconciled",
    "Reconciler",
    "RunDescription",
    "RunFilters",
    "RunsPage",
    "ScheduleClient",
    "ScheduleSettings",
    "Settings",
    "SharedContext",
    "Started",
    "Stopped",
    "StoredResult",
    "StoredRun",
    "StoredSchedule",
    "SyncClient",
    "SyncScheduleClient",
    "TakenEdge",
    "UnderWay",
    "UnknownRunError",
    "UnknownScheduleError",
    "Way",
    "Worker",
    "WorkerDescription",
    "backend_from_url",
    "collect_seldom",
    "diagnose",
    "differences",
    "installed_backends",
    "open_url",
    "provision_url",
]

# Checkers read the imports above instead, and know nothing of what follows.
if not TYPE_CHECKING:
    from ..on_demand import on_demand

    _MODULES = {
        "adapter": "Adapter",
        "answering": "Answered Answering Asked",
        "client": "Client",
        "comparing": "Difference differences",
        "describing.shapes": (
            "FailedAttempt Inside InstanceDescription InstanceKind OpenWait QueueDescription RunDescription RunsPage "
            "Stopped TakenEdge Way"
        ),
        "describing.said": "PassedOn UnderWay WorkerDescription",
        "diagnosing": "diagnose",
        "engine": "Settings",
        "exporting": "Footprint",
        "finding": "RunFilters",
        "garbage": "collect_seldom",
        ".graph.standing": "InstanceState",
        "places": "backend_from_url installed_backends open_url provision_url",
        "reconciler": "Reconciled Reconciler",
        "results": "Purged Started StoredResult StoredRun",
        "runs": "UnknownRunError",
        "scheduling.client": "ScheduleClient ScheduleSettings",
        "scheduling.revisions": "UnknownScheduleError",
        "scheduling.shapes": "StoredSchedule",
        "scheduling.sync_client": "SyncScheduleClient",
        "shared_context": "SharedContext",
        "sync_client": "SyncClient",
        "worker": "Worker",
    }
    __getattr__, __dir__, _MODULE_OF = on_demand(__name__, _MODULES)
