"""The AWS backend: the four ports on an SQS queue and three DynamoDB tables."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from flowcraft_core.clock import Clock
from flowcraft_core.errors import ConfigurationError, raise_together
from flowcraft_core.ports import ContextStore, CoordinationStore, Finding, JobQueue, NamedQueues, StatusStore
from flowcraft_core.queues import DeclaredQueues

from ._calls import THREADS, Calls, Home
from ._clients import make_client, require_client
from .by_hand import ByHand
from .context import DynamoDbContextStore
from .coordination import DynamoDbCoordinationStore
from .metrics import Metrics, watch
from .places import CONTEXT_TABLE, COORDINATION_TABLE, STATUS_TABLE, AwsPlace
from .queue import SqsJobQueue
from .s3 import S3PayloadStore
from .status import DynamoDbStatusStore

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.client import DynamoDBClient
    from mypy_boto3_sqs.client import SQSClient


class AwsBackend:
    """A ``flowcraft_core.ports.Backend`` on AWS, which any number of processes may use at once.

    Also an async context manager, which opens and closes it.

    Attributes:
        queue: The messages.
        queues: Further queues, by name.
        context: The facts and context values.
        status: The statuses.
        coordination: The counters, leases and sets.
        by_hand: Finds what people have written for a run that they begin by hand.
        metrics: Every request that was made, by operation.
        calls: Where requests are made.
        name: What logs call it: the region and the tables.
    """

    queue: JobQueue
    queues: NamedQueues
    context: ContextStore
    status: StatusStore
    coordination: CoordinationStore

    def __init__(
        self,
        *,
        queue_url: str,
        queues: Mapping[str, str] | None = None,
        context_table_name: str = CONTEXT_TABLE,
        status_table_name: str = STATUS_TABLE,
        coordination_table_name: str = COORDINATION_TABLE,
        coordination_store: CoordinationStore | None = None,
        sqs_client: SQSClient | None = None,
        dynamodb_client: DynamoDBClient | None = None,
        payloads: S3PayloadStore | None = None,
        threads: int = THREADS,
        fair: bool = True,
        clock: Clock | None = None,
        metrics: Metrics | None = None,
    ) -> None:
        """Send nothing yet.

        Args:
            queue_url: The URL of a standard queue; or its name, which ``open`` looks up.
            queues: The URLs, or names, of further ones, by the name that flows and workers call each by:
                ``{"gpu": url}``. All programs on a backend are to be told the same.
            context_table_name: The table of facts and context values, with the partition key ``runId``.
            status_table_name: The table of statuses, with the partition key ``runId``.
            coordination_table_name: The table of counters, leases and sets, with the partition key ``key``.
            coordination_store: Takes the place of that table. Of a ``DynamoDbCoordinationStore`` the client and the
                table are used; any other is used as it is.
            sqs_client: A boto3 client; by default one with ``client_config()`` and boto3's own credentials and region.
            dynamodb_client: Likewise.
            payloads: Where long values go; into the table, by default.
            threads: How many requests are made at once, one of them kept for heartbeats; fewer with a client that
                keeps fewer connections.
            fair: Whether the queue is told which run a message belongs to, so that it serves no run before others.
            clock: What times to live go by; by default the machine's clock.
            metrics: What counts the requests; new ones by default.

        Raises:
            ConfigurationError: The queue is a FIFO queue, there are too few threads, or a client is none of boto3's
                for its service.
        """
        self.metrics = metrics or Metrics()
        self._home = Home(f"AwsBackend({queue_url!r})")
        self._own: list[Any] = []
        sqs: SQSClient = sqs_client or self._make("sqs", threads)
        dynamodb: DynamoDBClient = dynamodb_client or self._make("dynamodb", threads)
        hints, hints_table = dynamodb, coordination_table_name
        if isinstance(coordination_store, DynamoDbCoordinationStore):
            hints, hints_table = coordination_store.client, coordination_store.table_name
            clock, coordination_store = clock or coordination_store.clock, None
        require_client("sqs_client", sqs, "sqs")
        require_client("dynamodb_client", dynamodb, "dynamodb")
        clients: list[Any] = [sqs, dynamodb, hints, *([] if payloads is None else [payloads.client])]
        for client in clients:
            watch(client)
        connections = min(client.meta.config.max_pool_connections for client in clients)
        self.calls = Calls(min(threads, connections), metrics=self.metrics, home=self._home)
        queue = SqsJobQueue(sqs, queue_url, self.calls, fair=fair)
        further = {name: SqsJobQueue(sqs, url, self.calls, fair=fair) for name, url in (queues or {}).items()}
        self.queues = DeclaredQueues('AwsBackend(queues={"gpu": url})', further)
        self._queues = [queue, *further.values()]
        context = DynamoDbContextStore(dynamodb, context_table_name, self.calls, payloads=payloads)
        status = DynamoDbStatusStore(dynamodb, status_table_name, self.calls)
        self._tables = [context.table, status.table]
        self._sqs, self._queue_urls, self._payloads = sqs, [queue_url, *(queues or {}).values()], payloads
        if coordination_store is None:
            hint_store = DynamoDbCoordinationStore(hints, hints_table, calls=self.calls, clock=clock)
            self._tables.append(hint_store.table)
            coordination_store = hint_store
        self.queue, self.context, self.status, self.coordination = queue, context, status, coordination_store
        self.by_hand = ByHand(context, status)
        tables = f"{context_table_name}, {status_table_name}, {coordination_table_name}"
        self.name = f"aws {sqs.meta.region_name} (tables {tables})"

    @classmethod
    def from_url(cls, url: str) -> Self:
        """A backend by names, ``aws://REGION/NAME``, with boto3's own credentials; see ``places.AwsPlace``.

        Raises:
            ConfigurationError: The URL cannot be read, or says something else.
            BackendError: boto3's configuration cannot be read.
        """
        place = AwsPlace.of(url)
        sqs = make_client("sqs", region=place.region)
        dynamodb = make_client("dynamodb", region=place.region)
        own = [sqs, dynamodb]
        payloads = None
        if place.bucket is not None:
            payloads = S3PayloadStore(client=make_client("s3", region=place.region), bucket=place.bucket)
            own.append(payloads.client)
        backend = cls(
            queue_url=place.queue,
            queues=place.queues,
            sqs_client=sqs,
            dynamodb_client=dynamodb,
            payloads=payloads,
            **place.tables,
        )
        backend._own += own
        return backend

    @classmethod
    async def provision_url(cls, url: str) -> Sequence[str]:
        """Create what such a URL names: see ``provision``. A bucket must be there.

        Raises:
            ConfigurationError: The URL cannot be read, or says something else.
            BackendError: Something cannot be created; the message says which.
        """
        from .provisioning import provision  # noqa: PLC0415 # for whoever sets it up, which is done once

        place = AwsPlace.of(url)

        def make() -> Sequence[str]:
            made = provision(
                queue_name=place.queue,
                queues=tuple(place.queues),
                sqs_client=make_client("sqs", region=place.region),
                dynamodb_client=make_client("dynamodb", region=place.region),
                **place.tables,
            )
            tables = (made.context_table_name, made.status_table_name, made.coordination_table_name)
            urls = (made.queue_url, *made.queues.values())
            return [*(f"queue {url}" for url in urls), *(f"table {name}" for name in tables)]

        return await asyncio.to_thread(make)

    async def open(self) -> None:
        """Find out whether the queue and the tables can be used. Nothing is created: see ``provision``.

        It takes one request for each of them, and no permission that working does not take.

        Raises:
            ConfigurationError: One table was given for both the contexts and the statuses.
            BackendError: It is open already, or some of them do not exist or may not be used: the message says which
                and why.
            TransientError: A service does not answer.
        """
        if len({table.name for table in self._tables}) < len(self._tables):
            names = ", ".join(repr(table.name) for table in self._tables)
            raise ConfigurationError(
                f"the tables of contexts, statuses and hints are {names}: give each a table of its own, as items of a"
                " run have the same name in two of them"
            )
        self._home.enter()
        try:
            checks = [*(queue.check() for queue in self._queues), *(table.check() for table in self._tables)]
            found = await asyncio.gather(*checks, return_exceptions=True)
            raise_together([error for error in found if error is not None])
        except BaseException:
            self._home.leave()
            raise

    async def diagnose(self) -> Sequence[Finding]:
        """Look at the queue, the tables and the permissions; see ``flowcraft_core.ports.Diagnosable``.

        It takes some thirty requests. Of the last ones, which find out what is allowed, none can do anything.
        """
        from ._layout import contexts, coordination, statuses  # noqa: PLC0415 # for whoever asks what is wrong
        from .diagnosis import DiagnosedTable, examine  # noqa: PLC0415 # likewise

        # Of a table for hints that is not in this list, somebody else knows what it has to be like.
        layouts = [contexts, statuses, coordination]
        pairs = zip(self._tables, layouts, strict=False)
        tables = [DiagnosedTable(table.client, layout(table.name)) for table, layout in pairs]
        found = await examine(self._sqs, self._queue_urls, tables, self._payloads)
        ask: Callable[[], Awaitable[Sequence[Finding]]] | None = getattr(self.coordination, "diagnose", None)
        return found if ask is None else [*found, *await ask()]

    async def close(self) -> None:
        """Let go of the connections, but for those of clients that were given; it can be opened again.

        A long poll that was given up is waited for, and what it takes is given back.
        """
        if not self._home.is_open:
            return
        self._home.require()
        await asyncio.gather(*(queue.end_receives() for queue in self._queues))
        self._home.leave()
        for client in self._own:
            client.close()

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def _make(self, service: Any, threads: int) -> Any:
        client = make_client(service, threads)
        self._own.append(client)
        return client
