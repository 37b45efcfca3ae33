"""Handlers for Azure Functions, in the v2 programming model: the host receives, and these do what a job asks for.

::

    import azure.functions as func
    from flowcraft_azure.functions import FunctionHandlers

    app, handlers = func.FunctionApp(), FunctionHandlers(make_adapter)


    @app.queue_trigger(arg_name="message", queue_name="flowcraft-jobs", connection="AzureWebJobsStorage")
    async def work(message: func.QueueMessage) -> None:
        await handlers.work(message)
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Protocol
from urllib.parse import urlsplit

from flowcraft_core.durable import Answered, Asked
from flowcraft_core.errors import FlowcraftError
from flowcraft_core.queues import DEFAULT_QUEUE

from .adapter import AzureQueueAdapter
from .queue import decode_text

#: More than any limit on deliveries: what was moved to the poison queue has killed its host that often.
_POISONED = 1_000_000


class QueueMessage(Protocol):
    """What the handlers need of ``azure.functions.QueueMessage``."""

    @property
    def id(self) -> str | None:
        """The message's id."""

    @property
    def dequeue_count(self) -> int | None:
        """How often it has been delivered, this time included."""

    def get_body(self) -> bytes | str:
        """What it says."""


class TimerRequest(Protocol):
    """What the handlers need of ``azure.functions.TimerRequest``."""

    @property
    def past_due(self) -> bool:
        """Whether the host calls later than it was meant to."""


class HttpRequest(Protocol):
    """What the handlers need of ``azure.functions.HttpRequest``."""

    @property
    def method(self) -> str:
        """The HTTP method."""

    @property
    def url(self) -> str:
        """The whole URL."""

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers."""

    def get_body(self) -> bytes:
        """What was sent."""


class DeliverAgainError(FlowcraftError):
    """Tells the host that a message is not done with: it becomes visible again after the visibility timeout."""


class FunctionHandlers:
    """What the functions of an app call. They share an adapter, which is opened at the first call."""

    def __init__(
        self, make_adapter: Callable[[], AzureQueueAdapter], *, function_timeout: float | None = 300.0
    ) -> None:
        """Open nothing yet.

        Args:
            make_adapter: Makes the adapter.
            function_timeout: ``functionTimeout`` of ``host.json``, seconds; None if the plan has no limit. A job that
                does not fit in is passed on to a later call.
        """
        self._make_adapter = make_adapter
        self._function_timeout = function_timeout
        self._adapter: AzureQueueAdapter | None = None
        self._opening = asyncio.Lock()

    async def work(self, message: QueueMessage, *, queue: str = DEFAULT_QUEUE) -> None:
        """Do what a message asks for; for a queue trigger.

        Args:
            message: The message.
            queue: The name that flows call the trigger's queue by.

        Raises:
            DeliverAgainError: It is to be delivered again.
        """
        begun = asyncio.get_running_loop().time()
        limit = self._function_timeout

        def remaining() -> float:
            assert limit is not None
            return limit - (asyncio.get_running_loop().time() - begun)

        count = message.dequeue_count or 1
        adapter = await self.adapter()
        done = await adapter.handle_job(
            _text(message), count=count, remaining=None if limit is None else remaining, queue=queue
        )
        if not done:
            raise DeliverAgainError(f"message {message.id} was delivered {count} times and is to come again")

    async def work_on_poison(self, message: QueueMessage, *, queue: str = DEFAULT_QUEUE) -> None:
        """Do what a message of the poison queue asks for; for a queue trigger on ``<queue>-poison``.

        The host moves messages there that its functions failed on too often, or that killed it. It is a last try: a
        step that nobody ever came back from is failed by name, and not run again.

        Args:
            message: The message.
            queue: The name that flows call the queue by that it was in first.

        Raises:
            DeliverAgainError: It is to be delivered again.
        """
        adapter = await self.adapter()
        if not await adapter.handle_job(_text(message), count=_POISONED, queue=queue):
            raise DeliverAgainError(f"poison message {message.id} is to come again")

    async def reconcile(self, timer: TimerRequest) -> None:
        """Look at every run that is due; for a timer trigger, once a minute."""
        adapter = await self.adapter()
        await adapter.reconcile()

    async def webhook(self, request: HttpRequest) -> Answered:
        """Follow a link that ``ctx.webhook_url`` gave; for an HTTP trigger that asks for no key: the link is it.

        ::

            @app.route("hooks/{ticket}", methods=["GET", "POST"], auth_level=func.AuthLevel.ANONYMOUS)
            async def hooks(request: func.HttpRequest) -> func.HttpResponse:
                answer = await handlers.webhook(request)
                return func.HttpResponse(answer.body, status_code=answer.status, headers=answer.headers)
        """
        asked = Asked(
            method=request.method.upper(),
            path=urlsplit(request.url).path,
            headers={name.lower(): value for name, value in request.headers.items()},
            body=request.get_body(),
        )
        return await (await self.adapter()).answering.answer(asked)

    async def adapter(self) -> AzureQueueAdapter:
        """The adapter, open in this event loop; for functions that start runs, with ``adapter.client``."""
        async with self._opening:
            if self._adapter is None:
                adapter = self._make_adapter()
                await adapter.__aenter__()
                self._adapter = adapter
        return self._adapter

    async def close(self) -> None:
        """Close the adapter; hosts do not ask for it, tests do."""
        adapter, self._adapter = self._adapter, None
        if adapter is not None:
            await adapter.__aexit__(None, None, None)


def _text(message: QueueMessage) -> str:
    """What a message says: the host has undone base64, unless ``messageEncoding`` is ``none``.

    Bytes that are no text are no job either: what is written for them becomes a dead letter, that people see.
    """
    body = message.get_body()
    return decode_text(body if isinstance(body, str) else body.decode("utf-8", "backslashreplace"))
