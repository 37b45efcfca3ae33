"""Jobs on a storage queue, which has no long polling, no batches and no dead letters of its own."""

from __future__ import annotations

import asyncio
import base64
import binascii
import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import attrs
from azure.core.exceptions import HttpResponseError
from azure.storage.queue import QueueMessage
from azure.storage.queue.aio import QueueClient
from flowcraft_core.clock import Clock, SystemClock
from flowcraft_core.errors import ConfigurationError
from flowcraft_core.ports import Delivery, Message, QueueDepth, QueueLimits
from flowcraft_core.receiving import Receives
from flowcraft_core.texts import require_text

from ._calls import at_once
from ._clients import ClientKind, Connection
from ._queue_errors import is_lost, translated
from .metrics import Metrics

_WEEK = 7 * 86_400.0

# Pauses between two looks at a queue that was found empty, seconds. They double, so that an idle worker is down to one
# look per longest pause after a second, and begin anew as soon as something is found or sent.
_FIRST_PAUSE = 0.05

# A worker that is busy has a place free every few milliseconds, and would ask for a message at a time. So whoever asks
# for fewer than so many, so soon after something was found, waits a moment: more places are free by then.
_FEW = 16
_GATHERING = 0.05

#: The engine makes failed calls again, after moments; the SDK would wait for 18 seconds first, even for a token.
ONCE: Mapping[str, Any] = {"retry_total": 0}


@attrs.define(eq=False)
class _Hold:
    """What it takes to change a received message: its newest receipt, since each change gives another one.

    A worker may acknowledge a delivery while its heartbeat extends it. So there is one change at a time, and the second
    knows the receipt that the first was given.
    """

    message_id: str
    receipt: str
    busy: asyncio.Lock = attrs.field(factory=asyncio.Lock)


class AzureJobQueue:
    """A ``flowcraft_core.ports.JobQueue`` on a storage queue.

    Bodies are sent as base64, as the Functions host expects them, and read as base64 or as they are. Messages do not
    expire. Extending keeps the new pop receipt.
    """

    limits = QueueLimits(max_send=1, max_receive=32, max_body_bytes=48_000, max_delay=_WEEK, max_visibility=_WEEK)

    def __init__(
        self,
        queue_client: QueueClient | Callable[[], QueueClient] | Connection[QueueClient],
        *,
        longest_pause: float = 1.0,
        clock: Clock | None = None,
        metrics: Metrics | None = None,
    ) -> None:
        """Open nothing yet.

        Args:
            queue_client: A client of the queue, or a function that makes one; its messages must not be encoded.
            longest_pause: Seconds between two looks at a queue that stays empty; each look is billed.
            clock: What pauses go by; by default the machine's clock.
            metrics: What counts the requests; new ones by default.
        """
        self.name = "of storage"  # for logs; its own is the client's to say, once there is one
        self._connection = queue_connection(queue_client)
        self._clock = clock or SystemClock()
        self._metrics = metrics or Metrics()
        self._options: Mapping[str, Any] = {**ONCE, **self._metrics.watching}
        self._longest_pause = longest_pause
        self._pause = _FIRST_PAUSE
        self._next_look = 0.0  # when the queue is worth a look again
        self._next_small_look = 0.0  # when it is for a few messages
        self._sent = asyncio.Event()  # by this client, since the last look
        self._receives = Receives()

    async def open(self) -> None:
        """Open the client, and see whether the queue exists.

        Raises:
            BackendError: It does not, or may not be read.
            ConfigurationError: The client encodes messages by itself.
        """
        await self._connection.open()
        try:
            client = self._connection.client
            self.name = str(client.queue_name)
            policy = type(getattr(client, "_message_encode_policy", None)).__name__
            if policy not in ("NoEncodePolicy", "NoneType"):
                raise ConfigurationError(
                    f"the client of queue {client.queue_name!r} encodes messages by {policy}, and so does "
                    "flowcraft-azure: make it without a message_encode_policy"
                )
            async with translated(client.queue_name):
                await client.get_queue_properties(**ONCE)
        except BaseException:
            await self._connection.close()
            raise

    async def close(self) -> None:
        """Give back what receives have brought that nobody waits for any more, and let go of the client."""
        await self._receives.end()
        await self._connection.close()

    async def send(self, messages: Sequence[Message], *, delay: float = 0.0) -> None:
        """Store messages for delivery, each after at least ``delay`` seconds."""
        most = self.limits.max_body_bytes
        _require(0 <= delay <= self.limits.max_delay, f"delay={delay}", f"0 to {self.limits.max_delay:.0f} seconds")
        for message in messages:
            require_text([message.body, message.group])
            size = len(message.body.encode())
            _require(size <= most, f"a body of {size} bytes", f"{most} at most")
        client = self._connection.client

        async def put(message: Message) -> None:
            text = base64.b64encode(message.body.encode()).decode()
            options = {**self._options, **self._metrics.watching_for(message.group)}
            async with translated(client.queue_name):
                await client.send_message(text, visibility_timeout=math.ceil(delay), time_to_live=-1, **options)

        await at_once(put, messages)
        if messages and not delay:
            self._pause = _FIRST_PAUSE
            self._sent.set()

    async def receive(self, *, max_messages: int, wait: float, visibility: float) -> Sequence[Delivery]:
        """Take up to ``max_messages`` messages and hide them from every receiver for ``visibility`` seconds."""
        _require(max_messages >= 1, f"max_messages={max_messages}", "1 or more")
        self._require_visibility(visibility)
        deadline = self._clock.now() + wait
        while True:
            if wait:
                await self._until_worth_a_look(deadline, max_messages)
            self._sent.clear()
            taking = self._take(min(max_messages, self.limits.max_receive), visibility)
            deliveries = await self._receives.take(taking, self.release)
            now = self._clock.now()
            if deliveries:
                self._pause, self._next_look, self._next_small_look = _FIRST_PAUSE, now, now + _GATHERING
                return deliveries
            self._metrics.note_empty_receive()
            self._next_look = now + self._pause
            self._pause = min(self._pause * 2, self._longest_pause)
            if now >= deadline:
                return []

    async def _take(self, most: int, visibility: float) -> list[Delivery]:
        client = self._connection.client
        async with translated(client.queue_name):
            pages = client.receive_messages(
                messages_per_page=most, visibility_timeout=math.ceil(visibility), **self._options
            ).by_page()
            async for page in pages:  # each page is a request, and the first has all that was asked for
                return [_delivery(message) async for message in page]
        return []

    async def extend(self, deliveries: Sequence[Delivery], visibility: float) -> Sequence[Delivery | None]:
        """Hide deliveries for ``visibility`` seconds from now on; None for those that are not held any more."""
        self._require_visibility(visibility)
        return await at_once(partial(self._hide, math.ceil(visibility)), deliveries)

    async def acknowledge(self, deliveries: Sequence[Delivery]) -> None:
        """Remove messages for good, unless somebody else has received them since."""
        client = self._connection.client

        async def remove(delivery: Delivery) -> None:
            hold: _Hold = delivery.handle
            async with hold.busy:
                await _unless_lost(
                    client.queue_name,
                    lambda: client.delete_message(hold.message_id, hold.receipt, **self._options),
                )

        await at_once(remove, deliveries)

    async def depth(self) -> QueueDepth:
        """How many messages there are in all, as ``visible``: the service tells no more of them."""
        client = self._connection.client
        async with translated(client.queue_name):
            properties = await client.get_queue_properties(**ONCE)
        return QueueDepth(visible=properties.approximate_message_count)

    async def release(self, deliveries: Sequence[Delivery]) -> None:
        """Make messages visible again at once; their count stays."""
        await at_once(partial(self._hide, 0), deliveries)

    async def _hide(self, seconds: int, delivery: Delivery) -> Delivery | None:
        client = self._connection.client
        hold: _Hold = delivery.handle
        async with hold.busy:
            # The text is not sent again, and so stays as it is.
            updated = await _unless_lost(
                client.queue_name,
                lambda: client.update_message(
                    hold.message_id, hold.receipt, visibility_timeout=seconds, **self._options
                ),
            )
            if updated is None:
                return None
            hold.receipt = updated.pop_receipt
        return delivery

    async def _until_worth_a_look(self, deadline: float, max_messages: int) -> None:
        next_look = max(self._next_look, self._next_small_look) if max_messages < _FEW else self._next_look
        seconds = min(next_look, deadline) - self._clock.now()
        if seconds <= 0 or self._sent.is_set():
            return
        sleepers = [asyncio.ensure_future(self._clock.sleep(seconds)), asyncio.ensure_future(self._sent.wait())]
        try:
            await asyncio.wait(sleepers, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for sleeper in sleepers:
                sleeper.cancel()

    def _require_visibility(self, visibility: float) -> None:
        most = self.limits.max_visibility
        _require(1 <= visibility <= most, f"visibility={visibility}", f"1 to {most:.0f} seconds")


def queue_connection(
    given: QueueClient | Callable[[], QueueClient] | Connection[QueueClient],
) -> Connection[QueueClient]:
    """A connection to a queue."""
    if isinstance(given, Connection):
        return given
    return Connection(
        "queue_client",
        given,
        open_client=lambda client: client.__aenter__(),
        close_client=lambda client: client.close(),
        kind=ClientKind("azure.storage.queue.aio", ("__aenter__", "receive_messages")),
    )


def decode_text(text: str) -> str:
    """What a message says that may be base64, as the engine and Functions send it, or plain, as people do."""
    try:
        return base64.b64decode(text, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError, ValueError):
        return text


async def _unless_lost(queue_name: str, call: Callable[[], Any]) -> Any:
    """The answer to a call on a delivery; None if the delivery is not held any more."""
    async with translated(queue_name):
        try:
            return await call()
        except HttpResponseError as error:
            if is_lost(error):
                return None
            raise


def _delivery(message: QueueMessage) -> Delivery:
    return Delivery(
        decode_text(message.content), message.dequeue_count or 1, _Hold(message.id, message.pop_receipt or "")
    )


def _require(fits: bool, given: str, range_: str) -> None:
    if not fits:
        raise ValueError(f"{given} is out of range: AzureJobQueue takes {range_}")
