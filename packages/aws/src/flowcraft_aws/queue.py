"""Messages on a standard SQS queue."""

from __future__ import annotations

import asyncio
import json
import math
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import attrs
from flowcraft_core.errors import BackendError, ConfigurationError, TransientError
from flowcraft_core.ports import Delivery, Message, QueueDepth, QueueLimits
from flowcraft_core.receiving import Receives
from flowcraft_core.texts import require_text

from ._answers import UnreadableAnswerError, guard
from ._calls import Calls
from ._errors import advised
from ._names import group_name

if TYPE_CHECKING:
    from mypy_boto3_sqs.client import SQSClient
    from mypy_boto3_sqs.literals import QueueAttributeNameType

_BATCH = 10
#: Queues take 1 MiB by now, but not in every region, and not every tool that moves messages does.
_MAX_BYTES = 256 * 1024
_LONGEST_POLL = 20
#: A client waits so much longer for the answer than the service for a message, seconds.
_ANSWERS_WITHIN = 5
_LONGEST_VISIBILITY = 12 * 3_600
#: What an answer may have been on its way, seconds: SQS counts from the moment in which it handed the message out.
_ON_THE_WAY = 5

#: Text that SQS refuses, or none. Such a message travels as a JSON string in ASCII, and an attribute says so.
_REFUSED_TEXT = re.compile("^$|[\0-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
ENCODING = "flowcraft-encoding"
_ENCODED: Any = {ENCODING: {"StringValue": "json", "DataType": "String"}}


#: Parts of the codes with which SQS says that a receipt is of no use any more.
_LOST_RECEIPT = ("ReceiptHandleIsInvalid", "InvalidParameterValue", "MessageNotInflight")


@attrs.define
class Held:
    """A delivery's handle.

    Attributes:
        receipt: SQS's own.
        received: When it was received, on the monotonic clock.
        until: When its visibility ends, on the monotonic clock.
    """

    receipt: str
    received: float
    until: float


class SqsJobQueue:
    """A ``flowcraft_core.ports.JobQueue`` on SQS.

    A receipt that is not the newest of its message may or may not work in SQS. So a delivery whose time has run out, or
    that was released, is left alone: it is neither acknowledged nor released again, and comes again.
    """

    limits = QueueLimits(
        max_send=_BATCH,
        max_receive=_BATCH,
        max_body_bytes=_MAX_BYTES,
        max_delay=900.0,
        max_visibility=float(_LONGEST_VISIBILITY),
    )

    def __init__(self, client: SQSClient, url: str, calls: Calls, *, fair: bool = True) -> None:
        """Use a queue, which need not exist yet.

        Args:
            client: Makes the requests.
            url: The queue's URL; or its name, which ``check`` looks up.
            calls: Where the requests are made.
            fair: Whether a message's group is given to SQS, which then serves no run before others.

        Raises:
            ConfigurationError: The URL is missing, or that of a FIFO queue.
        """
        if not url:
            raise ConfigurationError(
                "queue_url is missing: give the URL of a standard queue, as provision() returns it"
            )
        if url.endswith(".fifo"):
            raise ConfigurationError(
                f"queue {url!r} is a FIFO queue, which holds a whole run up behind one message of it, and drops equal"
                " messages: use a standard queue"
            )
        guard(client)
        self._client = client
        self._url = url
        self.name = url.rsplit("/", 1)[-1]  # for logs; what is before it names the account
        self._calls = calls
        self._fair = fair
        self._receives = Receives()
        self._let_go: dict[str, float] = {}  # receipts that were released, and until when they would have held
        self._place = f"SQS queue {url!r} in {client.meta.region_name}"
        # A client that gives an answer up too soon loses the messages in it for as long as they are hidden.
        config: Any = client.meta.config
        patience = config.read_timeout or math.inf
        self._longest_poll = math.floor(max(1, min(_LONGEST_POLL, patience - _ANSWERS_WITHIN)))

    # --- sending --------------------------------------------------------------------------------------------------

    async def send(self, messages: Sequence[Message], *, delay: float = 0.0) -> None:
        """Store messages for delivery, each after at least ``delay`` seconds."""
        if not 0 <= delay <= self.limits.max_delay:
            raise ValueError(f"delay={delay} is out of range: SqsJobQueue takes 0 to {self.limits.max_delay:.0f}")
        entries = [self._entry(message, delay) for message in messages]
        groups = {message.group for message in messages}
        run_id = next(iter(groups)) if len(groups) == 1 else ""
        batches = list(_batches(entries))
        await asyncio.gather(*(self._send_batch(batch, run_id) for batch in batches))

    def _entry(self, message: Message, delay: float) -> dict[str, Any]:
        require_text([message.body, message.group])
        entry: dict[str, Any] = {"MessageBody": message.body, "DelaySeconds": math.ceil(delay)}
        if _REFUSED_TEXT.search(message.body):
            entry |= {"MessageBody": json.dumps(message.body), "MessageAttributes": _ENCODED}
        size = _size(entry)
        if size > _MAX_BYTES:
            raise ValueError(f"a message of {size} bytes is too long: SqsJobQueue takes {_MAX_BYTES} at most")
        if self._fair and message.group:
            entry["MessageGroupId"] = group_name(message.group)
        return entry

    async def _send_batch(self, entries: Sequence[dict[str, Any]], run_id: str) -> None:
        await self._in_batch(self._client.send_message_batch, "send", entries, run_id=run_id, receipts=False)

    # --- receiving ------------------------------------------------------------------------------------------------

    async def receive(self, *, max_messages: int, wait: float, visibility: float) -> Sequence[Delivery]:
        """Take up to ``max_messages`` messages and hide them from every receiver for ``visibility`` seconds."""
        if max_messages < 1:
            raise ValueError(f"max_messages={max_messages} is out of range: SqsJobQueue takes 1 or more")
        self._require_visibility(visibility)
        end = time.monotonic() + wait
        while True:
            begun = time.monotonic()
            poll = min(self._longest_poll, max(0, math.ceil(end - begun)))
            taken = await self._take(min(max_messages, _BATCH), poll, visibility)
            now = time.monotonic()
            if taken or now >= end:
                return taken
            # A server that does not wait must not be asked without a pause.
            await asyncio.sleep(max(0.0, min(end, begun + poll) - now))
            if time.monotonic() >= end:
                return taken

    async def _take(self, most: int, poll: int, visibility: float) -> Sequence[Delivery]:
        def take() -> list[Delivery]:
            answer = self._client.receive_message(
                QueueUrl=self._url,
                MaxNumberOfMessages=most,
                WaitTimeSeconds=poll,
                VisibilityTimeout=math.ceil(visibility),
                MessageSystemAttributeNames=["ApproximateReceiveCount"],
                MessageAttributeNames=[ENCODING],
            )
            received = time.monotonic()
            return [delivery_of(message, received, visibility) for message in answer.get("Messages", [])]

        return await self._receives.take(self._calls.make(take, self._place), self.release)

    async def end_receives(self) -> None:
        """Wait for receives that were given up: what SQS hands to a program that has gone is hidden for a while.

        It takes as long as the long poll that is under way, and little longer.
        """
        await self._receives.end(within=self._longest_poll + _ANSWERS_WITHIN)

    # --- holding --------------------------------------------------------------------------------------------------

    async def extend(self, deliveries: Sequence[Delivery], visibility: float) -> Sequence[Delivery | None]:
        """Hide deliveries for ``visibility`` seconds from now on; None for those that are not held any more."""
        self._require_visibility(visibility)
        now = time.monotonic()
        answer: list[Delivery | None] = [None] * len(deliveries)
        entries: dict[int, dict[str, Any]] = {}
        for place, delivery in enumerate(deliveries):
            held: Held = delivery.handle
            # SQS counts the longest time from the receipt on, and refuses what is beyond it.
            seconds = min(math.ceil(visibility), math.floor(held.received + _LONGEST_VISIBILITY - _ON_THE_WAY - now))
            if held.until > now and seconds > 0:
                entries[place] = {"ReceiptHandle": held.receipt, "VisibilityTimeout": seconds}
        lost = await self._in_batches(
            self._client.change_message_visibility_batch, "extend", list(entries.values()), urgent=True
        )
        for number, (place, entry) in enumerate(entries.items()):
            if number not in lost:
                delivery = deliveries[place]
                until = now + entry["VisibilityTimeout"]
                answer[place] = attrs.evolve(delivery, handle=attrs.evolve(delivery.handle, until=until))
        return answer

    async def acknowledge(self, deliveries: Sequence[Delivery]) -> None:
        """Remove messages for good, but for those whose time has run out."""
        await self._in_batches(
            self._client.delete_message_batch,
            "acknowledge",
            [{"ReceiptHandle": receipt} for receipt in self._live_receipts(deliveries)],
        )

    async def release(self, deliveries: Sequence[Delivery]) -> None:
        """Make messages visible again at once; the time for which they were held is counted as a delivery."""
        live = self._live_receipts(deliveries)
        now = time.monotonic()
        # Whoever has received a message since is not to lose it by the receipt that let it go.
        self._let_go = {receipt: until for receipt, until in self._let_go.items() if until > now} | live
        try:
            await self._in_batches(
                self._client.change_message_visibility_batch,
                "release",
                [{"ReceiptHandle": receipt, "VisibilityTimeout": 0} for receipt in live],
            )
        except BaseException:  # it may be made again
            for receipt in live:
                self._let_go.pop(receipt, None)
            raise

    def _live_receipts(self, deliveries: Sequence[Delivery]) -> dict[str, float]:
        """The receipts of deliveries that are held as far as this client knows, and until when."""
        now = time.monotonic()
        held = ((each.handle.receipt, each.handle.until) for each in deliveries)
        return {receipt: until for receipt, until in held if until > now and receipt not in self._let_go}

    async def depth(self) -> QueueDepth:
        """How many messages there are, as SQS estimates it; see ``flowcraft_core.ports.Measured``."""
        kinds: tuple[QueueAttributeNameType, ...] = (
            "ApproximateNumberOfMessages",
            "ApproximateNumberOfMessagesNotVisible",
            "ApproximateNumberOfMessagesDelayed",
        )
        answer = await self._calls.make(
            lambda: self._client.get_queue_attributes(QueueUrl=self._url, AttributeNames=kinds), self._place
        )
        counted = answer.get("Attributes", {})
        visible, in_flight, delayed = (
            int(number) if (number := counted.get(kind, "")).isdigit() else None for kind in kinds
        )
        return QueueDepth(visible=visible, in_flight=in_flight, delayed=delayed)

    # --- inside ---------------------------------------------------------------------------------------------------

    async def check(self) -> None:
        """Find out whether the queue can be used; where only its name is known, its URL.

        Raises:
            BackendError: It does not exist, or may not be used.
        """

        def ask() -> Mapping[str, Any]:
            if "://" not in self._url:
                self._url = self._client.get_queue_url(QueueName=self._url)["QueueUrl"]
            return self._client.get_queue_attributes(QueueUrl=self._url, AttributeNames=["All"])

        answer = await self._calls.make(ask, self._place)
        if answer.get("Attributes", {}).get("FifoQueue") == "true":
            raise ConfigurationError(f"{self._place} is a FIFO queue: use a standard queue")

    async def _in_batches(
        self, operation: Callable[..., Any], what: str, entries: Sequence[dict[str, Any]], *, urgent: bool = False
    ) -> set[int]:
        """Carry out an operation on receipts; the places of those whose receipts are not valid any more."""
        starts = range(0, len(entries), _BATCH)
        lost = await asyncio.gather(
            *(
                self._in_batch(operation, what, entries[start : start + _BATCH], urgent=urgent, receipts=True)
                for start in starts
            )
        )
        return {start + place for start, places in zip(starts, lost, strict=True) for place in places}

    async def _in_batch(
        self,
        operation: Callable[..., Any],
        what: str,
        entries: Sequence[dict[str, Any]],
        *,
        receipts: bool,
        run_id: str = "",
        urgent: bool = False,
    ) -> set[int]:
        numbered = [{"Id": str(place), **entry} for place, entry in enumerate(entries)]

        def carry_out() -> Sequence[Mapping[str, Any]]:
            answer = operation(QueueUrl=self._url, Entries=numbered)
            failed: Sequence[Mapping[str, Any]] = answer.get("Failed", [])
            told = {each["Id"] for each in (*answer.get("Successful", []), *failed)}
            if told != {each["Id"] for each in numbered}:
                raise UnreadableAnswerError(
                    f"an answer tells of {len(told)} messages, and not of these {len(numbered)}"
                )
            return failed

        failed = await self._calls.make(carry_out, self._place, run_id=run_id, urgent=urgent)
        for failure in failed:
            code = str(failure.get("Code"))
            if receipts and any(part in code for part in _LOST_RECEIPT):
                continue
            error = BackendError if failure.get("SenderFault") else TransientError
            said = f"{self._place}: cannot {what} {len(failed)} of {len(entries)} messages: {code}"
            raise error(advised(f"{said} {failure.get('Message', '')}"))
        return {int(failure["Id"]) for failure in failed}

    def _require_visibility(self, visibility: float) -> None:
        if not 1 <= visibility <= self.limits.max_visibility:
            raise ValueError(
                f"visibility={visibility} is out of range: SqsJobQueue takes 1 to {self.limits.max_visibility:.0f}"
            )


def delivery_of(message: Mapping[str, Any], received: float, visibility: float) -> Delivery:
    """A delivery, of a message as SQS hands it out."""
    encoding = message.get("MessageAttributes", {}).get(ENCODING, {}).get("StringValue")
    body = body_of(message["Body"], encoding)
    count = int(message.get("Attributes", {}).get("ApproximateReceiveCount", 1))
    return Delivery(body, count, Held(message["ReceiptHandle"], received, received + visibility))


def body_of(text: str, encoding: str | None) -> str:
    """A message's body, from how it travelled; one that claims to be encoded and is not stands as it is."""
    if encoding != "json":
        return text
    try:
        body = json.loads(text)
    except (ValueError, RecursionError):
        return text
    return body if isinstance(body, str) else text


def _size(entry: Mapping[str, Any]) -> int:
    """What SQS counts of a message: its body and its attributes."""
    size = len(entry["MessageBody"].encode())
    if "MessageAttributes" in entry:
        size += len(ENCODING) + len("json") + len("String")
    return size


def _batches(entries: Sequence[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    """Entries, in requests of at most ten and of at most as many bytes as one message may have."""
    batch: list[dict[str, Any]] = []
    room = _MAX_BYTES
    for entry in entries:
        size = _size(entry)
        if len(batch) == _BATCH or size > room:
            yield batch
            batch, room = [], _MAX_BYTES
        batch.append(entry)
        room -= size
    if batch:
        yield batch
