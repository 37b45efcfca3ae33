"""``create_sqs_reconciler``: finds runs that nobody works on any more, and brings them on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs
from flowcraft_core.durable import Reconciled, Reconciler
from flowcraft_core.durable.looks import LookLog
from flowcraft_core.errors import ConfigurationError
from flowcraft_core.logging.journal import Journal
from flowcraft_core.ports import RunStatus, State

from .adapter import SqsAdapter
from .metrics import watch
from .status import DynamoDbStatusStore

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.client import DynamoDBClient

_LIVE: tuple[State, ...] = ("running", "awaiting")


@attrs.frozen
class ReconcileStats:
    """What one round has done.

    Attributes:
        scanned_items: Runs that were due for a look.
        reconciled_runs: Of these, the runs that were brought on: jobs were sent, or their end was written.
        revived_runs: Runs in which jobs were sent.
        finished_runs: Runs whose facts said that they have ended, and whose status did not.
        waiting_runs: Runs in which only waits or timers are left.
        failed_runs: Runs that were failed: past their deadline, or revived too often without progress.
        busy_runs: Runs that workers get on with, and that were left to them.
        unstarted_runs: Runs that were begun by hand and for which no message has come; they cannot be started without
            their flow's id, which the message has.
        unstarted_run_ids: Their ids.
        recent_runs: Runs that are due, and were left alone as they were updated within the threshold.
        errors: Runs that could not be looked at; they are due again.
    """

    scanned_items: int
    reconciled_runs: int
    revived_runs: int
    finished_runs: int
    waiting_runs: int
    failed_runs: int
    busy_runs: int
    unstarted_runs: int
    unstarted_run_ids: tuple[str, ...]
    recent_runs: int
    errors: int


class SqsReconciler:
    """Looks at the runs that are due; any number may do so at once. Workers do it by themselves, see ``reconcile``."""

    def __init__(
        self,
        *,
        adapter: SqsAdapter,
        dynamodb_client: DynamoDBClient,
        status_table_name: str,
        stalled_threshold_seconds: float,
    ) -> None:
        """See ``create_sqs_reconciler``."""
        if stalled_threshold_seconds < 0:
            raise ConfigurationError(f"stalled_threshold_seconds={stalled_threshold_seconds}: give at least 0")
        self._adapter = adapter
        self._client = dynamodb_client
        self._table_name = status_table_name
        self._threshold = stalled_threshold_seconds
        self._journal = Journal(telemetry=adapter.runtime.telemetry)
        self._log = LookLog(adapter.runtime.clock.now, self._journal)

    async def run(self) -> ReconcileStats:
        """Look once at every run that is due, in any event loop, on a backend of its own.

        Raises:
            BackendError: A table or the queue cannot be used.
            TransientError: The service does not answer; run it again.
        """
        runtime = self._adapter.runtime
        now, done, recent = runtime.clock.now(), Reconciled(), 0
        watch(self._client)
        async with self._adapter.new_backend() as backend:
            statuses = DynamoDbStatusStore(self._client, self._table_name, backend.calls, log=self._log)
            reconciler = Reconciler(
                backend,
                serializer=runtime.serializer,
                codec=self._adapter.codec,
                clock=runtime.clock,
                journal=self._journal,
            )
            for status in await self._due(statuses, now):
                if status.updated > now - self._threshold:
                    recent += 1
                    continue
                try:
                    one = await reconciler.reconcile(status.run_id, insist=False)
                except Exception as error:  # one run that cannot be read does not hold up the others
                    self._log.failed(status.run_id, error)
                    one = Reconciled(scanned=1, errors=1)
                for field in attrs.fields(Reconciled):
                    setattr(done, field.name, getattr(done, field.name) + getattr(one, field.name))
        return ReconcileStats(
            scanned_items=done.scanned + recent,
            reconciled_runs=done.revived + done.finished + done.failed,
            revived_runs=done.revived,
            finished_runs=done.finished,
            waiting_runs=done.waiting,
            failed_runs=done.failed,
            busy_runs=done.busy,
            unstarted_runs=done.unstarted,
            unstarted_run_ids=done.unstarted_runs,
            recent_runs=recent,
            errors=done.errors,
        )

    async def _due(self, statuses: DynamoDbStatusStore, now: float) -> list[RunStatus]:
        found: list[RunStatus] = []
        for state in _LIVE:
            cursor: str | None = None
            while True:
                page = await statuses.find(state=state, due_before=now, cursor=cursor, limit=1_000)
                found += page.items
                cursor = page.cursor
                if cursor is None:
                    break
        return found


def create_sqs_reconciler(
    *,
    adapter: SqsAdapter,
    dynamodb_client: DynamoDBClient,
    status_table_name: str,
    stalled_threshold_seconds: float = 300.0,
) -> SqsReconciler:
    """A reconciler for programs that look after stalled runs by themselves.

    Args:
        adapter: Knows the flows, the queue and the tables.
        dynamodb_client: A boto3 client; reads the statuses.
        status_table_name: The table of statuses.
        stalled_threshold_seconds: A run that was updated within so many seconds is left alone, due or not.

    Raises:
        ConfigurationError: The threshold is negative.
    """
    return SqsReconciler(
        adapter=adapter,
        dynamodb_client=dynamodb_client,
        status_table_name=status_table_name,
        stalled_threshold_seconds=stalled_threshold_seconds,
    )
