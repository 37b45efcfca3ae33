import asyncio
import json
import threading
import time
from typing import Any

import attrs
import pytest
from flowcraft_aws import SqsJobQueue
from flowcraft_aws.queue import Held
from flowcraft_core.errors import BackendError, ConfigurationError, TransientError
from flowcraft_core.ports import Delivery, Message

from .helpers import URL, Service, service

HOURS_12 = 43_200.0


def all_well(operation: str, parameters: dict[str, Any]) -> dict[str, Any]:
    entries = parameters.get("Entries", [])
    return {"Successful": [{"Id": entry["Id"]} for entry in entries], "Failed": []}


def queue_of(sqs: Service, **options: Any) -> SqsJobQueue:
    return SqsJobQueue(sqs.client, URL, sqs.calls, **options)


def held(number: int, *, left: float = 60.0, ago: float = 0.0) -> list[Delivery]:
    now = time.monotonic()
    return [Delivery(f"job {place}", 1, Held(f"receipt {place}", now - ago, now + left)) for place in range(number)]


def entries_of(sqs: Service, operation: str) -> list[list[dict[str, Any]]]:
    return [parameters["Entries"] for parameters in sqs.parameters(operation)]


# --- sending ---


async def test_messages_are_sent_ten_at_a_time() -> None:
    sqs = service("sqs", all_well)
    await queue_of(sqs).send([Message(f"job {place}", group="run 1") for place in range(23)], delay=1.2)
    batches = entries_of(sqs, "SendMessageBatch")
    assert sorted(len(batch) for batch in batches) == [3, 10, 10]
    assert {entry["MessageBody"] for batch in batches for entry in batch} == {f"job {place}" for place in range(23)}
    assert {entry["DelaySeconds"] for batch in batches for entry in batch} == {2}  # never sooner than asked


async def test_a_request_has_no_more_bytes_than_a_message_may_have() -> None:
    sqs = service("sqs", all_well)
    await queue_of(sqs).send([Message("x" * 100_000)] * 5)
    assert sorted(len(batch) for batch in entries_of(sqs, "SendMessageBatch")) == [1, 2, 2]


async def test_a_group_is_given_where_it_is_set() -> None:
    sqs = service("sqs", all_well)
    await queue_of(sqs).send([Message("a", group="run-1"), Message("b")])
    ((first, second),) = entries_of(sqs, "SendMessageBatch")
    assert first["MessageGroupId"] == "run-1"
    assert "MessageGroupId" not in second
    await queue_of(sqs, fair=False).send([Message("a", group="run-1")])
    assert "MessageGroupId" not in entries_of(sqs, "SendMessageBatch")[-1][0]


async def test_text_that_sqs_refuses_travels_as_json() -> None:
    bodies = ["a\ufffeb", "\x00", "plain", "", "\n"]
    stored: list[dict[str, Any]] = []

    def answer(operation: str, parameters: dict[str, Any]) -> dict[str, Any]:
        if operation == "SendMessageBatch":
            stored.extend(parameters["Entries"])
            return all_well(operation, parameters)
        messages = [
            {
                "Body": entry["MessageBody"],
                "ReceiptHandle": entry["Id"],
                "Attributes": {"ApproximateReceiveCount": "1"},
                "MessageAttributes": entry.get("MessageAttributes", {}),
            }
            for entry in stored
        ]
        return {"Messages": messages}

    sqs = service("sqs", answer)
    queue = queue_of(sqs)
    await queue.send([Message(body) for body in bodies])
    assert json.loads(stored[0]["MessageBody"]) == bodies[0]
    assert stored[0]["MessageBody"].isascii()
    assert stored[2]["MessageBody"] == "plain"
    received = await queue.receive(max_messages=10, wait=0, visibility=30)
    assert [delivery.body for delivery in received] == bodies


@pytest.mark.parametrize(("by_sender", "expected"), [(True, BackendError), (False, TransientError)])
async def test_a_batch_of_which_a_part_was_refused_is_not_sent(by_sender: bool, expected: type[Exception]) -> None:
    def answer(operation: str, parameters: dict[str, Any]) -> dict[str, Any]:
        failed = {"Id": "0", "SenderFault": by_sender, "Code": "Odd", "Message": "why"}
        return {"Successful": [{"Id": "1"}], "Failed": [failed]}

    with pytest.raises(expected, match="Odd why") as caught:
        await queue_of(service("sqs", answer)).send([Message("a"), Message("b")])
    assert type(caught.value) is expected


async def test_a_queue_that_takes_no_groups_is_told_what_helps() -> None:
    def answer(operation: str, parameters: dict[str, Any]) -> dict[str, Any]:
        why = "The request include parameter MessageGroupId which is not valid for this queue type"
        return {"Failed": [{"Id": "0", "SenderFault": True, "Code": "InvalidParameterValue", "Message": why}]}

    with pytest.raises(BackendError, match=r"not valid for this queue type: .*fair=False"):
        await queue_of(service("sqs", answer)).send([Message("a", group="run-1")])


def test_a_fifo_queue_is_refused_by_name() -> None:
    sqs = service("sqs", all_well)
    with pytest.raises(ConfigurationError, match=r"jobs\.fifo"):
        SqsJobQueue(sqs.client, "https://sqs/1/jobs.fifo", sqs.calls)


# --- receiving ---


async def test_a_long_wait_is_a_few_long_polls() -> None:
    """The service waits, and not the adapter; what answers too soon is not asked without a pause."""
    now = time.monotonic()

    def answer(operation: str, parameters: dict[str, Any]) -> dict[str, Any]:
        return {}

    sqs = service("sqs", answer)
    assert list(await queue_of(sqs).receive(max_messages=99, wait=0.3, visibility=30)) == []
    assert time.monotonic() - now >= 0.3
    assert [asked["WaitTimeSeconds"] for asked in sqs.parameters("ReceiveMessage")] == [1]
    assert sqs.parameters("ReceiveMessage")[0]["MaxNumberOfMessages"] == 10
    assert sqs.metrics.empty_receives == 1


@pytest.mark.parametrize(("patience", "poll"), [(60, 20), (15, 10), (3, 1), (None, 20)])
async def test_no_poll_is_longer_than_its_client_waits_for_an_answer(patience: int | None, poll: int) -> None:
    """An answer that a client does not wait for has messages in it, which nobody sees then for a while."""
    message = {"Body": "job", "ReceiptHandle": "r", "Attributes": {"ApproximateReceiveCount": "1"}}
    sqs = service("sqs", lambda *_: {"Messages": [message]}, read_timeout=patience)
    assert len(await queue_of(sqs).receive(max_messages=1, wait=60, visibility=30)) == 1
    assert [asked["WaitTimeSeconds"] for asked in sqs.parameters("ReceiveMessage")] == [poll]


async def test_what_a_cancelled_receive_brings_is_given_back() -> None:
    asked, go_on, returned = threading.Event(), threading.Event(), threading.Event()

    def answer(operation: str, parameters: dict[str, Any]) -> dict[str, Any]:
        if operation == "ReceiveMessage":
            asked.set()
            go_on.wait(10)
            return {"Messages": [{"Body": "job", "ReceiptHandle": "r", "Attributes": {"ApproximateReceiveCount": "1"}}]}
        returned.set()
        return all_well(operation, parameters)

    sqs = service("sqs", answer)
    queue = queue_of(sqs)
    receiving = asyncio.ensure_future(queue.receive(max_messages=1, wait=20, visibility=30))
    await asyncio.to_thread(asked.wait, 10)
    receiving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await receiving
    ending = asyncio.ensure_future(queue.end_receives())  # as whoever closes the backend does
    for _ in range(5):
        await asyncio.sleep(0)
    assert not ending.done()
    go_on.set()
    await ending
    assert returned.is_set()
    ((entry,),) = entries_of(sqs, "ChangeMessageVisibilityBatch")
    assert (entry["ReceiptHandle"], entry["VisibilityTimeout"]) == ("r", 0)


# --- holding ---


async def test_deliveries_are_extended_ten_at_a_time_and_the_lost_ones_are_none() -> None:
    def answer(operation: str, parameters: dict[str, Any]) -> dict[str, Any]:
        failed = [
            {"Id": entry["Id"], "SenderFault": True, "Code": "ReceiptHandleIsInvalid"}
            for entry in parameters["Entries"]
            if entry["ReceiptHandle"] in ("receipt 3", "receipt 11")
        ]
        lost = {each["Id"] for each in failed}
        kept = [{"Id": entry["Id"]} for entry in parameters["Entries"] if entry["Id"] not in lost]
        return {"Successful": kept, "Failed": failed}

    sqs = service("sqs", answer)
    deliveries = held(13)
    extended = await queue_of(sqs).extend(deliveries, 90)
    assert [place for place, delivery in enumerate(extended) if delivery is None] == [3, 11]
    assert [len(batch) for batch in entries_of(sqs, "ChangeMessageVisibilityBatch")] == [10, 3]
    for before, after in zip(deliveries, extended, strict=True):
        assert after is None or after.handle.until > before.handle.until


async def test_an_extension_beyond_twelve_hours_is_cut() -> None:
    sqs = service("sqs", all_well)
    (extended,) = await queue_of(sqs).extend(held(1, ago=HOURS_12 - 100), HOURS_12)
    assert extended is not None
    ((entry,),) = entries_of(sqs, "ChangeMessageVisibilityBatch")
    assert 80 <= entry["VisibilityTimeout"] <= 100
    (ended,) = await queue_of(sqs).extend(held(1, ago=HOURS_12), HOURS_12)
    assert ended is None


async def test_a_delivery_whose_time_has_run_out_is_left_alone() -> None:
    sqs = service("sqs", all_well)
    queue = queue_of(sqs)
    late, good = held(1, left=-0.001)[0], held(1)[0]
    assert [delivery and delivery.body for delivery in await queue.extend([late, good], 30)] == [None, "job 0"]
    await queue.acknowledge([late, good])
    await queue.release([late])
    assert [len(batch) for batch in entries_of(sqs, "DeleteMessageBatch")] == [1]
    assert len(sqs.parameters("ChangeMessageVisibilityBatch")) == 1


async def test_deliveries_are_acknowledged_ten_at_a_time() -> None:
    sqs = service("sqs", all_well)
    await queue_of(sqs).acknowledge(held(21))
    assert sorted(len(batch) for batch in entries_of(sqs, "DeleteMessageBatch")) == [1, 10, 10]


async def test_an_acknowledgement_that_failed_is_worth_another_try() -> None:
    def answer(operation: str, parameters: dict[str, Any]) -> dict[str, Any]:
        return {"Failed": [{"Id": "0", "SenderFault": False, "Code": "InternalError"}]}

    with pytest.raises(TransientError, match="InternalError"):
        await queue_of(service("sqs", answer)).acknowledge(held(1))


async def test_calls_with_nothing_send_nothing() -> None:
    sqs = service("sqs", all_well)
    queue = queue_of(sqs)
    await queue.send([])
    await queue.acknowledge([])
    await queue.release([])
    assert list(await queue.extend([], 30)) == []
    assert sqs.sent == []


def test_a_handle_changes_with_its_delivery_only() -> None:
    (delivery,) = held(1)
    assert attrs.evolve(delivery.handle, until=0.0) != delivery.handle


async def test_what_was_released_is_neither_released_nor_acknowledged_by_its_receipt_again() -> None:
    """Another worker may have the message by then, and SQS may take an older receipt for the newest."""
    sqs = service("sqs", all_well)
    queue, deliveries = queue_of(sqs), held(2)
    await queue.release(deliveries[:1])
    await queue.release(deliveries)
    await queue.acknowledge(deliveries)
    released = [entry["ReceiptHandle"] for batch in entries_of(sqs, "ChangeMessageVisibilityBatch") for entry in batch]
    assert released == ["receipt 0", "receipt 1"]
    assert not entries_of(sqs, "DeleteMessageBatch")


async def test_a_release_that_was_refused_is_made_again() -> None:
    refusals = 0

    def refuses_once(operation: str, parameters: dict[str, Any]) -> dict[str, Any]:
        nonlocal refusals
        if operation == "ChangeMessageVisibilityBatch" and not refusals:
            refusals += 1
            raise ValueError("refused")
        return all_well(operation, parameters)

    sqs = service("sqs", refuses_once)
    queue, deliveries = queue_of(sqs), held(1)
    with pytest.raises(BackendError):
        await queue.release(deliveries)
    await queue.release(deliveries)
    assert len(entries_of(sqs, "ChangeMessageVisibilityBatch")) == 2
