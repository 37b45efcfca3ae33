import asyncio
import base64
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import pytest
from azure.core.exceptions import ResourceExistsError, ServiceRequestError
from azure.storage.queue import TextBase64EncodePolicy
from azure.storage.queue.aio import QueueClient
from flowcraft_azure import AzureJobQueue, _queue_errors, provision
from flowcraft_azure.queue import decode_text
from flowcraft_core.errors import BackendError, ConfigurationError, TransientError
from flowcraft_core.ports import Delivery, Message

from .fakes import FakeClock, FakeMessage, FakeQueueClient, http_error, lost_message


async def opened(client: Any, clock: FakeClock | None = None, **options: Any) -> AzureJobQueue:
    queue = AzureJobQueue(client, clock=clock, **options)
    await queue.open()
    return queue


def pauses(looks: Sequence[float]) -> list[float]:
    return [round(after - before, 3) for before, after in pairwise(looks)]


async def test_an_idle_queue_is_looked_at_once_a_second_after_a_short_ramp() -> None:
    clock = FakeClock()
    client = FakeQueueClient(clock)
    queue = await opened(client, clock)
    for _ in range(3):
        assert await queue.receive(max_messages=10, wait=10, visibility=30) == []
    assert pauses(client.looks)[:6] == [0.05, 0.1, 0.2, 0.4, 0.8, 1.0]
    # At the end of each wait there is a look as well, and the next one comes no sooner for it.
    assert len(client.looks) <= 30 + 6
    late = [look for look in client.looks if look >= 1_002.0]
    assert len(late) <= 28 + 3


async def test_looks_come_close_again_once_something_was_found() -> None:
    clock = FakeClock()
    client = FakeQueueClient(clock)
    queue = await opened(client, clock)
    await queue.receive(max_messages=1, wait=20, visibility=30)
    client.visible = [FakeMessage(f"{place}") for place in range(40)]
    before = clock.now()
    assert len(await queue.receive(max_messages=40, wait=10, visibility=30)) == 32
    assert len(await queue.receive(max_messages=40, wait=10, visibility=30)) == 8
    assert clock.now() - before <= 1.0
    before = clock.now()
    await queue.receive(max_messages=1, wait=0.5, visibility=30)
    assert len([look for look in client.looks if look >= before]) >= 4


async def test_a_busy_worker_asks_for_a_few_messages_at_a_time_and_not_for_each() -> None:
    clock = FakeClock()
    client = FakeQueueClient(clock)
    client.visible = [FakeMessage(f"{place}") for place in range(60)]
    queue = await opened(client, clock)
    for room in (20, 1, 3, 16, 2):  # a large room is filled at once
        assert len(await queue.receive(max_messages=room, wait=10, visibility=30)) == room
    assert pauses(client.looks) == [0.05, 0.05, 0.0, 0.05]
    assert len(await queue.receive(max_messages=1, wait=0, visibility=30)) == 1  # who does not wait, does not wait
    assert pauses(client.looks)[-1] == 0.0


async def test_a_look_is_one_request_whatever_it_brings() -> None:
    clock = FakeClock()
    client = FakeQueueClient(clock)
    client.visible = [FakeMessage("one")]
    queue = await opened(client, clock)
    assert len(await queue.receive(max_messages=20, wait=0, visibility=30)) == 1
    assert len(client.looks) == 1


async def test_what_this_client_sends_wakes_its_receiver() -> None:
    class SlowClock(FakeClock):
        async def sleep(self, seconds: float) -> None:
            await asyncio.Event().wait()

    clock = SlowClock()
    client = FakeQueueClient(clock)
    queue = await opened(client, clock)
    receiving = asyncio.ensure_future(queue.receive(max_messages=1, wait=10, visibility=30))
    for _ in range(5):
        await asyncio.sleep(0)
    client.visible = [FakeMessage("job")]
    await queue.send([Message("job")])
    assert [delivery.body for delivery in await asyncio.wait_for(receiving, 5)] == ["job"]


async def test_messages_are_base64_and_do_not_expire() -> None:
    client = FakeQueueClient()
    queue = await opened(client)
    await queue.send([Message("😀 {}")], delay=1.2)
    assert client.sent == [
        {"content": base64.b64encode("😀 {}".encode()).decode(), "visibility_timeout": 2, "time_to_live": -1}
    ]
    longest = base64.b64encode(b"x" * queue.limits.max_body_bytes)
    assert len(longest) <= 64 * 1024


@pytest.mark.parametrize("text", ['{"runId": "a"}', "plain", "", "é", "a=b", '"abcd"'])
def test_text_is_read_plain_and_as_base64(text: str) -> None:
    assert decode_text(text) == text
    assert decode_text(base64.b64encode(text.encode()).decode()) == text


async def test_each_extension_uses_the_receipt_of_the_one_before() -> None:
    client = FakeQueueClient()
    client.visible = [FakeMessage("job", pop_receipt="receipt 0")]
    queue = await opened(client)
    held: Delivery | None
    (held,) = await queue.receive(max_messages=1, wait=0, visibility=30)
    receipts = []
    for _ in range(3):
        assert held is not None
        receipts.append(held.handle.receipt)
        (held,) = await queue.extend([held], 2.5)
    assert receipts == ["receipt 0", "receipt 1", "receipt 2"]
    assert client.asked == [3, 3, 3]


async def test_a_lost_delivery_is_none_and_is_acknowledged_without_harm() -> None:
    client = FakeQueueClient()
    client.visible = [FakeMessage("job")]
    queue = await opened(client)
    (delivery,) = await queue.receive(max_messages=1, wait=0, visibility=30)
    client.errors = [lost_message()]
    assert await queue.extend([delivery], 30) == [None]
    client.errors = [http_error(400, "PopReceiptMismatch")]
    await queue.acknowledge([delivery])


async def test_what_is_acknowledged_while_it_is_extended_is_removed_by_the_new_receipt() -> None:
    """Or the message would come back, though its job is done."""

    class SlowClient(FakeQueueClient):
        def __init__(self) -> None:
            super().__init__()
            self.may_answer = asyncio.Event()
            self.deleted: list[str] = []

        async def update_message(self, message_id: str, receipt: str, **options: Any) -> FakeMessage:
            await self.may_answer.wait()
            return await super().update_message(message_id, receipt, **options)

        async def delete_message(self, message_id: str, receipt: str, **options: Any) -> None:
            self.deleted.append(receipt)

    client = SlowClient()
    client.visible = [FakeMessage("job")]
    queue = await opened(client)
    (delivery,) = await queue.receive(max_messages=1, wait=0, visibility=30)
    extending = asyncio.ensure_future(queue.extend([delivery], 30))
    acknowledging = asyncio.ensure_future(queue.acknowledge([delivery]))
    for _ in range(5):
        await asyncio.sleep(0)
    assert client.deleted == []
    client.may_answer.set()
    await asyncio.gather(extending, acknowledging)
    assert client.deleted == ["receipt 1"]


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
async def test_what_may_succeed_the_next_time_is_transient(status: int) -> None:
    client = FakeQueueClient()
    queue = await opened(client)
    client.errors = [http_error(status)]
    with pytest.raises(TransientError, match=rf"queue 'jobs': status {status}") as raised:
        await queue.send([Message("job")])
    assert raised.value.__cause__ is not None
    client.errors = [ServiceRequestError("reset")]
    with pytest.raises(TransientError, match="no answer"):
        await queue.receive(max_messages=1, wait=0, visibility=30)


@pytest.mark.parametrize(
    ("error", "remedy"),
    [
        (http_error(401), "key or token"),
        (http_error(403), "Storage Queue Data Contributor"),
        (http_error(404), "provision"),
        (http_error(413), "64 KB"),
        (http_error(400, "InvalidResourceName"), "3 to 63 lower-case"),
    ],
    ids=str,
)
async def test_what_is_refused_says_what_to_do(error: Exception, remedy: str) -> None:
    client = FakeQueueClient()
    client.errors = [error]
    with pytest.raises(BackendError, match=remedy) as raised:
        await opened(client)
    assert not isinstance(raised.value, TransientError)
    assert not client.is_open


async def test_a_call_that_takes_too_long_is_given_up_whatever_time_outs_its_client_has(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class HangingClient(FakeQueueClient):
        async def send_message(self, content: str, **options: Any) -> None:
            await asyncio.Event().wait()

    monkeypatch.setattr(_queue_errors, "LONGEST_CALL", 0.01)
    with pytest.raises(TransientError, match=r"queue 'jobs': no answer within 0.01 s"):
        await (await opened(HangingClient())).send([Message("job")])


async def test_no_call_is_made_again_by_the_sdk_which_would_wait_for_long() -> None:
    client = FakeQueueClient()
    client.visible = [FakeMessage("job")]
    queue = await opened(client)
    await queue.send([Message("job")])
    deliveries = await queue.receive(max_messages=1, wait=0, visibility=30)
    await queue.extend(deliveries, 30)
    await queue.acknowledge(deliveries)
    assert [options["retry_total"] for options in client.options] == [0] * 5


async def test_a_queue_that_is_being_deleted_is_not_taken_for_one_that_exists() -> None:
    class Going(FakeQueueClient):
        async def create_queue(self, **options: Any) -> None:
            raise http_error(409, "QueueBeingDeleted", ResourceExistsError)

    with pytest.raises(TransientError, match="being deleted"):
        await provision(
            queue_client=Going,  # type: ignore[arg-type]
            cosmos_client=lambda: pytest.fail("nothing else is made"),
            cosmos_database_name="db",
        )


async def test_all_are_sent_though_one_fails_and_the_failure_is_raised() -> None:
    client = FakeQueueClient()
    queue = await opened(client)
    client.errors = [http_error(503)]
    with pytest.raises(TransientError):
        await queue.send([Message(f"{place}") for place in range(40)])
    assert len(client.sent) == 39


async def test_a_client_that_encodes_by_itself_is_refused_by_name() -> None:
    client = QueueClient(
        "https://a.queue.core.windows.net", "jobs", credential="a2V5", message_encode_policy=TextBase64EncodePolicy()
    )
    with pytest.raises(ConfigurationError, match="'jobs' encodes messages by TextBase64EncodePolicy"):
        await opened(client)


async def test_ports_that_are_not_open_say_so() -> None:
    queue = AzureJobQueue(FakeQueueClient)  # type: ignore[arg-type]
    with pytest.raises(BackendError, match="queue_client is not open"):
        await queue.send([Message("job")])
