"""An adapter inside Lambda: an event loop in a thread, which lives from one invocation to the next."""

from __future__ import annotations

import asyncio
import base64
import threading
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import attrs
from flowcraft_core.errors import ConfigurationError
from flowcraft_core.logging.catalogue import MESSAGE_FAILED
from flowcraft_core.logging.journal import Journal
from flowcraft_core.queues import DEFAULT_QUEUE

from .queue import ENCODING, body_of

if TYPE_CHECKING:
    from flowcraft_core.durable import Adapter

T = TypeVar("T")


class LambdaHost:
    """Carries out what Lambda's handlers are called for, in one loop, with the adapter open in it.

    The clients and their connections are kept between invocations; what froze with the process in between, the SDK
    connects anew.
    """

    def __init__(self, adapter: Adapter, queues: Mapping[str, str] | None = None) -> None:
        """Start nothing yet.

        Args:
            adapter: Does the work.
            queues: By what SQS calls a queue, the name that flows call it by; any other is the default one.
        """
        self._adapter = adapter
        self._queues = queues or {}
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    def handle(self, event: Mapping[str, Any], context: Any) -> dict[str, Any]:
        """See ``SqsAdapter.lambda_handler``."""
        if "Records" not in event:
            raise ConfigurationError(
                "lambda_handler was given no event of SQS: it is for an event source that is a queue; a schedule calls"
                " reconcile_handler"
            )
        records: Sequence[Mapping[str, Any]] = event["Records"]
        return self._run(self._handle_all(records, lambda: context.get_remaining_time_in_millis() / 1_000))

    def reconcile(self) -> dict[str, Any]:
        """See ``SqsAdapter.reconcile_handler``."""

        async def reconcile() -> dict[str, Any]:
            counts: dict[str, Any] = attrs.asdict(await self._adapter.reconcile())
            return counts

        return self._run(reconcile())

    def answer(self, event: Mapping[str, Any]) -> dict[str, Any]:
        """See ``SqsAdapter.webhook_handler``."""
        http = event.get("requestContext", {}).get("http")
        if http is None or "rawPath" not in event:
            raise ConfigurationError(
                "webhook_handler was given no event of a function URL (payload format 2.0): it is for nothing else"
            )
        from flowcraft_core.durable import Asked  # noqa: PLC0415 # for functions that answer, not those that work

        body = event.get("body") or ""
        asked = Asked(
            method=http["method"],
            path=event["rawPath"],
            headers={name.lower(): value for name, value in event.get("headers", {}).items()},
            body=base64.b64decode(body) if event.get("isBase64Encoded") else body.encode(),
        )

        async def answer() -> dict[str, Any]:
            answered = await self._adapter.answering.answer(asked)
            body = answered.body.decode()
            return {"statusCode": answered.status, "headers": dict(answered.headers), "body": body}

        return self._run(answer())

    async def _handle_all(self, records: Sequence[Mapping[str, Any]], remaining: Callable[[], float]) -> dict[str, Any]:
        done = await asyncio.gather(*(self._handle_one(record, remaining) for record in records))
        # Lambda takes a name that is missing for the whole batch.
        failed = [record.get("messageId", "") for record, is_done in zip(records, done, strict=True) if not is_done]
        return {"batchItemFailures": [{"itemIdentifier": message_id} for message_id in failed]}

    async def _handle_one(self, record: Mapping[str, Any], remaining: Callable[[], float]) -> bool:
        count = 1
        try:
            encoding = record.get("messageAttributes", {}).get(ENCODING, {}).get("stringValue")
            count = int(record.get("attributes", {}).get("ApproximateReceiveCount", 1))
            called = str(record.get("eventSourceARN", "")).rsplit(":", 1)[-1]
            queue, body = self._queues.get(called, DEFAULT_QUEUE), body_of(record["body"], encoding)
            return await self._adapter.handle_job(body, count=count, remaining=remaining, queue=queue)
        except Exception as error:  # one message that fails must not bring back the others of its batch
            Journal().tell(MESSAGE_FAILED, error, deliveries=count)
            return False

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        try:
            loop = self._opened()
        except BaseException:
            work.close()
            raise
        return asyncio.run_coroutine_threadsafe(work, loop).result()

    def _opened(self) -> asyncio.AbstractEventLoop:
        """The loop, with the adapter open in it; a first try that failed is made again by the next invocation."""
        with self._lock:
            if self._loop is None:
                loop = asyncio.new_event_loop()
                self._thread = threading.Thread(target=loop.run_forever, name="flowcraft-lambda", daemon=True)
                self._thread.start()
                try:
                    asyncio.run_coroutine_threadsafe(self._open(), loop).result()
                except BaseException:
                    self._end(loop)
                    raise
                self._loop = loop
            return self._loop

    def close(self) -> None:
        """Close the adapter and end the loop, if there is one. Lambda never does; tests and other hosts do."""
        with self._lock:
            loop, self._loop = self._loop, None
            if loop is not None:
                asyncio.run_coroutine_threadsafe(self._close(), loop).result()
                self._end(loop)

    def _end(self, loop: asyncio.AbstractEventLoop) -> None:
        loop.call_soon_threadsafe(loop.stop)
        if self._thread is not None:
            self._thread.join()
        loop.close()

    async def _open(self) -> None:
        await self._adapter.__aenter__()

    async def _close(self) -> None:
        await self._adapter.__aexit__(None, None, None)
