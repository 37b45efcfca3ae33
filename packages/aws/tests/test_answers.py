"""What is no whole answer of the service is never a value, and above all never "there is none"."""

import json
import time
import zlib
from collections.abc import Awaitable, Callable
from typing import Any

import attrs
import boto3
import pytest
from botocore.awsrequest import AWSResponse
from flowcraft_aws import AwsBackend, DynamoDbContextStore, S3PayloadStore
from flowcraft_aws._calls import Calls
from flowcraft_aws.by_hand import ByHand
from flowcraft_core.errors import BackendError, TransientError
from flowcraft_core.ports import Delivery, Fact, Message, PositionedValue, RunStatus
from flowcraft_core.texts import require_text

from .helpers import URL, Raw, RefusalError, Service, service

JSON = "application/x-amz-json-1.0"
STATUS = RunStatus(run_id="run", state="running", blueprint_id="flow", created=1.0, updated=1.0)
ITEM = {"runId": {"S": "run#fact#key"}, "writer": {"S": "w"}, "body": {"B": "eA=="}}


def crc(body: bytes) -> str:
    return str(zlib.crc32(body))


FULL = json.dumps({"Item": ITEM}).encode()

#: What comes in place of an answer: a status, headers and a body.
ANSWERS: dict[str, tuple[int, dict[str, str], bytes]] = {
    "a body that was cut": (200, {"content-length": str(len(FULL))}, FULL[:20]),
    "a body that was cut to nothing": (200, {"content-length": str(len(FULL))}, b""),
    "a cut body of which only the checksum tells": (200, {"x-amz-crc32": crc(FULL)}, b"{}"),
    "a body with another byte": (200, {"x-amz-crc32": crc(FULL)}, FULL.replace(b"eA==", b"eQ==")),
    "JSON that ends too soon": (200, {}, FULL[:-3]),
    "nothing": (200, {"content-length": "0"}, b""),
    "a page": (200, {"content-type": "text/html"}, b"<html><body>Please log in</body></html>"),
    "a list": (200, {}, b"[]"),
    "text that is JSON": (200, {}, b'"ok"'),
    "bytes": (200, {}, b"\xff\xfe\x00"),
    "deep nesting": (200, {}, b"[" * 100_000),
    "a refusal that says it is none": (200, {}, b'{"__type":"com.amazonaws#ThrottlingException","message":"slow"}'),
    "a gateway's words": (200, {}, b'{"message":"Service Unavailable"}'),
    "a refusal that was cut": (400, {"content-length": "100"}, b'{"__type":"com.amazonaws.dyn'),
    "a refusal without a reason": (400, {}, b"{}"),
    "a gateway's page": (403, {"content-type": "text/html"}, b"<html>Forbidden</html>"),
    "nothing found by a gateway": (404, {"content-length": "0"}, b""),
    "a length that is none": (200, {"content-length": "many"}, FULL),
}


def answering(name: Any, status: int, headers: dict[str, str], body: bytes) -> Service:
    """A client whose every request is answered so."""
    made = service(name, lambda *_: {})

    def answer(request: Any, **_: Any) -> AWSResponse:
        given: Any = {"content-type": JSON, **headers}
        return AWSResponse(request.url, status, given, Raw(body))

    made.client.meta.events.register_first(f"before-send.{name}", answer)
    return made


def backend_that_is_told(status: int, headers: dict[str, str], body: bytes) -> AwsBackend:
    backend = AwsBackend(
        queue_url=URL,
        sqs_client=answering("sqs", status, headers, body).client,
        dynamodb_client=answering("dynamodb", status, headers, body).client,
    )
    backend._home.enter()  # as it is when the service begins to answer so after it was opened
    return backend


def held() -> Delivery:
    from flowcraft_aws.queue import Held

    # Received now: counted from 0, it would be past all holding on a machine that has been up for half a day.
    return Delivery("body", 1, Held("receipt", time.monotonic(), float("inf")))


#: Every method of every port that asks the service.
CALLS: dict[str, Callable[[AwsBackend], Awaitable[Any]]] = {
    "context.put": lambda b: b.context.put("run", "key", Fact(b"x", "w")),
    "context.get": lambda b: b.context.get("run", ["key"]),
    "context.get of many": lambda b: b.context.get("run", ["key", "other"]),
    "context.apply": lambda b: b.context.apply("run", {"name": PositionedValue("p", b"x")}),
    "context.values": lambda b: b.context.values("run", ["name"]),
    "context.values of many": lambda b: b.context.values("run", ["name", "other"]),
    "context.delete": lambda b: b.context.delete("run", keys=["key"], names=["name"]),
    "status.create": lambda b: b.status.create(STATUS),
    "status.get": lambda b: b.status.get("run"),
    "status.touch": lambda b: b.status.touch("run", at=1.0, next_check=2.0),
    "status.finish": lambda b: b.status.finish("run", "completed", at=1.0),
    "status.find": lambda b: b.status.find(state="running"),
    "status.find due": lambda b: b.status.find(state="running", due_before=1.0),
    "status.delete": lambda b: b.status.delete("run"),
    "coordination.increment": lambda b: b.coordination.increment("key", ttl=1.0),
    "coordination.set_if_absent": lambda b: b.coordination.set_if_absent("key", "me", ttl=1.0),
    "coordination.add_members": lambda b: b.coordination.add_members("key", "a", ttl=1.0),
    "coordination.members": lambda b: b.coordination.members("key"),
    "coordination.extend_ttl": lambda b: b.coordination.extend_ttl("key", "me", ttl=1.0),
    "coordination.delete": lambda b: b.coordination.delete("key"),
    "coordination.get": lambda b: b.coordination.get("key"),
    "queue.send": lambda b: b.queue.send([Message("body")]),
    "queue.receive": lambda b: b.queue.receive(max_messages=1, wait=0, visibility=30),
    "queue.extend": lambda b: b.queue.extend([held()], 30),
    "queue.acknowledge": lambda b: b.queue.acknowledge([held()]),
    "queue.release": lambda b: b.queue.release([held()]),
    "by_hand.initial_context": lambda b: b.by_hand.initial_context("run"),
    "by_hand.delete": lambda b: b.by_hand.delete("run"),
}


#: Only DynamoDB sends checksums.
CHECKED = {"a cut body of which only the checksum tells", "a body with another byte"}


@pytest.mark.parametrize(
    ("answer", "call"),
    [(answer, call) for answer in ANSWERS for call in CALLS if answer not in CHECKED or not call.startswith("queue.")],
)
async def test_what_is_no_answer_is_a_transient_error(answer: str, call: str) -> None:
    backend = backend_that_is_told(*ANSWERS[answer])
    with pytest.raises(TransientError) as caught:
        await CALLS[call](backend)
    assert caught.value.__cause__ is not None
    assert "eu-west-1" in str(caught.value), "the message says which queue or table"


@pytest.mark.parametrize("call", ["context.get of many", "status.find", "coordination.increment", "queue.send"])
async def test_an_answer_that_does_not_say_what_was_asked_is_a_transient_error(call: str) -> None:
    with pytest.raises(TransientError):
        await CALLS[call](backend_that_is_told(200, {}, b"{}"))


@pytest.mark.parametrize(
    "error",
    [TypeError("no"), ValueError("no"), KeyError("no"), AttributeError("no"), OSError("no"), EOFError(), IndexError()],
)
async def test_whatever_the_sdk_raises_over_an_answer_is_a_transient_error(error: Exception) -> None:
    backend = backend_that_is_told(200, {}, b"{}")

    def fail(**_: Any) -> None:
        raise error

    stores: list[Any] = [backend.context, backend.coordination]
    for store in stores:
        store.table.client.meta.events.register_first("response-received.dynamodb", fail)
    for call in ("context.get", "status.get", "coordination.get"):
        with pytest.raises(TransientError) as caught:
            await CALLS[call](backend)
        assert caught.value.__cause__ is error


ROWS: dict[str, dict[str, Any]] = {
    "without a writer": {"body": {"B": "eA=="}},
    "without a body": {"writer": {"S": "w"}},
    "with a writer of another type": {"writer": {"N": "1"}, "body": {"B": "eA=="}},
    "with a body of another type": {"writer": {"S": "w"}, "body": {"S": "x"}},
}


@pytest.mark.parametrize("row", ROWS)
async def test_an_item_that_is_no_fact_is_refused_by_name(row: str) -> None:
    answer = {"Item": {"runId": {"S": "run#fact#key"}, **ROWS[row]}}
    dynamodb = service("dynamodb", lambda *_: answer)
    store = DynamoDbContextStore(dynamodb.client, "contexts", dynamodb.calls)
    with pytest.raises(BackendError, match=r"run 'run': the fact in item 'run#fact#key' cannot be read") as caught:
        await store.get("run", ["key"])
    assert type(caught.value) is BackendError


async def test_a_status_that_cannot_be_read_keeps_no_other_from_being_found(caplog: pytest.LogCaptureFixture) -> None:
    good = {"runId": {"S": "good"}, "status": {"S": "running"}}
    bad = {"runId": {"S": "bad"}, "status": {"S": "running"}, "tags": {"S": "{"}}
    odd = {"runId": {"S": "odd"}, "status": {"S": "running"}, "next_check": {"S": "soon"}}

    def answer(operation: str, parameters: dict[str, Any]) -> dict[str, Any]:
        return {"Items": [bad, odd, good] if parameters["Segment"] == 0 else []}

    backend = AwsBackend(
        queue_url=URL, sqs_client=service("sqs", answer).client, dynamodb_client=service("dynamodb", answer).client
    )
    backend._home.enter()
    page = await backend.status.find(state="running", limit=40)
    assert [each.run_id for each in page.items] == ["good"]
    assert "'bad'" in caplog.text
    assert "'odd'" in caplog.text


async def test_what_was_written_by_hand_is_read_and_removed_under_the_escaped_id() -> None:
    dynamodb = service("dynamodb", lambda *_: {})
    by_hand = ByHand(DynamoDbContextStore(dynamodb.client, "contexts", dynamodb.calls))
    await by_hand.initial_context("victim#fact#:run")
    await by_hand.delete("victim#fact#:run")
    assert dynamodb.parameters("GetItem")[0]["Key"] == {"runId": {"S": "victim%23fact%23:run"}}
    (written,) = dynamodb.parameters("BatchWriteItem")[0]["RequestItems"]["contexts"]
    assert written == {"DeleteRequest": {"Key": {"runId": {"S": "victim%23fact%23:run"}}}}


NOT_REMOVED = (
    b'<?xml version="1.0"?><DeleteResult><Error><Key>k</Key><Code>SlowDown</Code><Message>no</Message></Error>'
    b"</DeleteResult>"
)


async def test_objects_that_were_not_removed_are_told_though_the_answer_is_200() -> None:
    client: Any = boto3.client("s3", region_name="eu-west-1", aws_access_key_id="key", aws_secret_access_key="secret")

    def answer(request: Any, **_: Any) -> AWSResponse:
        headers: Any = {"content-type": "application/xml"}
        return AWSResponse(request.url, 200, headers, Raw(NOT_REMOVED))

    client.meta.events.register_first("before-send.s3", answer)
    bucket = S3PayloadStore(client=client, bucket="bucket")
    with pytest.raises(TransientError, match="SlowDown"):
        await Calls().make(lambda: bucket.delete(["k"]), bucket.place)


@pytest.mark.parametrize(
    "call", ["context.put", "status.create", "status.finish", "coordination.set_if_absent", "coordination.increment"]
)
async def test_what_the_sdk_has_made_twice_says_nothing_of_the_first_time(call: str) -> None:
    """A request was applied, its answer lost, and made again: the refusal, or the sum, is then of its own making."""
    asked: list[str] = []

    def answer(operation: str, parameters: dict[str, Any]) -> dict[str, Any]:
        asked.append(operation)
        if len(asked) == 1:
            raise RefusalError("InternalServerError", 500)
        if call == "coordination.increment":
            return {"Attributes": {"count": {"N": "2"}}}
        raise RefusalError("ConditionalCheckFailedException")

    dynamodb = service("dynamodb", answer, attempts=2)
    backend = AwsBackend(queue_url=URL, sqs_client=service("sqs", answer).client, dynamodb_client=dynamodb.client)
    backend._home.enter()
    with pytest.raises(TransientError, match="made again by the SDK"):
        await CALLS[call](backend)
    assert len(asked) == 2
    asked.append("from now on at the first try")
    if call not in ("coordination.increment", "context.put"):
        assert await CALLS[call](backend) is False


async def test_text_that_no_encoding_has_is_refused_before_anything_is_sent() -> None:
    for text in ("\ud800", "a\udfff"):
        with pytest.raises(ValueError, match="surrogate"):
            require_text({"a": [text]})
    backend = backend_that_is_told(200, {}, b"{}")
    for made in (
        backend.status.get("\ud800"),
        backend.status.create(attrs.evolve(STATUS, reason="\ud800")),
        backend.context.put("run", "key", Fact(b"x", "\ud800")),
        backend.context.get("run", ["\ud800"]),
        backend.coordination.add_members("key", "\ud800", ttl=1.0),
        backend.coordination.get("\ud800"),
        backend.queue.send([Message("\ud800")]),
        backend.queue.send([Message("body", "\ud800")]),
    ):
        with pytest.raises(ValueError, match="surrogate"):
            await made
