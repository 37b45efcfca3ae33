"""``create_azure_reconciler``: brings runs on that have stood still, when somebody calls for it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

import attrs
from azure.cosmos.aio import CosmosClient
from flowcraft_core.durable.looks import LookLog
from flowcraft_core.errors import ConfigurationError
from flowcraft_core.logging.journal import Journal

from ._cosmos import CosmosDatabase
from .adapter import AzureQueueAdapter
from .status import CosmosStatusStore


@attrs.frozen(kw_only=True)
class ReconcilerStats:
    """What one round has found and done.

    Attributes:
        stalled_runs: Running runs whose status was not written for the threshold.
        reconciled_runs: Of these, those in which jobs were sent, or whose end was written.
        unstarted_runs: Of these, the ids of those that were begun by hand and for which no message has come; they
            cannot be started without their flow's id, which the message has.
        failed_runs: Of these, those that were failed, or could not be looked at; the log says which and why.
    """

    stalled_runs: int
    reconciled_runs: int
    failed_runs: int
    unstarted_runs: tuple[str, ...] = ()


@attrs.frozen
class AzureReconciler:
    """Finds stalled runs and has the adapter reconcile them. Any number may run at once."""

    _adapter: AzureQueueAdapter
    _database: CosmosDatabase
    _status_container_name: str
    _threshold: float
    _log: LookLog

    async def run(self) -> ReconcilerStats:
        """Look once at every run that has stalled.

        Uses the adapter where it is open in the running event loop, and else opens it for the time.

        Raises:
            BackendError: A service refuses.
            TransientError: A service does not answer.
        """
        async with contextlib.AsyncExitStack() as stack:
            container = self._database.container(self._status_container_name)
            await container.open()
            stack.push_async_callback(container.close)
            adapter = self._adapter
            try:
                _ = adapter.client
            except ConfigurationError:
                adapter = await stack.enter_async_context(adapter.again())
            stalled = await self._stalled(CosmosStatusStore(container, log=self._log))
            reconciled = failed = 0
            unstarted: tuple[str, ...] = ()
            for run_id in stalled:
                try:
                    done = await adapter.reconcile(run_id, insist=False)
                except Exception as error:  # one run that cannot be read does not hold up the others
                    self._log.failed(run_id, error)
                    failed += 1
                else:
                    failed += bool(done.failed or done.errors)
                    reconciled += bool(done.revived or done.finished)
                    unstarted += done.unstarted_runs
        return ReconcilerStats(
            stalled_runs=len(stalled), reconciled_runs=reconciled, failed_runs=failed, unstarted_runs=unstarted
        )

    async def _stalled(self, store: CosmosStatusStore) -> list[str]:
        before = self._adapter.runtime.clock.now() - self._threshold
        found: dict[str, None] = {}
        cursor: str | None = None
        while True:
            page = await store.find_untouched(before=before, cursor=cursor)
            found |= dict.fromkeys(status.run_id for status in page.items)
            cursor = page.cursor
            if cursor is None:
                return list(found)


def create_azure_reconciler(
    *,
    adapter: AzureQueueAdapter,
    cosmos_client: CosmosClient | Callable[[], CosmosClient],
    cosmos_database_name: str,
    status_container_name: str = "statuses",
    stalled_threshold_seconds: float = 300.0,
) -> AzureReconciler:
    """A reconciler whose ``run`` looks once at every run that has stalled.

    Workers reconcile by themselves, unless they are told not to; this is for a timer beside them.

    Args:
        adapter: What brings the runs on; its clients decide where.
        cosmos_client: A client of the account, or a function that makes one, to look for stalled runs with.
        cosmos_database_name: The database.
        status_container_name: The container of statuses.
        stalled_threshold_seconds: For how long the status of a running run was not written when it counts as stalled.

    Raises:
        ConfigurationError: The threshold is not positive.
    """
    if stalled_threshold_seconds <= 0:
        raise ConfigurationError(f"stalled_threshold_seconds={stalled_threshold_seconds}: give more than 0")
    database = CosmosDatabase(cosmos_client, cosmos_database_name)
    runtime = adapter.runtime
    log = LookLog(runtime.clock.now, Journal(telemetry=runtime.telemetry))
    return AzureReconciler(adapter, database, status_container_name, stalled_threshold_seconds, log)
