"""``SqsAdapter``: works on a queue's jobs, in a program of one's own or in Lambda, and starts and steers runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Unpack

from flowcraft_core.durable import Adapter
from flowcraft_core.durable.options import WorkerOptions
from flowcraft_core.payloads import PayloadCodec
from flowcraft_core.ports import CoordinationStore

from ._calls import THREADS, Calls
from ._clients import make_client
from ._lambda import LambdaHost
from .backend import AwsBackend
from .metrics import Metrics
from .places import CONTEXT_TABLE, STATUS_TABLE
from .s3 import S3PayloadStore

if TYPE_CHECKING:
    from flowcraft_core.runtime import FlowRuntime
    from mypy_boto3_dynamodb.client import DynamoDBClient
    from mypy_boto3_sqs.client import SQSClient

    from .shared_context import DynamoDbContext


class SqsAdapter(Adapter):
    """A ``flowcraft_core.durable.Adapter`` on an SQS queue and DynamoDB tables.

    Attributes:
        metrics: Every request of this adapter to AWS, by operation.
    """

    def __init__(
        self,
        *,
        runtime: FlowRuntime,
        queue_url: str,
        queue_urls: Mapping[str, str] | None = None,
        coordination_store: CoordinationStore | None = None,
        sqs_client: SQSClient | None = None,
        dynamodb_client: DynamoDBClient | None = None,
        context_table_name: str = CONTEXT_TABLE,
        status_table_name: str = STATUS_TABLE,
        payloads: S3PayloadStore | None = None,
        threads: int = THREADS,
        fair: bool = True,
        **options: Unpack[WorkerOptions],
    ) -> None:
        """Put an adapter together; nothing is sent yet.

        Args:
            runtime: Brings the flows, the steps, the serializer and the clock.
            queue_url: The URL of a standard queue.
            queue_urls: The URLs of further ones, by the name that flows and workers call each by: ``{"gpu": url}``. The
                worker serves those that the option ``queues`` names.
            coordination_store: Where counters, leases and sets are, as a ``DynamoDbCoordinationStore``; by default in
                the table ``flowcraft-coordination``.
            sqs_client: A boto3 client; by default one with ``client_config()`` and boto3's own credentials and region.
            dynamodb_client: Likewise.
            context_table_name: The table of facts and context values, with the partition key ``runId``.
            status_table_name: The table of statuses, with the partition key ``runId``.
            payloads: Where long values go; into the table, by default.
            threads: How many requests are made at once, one of them kept for heartbeats; fewer with a client that
                keeps fewer connections.
            fair: Whether the queue is told which run a message belongs to, so that it serves no run before others.
            options: For the worker: ``concurrency``, ``prefetch``, ``visibility``, ``poll``, ``grace``,
                ``control_interval``, ``settings``, ``codec``, ``reconcile``, ``reconcile_interval``; see
                ``flowcraft_core.durable.Worker``.

        Raises:
            ConfigurationError: The URL is missing or that of a FIFO queue, or an option is out of range.
            BackendError: No client can be made, as there is no region.
        """
        self.metrics = Metrics()
        # One client each for all event loops: boto3's clients may be used by many threads, and take long to make.
        sqs: SQSClient = sqs_client or make_client("sqs", threads)
        dynamodb: DynamoDBClient = dynamodb_client or make_client("dynamodb", threads)

        def make() -> AwsBackend:
            return AwsBackend(
                queue_url=queue_url,
                queues=queue_urls,
                context_table_name=context_table_name,
                status_table_name=status_table_name,
                coordination_store=coordination_store,
                sqs_client=sqs,
                dynamodb_client=dynamodb,
                payloads=payloads,
                threads=threads,
                fair=fair,
                clock=runtime.clock,
                metrics=self.metrics,
            )

        make()  # says at once what is wrong with the arguments
        self._dynamodb = dynamodb
        self._calls = Calls(threads, metrics=self.metrics)
        self._context_table_name = context_table_name
        self._payloads = payloads
        called = {url.rsplit("/", 1)[-1]: name for name, url in (queue_urls or {}).items()}
        self._lambda = LambdaHost(self, called)
        super().__init__(make, runtime, **options)

    def stop(self, timeout: float | None = None) -> None:
        """See ``flowcraft_core.durable.Adapter``; it also closes what ``lambda_handler`` has opened."""
        self._lambda.close()
        super().stop(timeout)

    def new_backend(self) -> AwsBackend:
        """Another backend as this adapter uses them, not yet open."""
        backend = self._make_backend()
        assert isinstance(backend, AwsBackend)
        return backend

    @property
    def codec(self) -> PayloadCodec | None:
        """What stored bytes go through; None for the default."""
        return self._options.get("codec")

    def context(self, run_id: str) -> DynamoDbContext:
        """The shared context of a run, for programs that are none of its steps; not open."""
        from .shared_context import DynamoDbContext  # noqa: PLC0415 # for programs beside the workers

        return DynamoDbContext(
            client=self._dynamodb,
            table_name=self._context_table_name,
            run_id=run_id,
            serializer=self.runtime.serializer,
            codec=self.codec,
            payloads=self._payloads,
            calls=self._calls,
        )

    def lambda_handler(self, event: dict[str, Any], context: Any) -> dict[str, Any]:
        """Do what the messages of an SQS event ask for; the handler of a Lambda function.

        Its event source needs ``ReportBatchItemFailures``. A job that the time left is too short for is passed on to a
        later invocation.

        Args:
            event: What Lambda hands over.
            context: Lambda's context of the invocation.

        Returns:
            ``{"batchItemFailures": [...]}``, the messages that are to be delivered again.
        """
        return self._lambda.handle(event, context)

    def reconcile_handler(self, event: dict[str, Any], context: Any) -> dict[str, Any]:
        """Bring on every run that is due; the handler of a Lambda function that a schedule calls.

        Returns:
            What ``flowcraft_core.durable.Reconciled`` has, by name.
        """
        return self._lambda.reconcile()

    def webhook_handler(self, event: dict[str, Any], context: Any) -> dict[str, Any]:
        """Follow a link that ``ctx.webhook_url`` gave; the handler of a Lambda function with a function URL.

        The URL needs no authentication of its own (``AuthType: NONE``): the link is it. The runtime's ``webhooks``
        names the function's URL.

        Args:
            event: What the function URL hands over, in payload format 2.0.
            context: Lambda's context of the invocation.

        Returns:
            The response, in the same format.
        """
        return self._lambda.answer(event)
