import asyncio
import threading
from collections.abc import Callable, Iterator
from typing import Any

import attrs
import pytest
from flowcraft_aws._lambda import LambdaHost
from flowcraft_core.durable import Answered, Asked, Reconciled
from flowcraft_core.errors import ConfigurationError, TransientError


class FakeAdapter:
    """Notes what it is asked for; the body of a message says what becomes of it."""

    def __init__(self) -> None:
        self.opened = 0
        self.fails_to_open = 0
        self.jobs: list[tuple[str, int, float]] = []
        self.queues: list[str] = []
        self.threads: set[int] = set()
        self.asked: list[Asked] = []

    async def __aenter__(self) -> "FakeAdapter":
        if self.fails_to_open:
            self.fails_to_open -= 1
            raise TransientError("the queue does not answer")
        self.opened += 1
        return self

    async def __aexit__(self, *_: object) -> None:
        self.opened -= 1

    async def handle_job(self, body: str, *, count: int, remaining: Callable[[], float], queue: str) -> bool:
        self.queues.append(queue)
        self.threads.add(threading.get_ident())
        await asyncio.sleep(0)
        self.jobs.append((body, count, remaining()))
        if body == "broken":
            raise RuntimeError("a defect")
        return body == "done"

    @property
    def answering(self) -> "FakeAdapter":
        return self

    async def answer(self, asked: Asked) -> Answered:
        self.asked.append(asked)
        return Answered(status=200, headers={"content-type": "text/html"}, body="é".encode())

    async def reconcile(self) -> Reconciled:
        return Reconciled(scanned=3, revived=1)


class Context:
    def get_remaining_time_in_millis(self) -> int:
        return 1_500


def record(number: int, body: str, **more: Any) -> dict[str, Any]:
    return {
        "messageId": f"message {number}",
        "body": body,
        "attributes": {"ApproximateReceiveCount": "4"},
        "messageAttributes": {},
        **more,
    }


@pytest.fixture
def adapter() -> FakeAdapter:
    return FakeAdapter()


@pytest.fixture
def host(adapter: FakeAdapter) -> Iterator[LambdaHost]:
    host = LambdaHost(adapter)  # type: ignore[arg-type]
    yield host
    host.close()
    assert adapter.opened == 0


def test_only_what_is_not_done_is_given_back(adapter: FakeAdapter, host: LambdaHost) -> None:
    event = {"Records": [record(0, "done"), record(1, "later"), record(2, "broken"), record(3, "done")]}
    answer = host.handle(event, Context())
    assert answer == {"batchItemFailures": [{"itemIdentifier": "message 1"}, {"itemIdentifier": "message 2"}]}
    assert sorted(adapter.jobs) == [("broken", 4, 1.5), ("done", 4, 1.5), ("done", 4, 1.5), ("later", 4, 1.5)]
    assert threading.get_ident() not in adapter.threads


@pytest.mark.parametrize(
    "damage", [{"attributes": {"ApproximateReceiveCount": "?"}}, {"messageAttributes": None}, {"body": None}], ids=str
)
def test_a_record_that_is_damaged_brings_back_itself_alone(
    adapter: FakeAdapter, host: LambdaHost, damage: dict[str, Any]
) -> None:
    event = {"Records": [record(0, "done"), {**record(1, "done"), **damage}, record(2, "done")]}
    assert host.handle(event, Context()) == {"batchItemFailures": [{"itemIdentifier": "message 1"}]}
    assert len([job for job in adapter.jobs if job[0] == "done"]) == 2


def test_an_event_of_something_else_than_a_queue_is_refused_by_name(host: LambdaHost) -> None:
    with pytest.raises(ConfigurationError, match="reconcile_handler"):
        host.handle({"source": "aws.events"}, Context())


def test_what_travelled_as_json_is_read_back(adapter: FakeAdapter, host: LambdaHost) -> None:
    attributes = {"flowcraft-encoding": {"stringValue": "json", "dataType": "String"}}
    host.handle({"Records": [record(0, '"\\ufffe"', messageAttributes=attributes)]}, Context())
    assert adapter.jobs[0][0] == "\ufffe"


def test_the_adapter_is_opened_once_for_all_invocations(adapter: FakeAdapter, host: LambdaHost) -> None:
    for _ in range(3):
        assert host.handle({"Records": [record(0, "done")]}, Context()) == {"batchItemFailures": []}
    assert host.reconcile() == attrs.asdict(Reconciled(scanned=3, revived=1))
    assert adapter.opened == 1
    assert len(adapter.threads) == 1


def test_what_failed_to_open_is_opened_by_the_next_invocation(adapter: FakeAdapter, host: LambdaHost) -> None:
    adapter.fails_to_open = 1
    with pytest.raises(TransientError, match="does not answer"):
        host.handle({"Records": [record(0, "done")]}, Context())
    assert host.handle({"Records": [record(0, "done")]}, Context()) == {"batchItemFailures": []}


@pytest.mark.parametrize("body", [{"body": "{}"}, {"body": "e30=", "isBase64Encoded": True}], ids=["text", "base64"])
def test_a_link_is_followed_by_a_function_url(adapter: FakeAdapter, host: LambdaHost, body: dict[str, Any]) -> None:
    http = {"http": {"method": "POST"}}
    event = {"rawPath": "/hooks/a.b", "requestContext": http, "headers": {"Content-Type": "application/json"}, **body}
    assert host.answer(event) == {"statusCode": 200, "headers": {"content-type": "text/html"}, "body": "é"}
    headers = {"content-type": "application/json"}
    assert adapter.asked == [Asked(method="POST", path="/hooks/a.b", headers=headers, body=b"{}")]


def test_a_look_at_a_link_has_no_body(adapter: FakeAdapter, host: LambdaHost) -> None:
    host.answer({"rawPath": "/a.b", "requestContext": {"http": {"method": "GET"}}})
    assert adapter.asked == [Asked(method="GET", path="/a.b", headers={})]


@pytest.mark.parametrize("event", [{"Records": []}, {"requestContext": {"http": {"method": "GET"}}}], ids=str)
def test_an_event_of_something_else_than_a_function_url_is_refused_by_name(
    host: LambdaHost, event: dict[str, Any]
) -> None:
    with pytest.raises(ConfigurationError, match="function URL"):
        host.answer(event)


def test_a_job_is_known_by_the_queue_that_it_came_from(adapter: FakeAdapter) -> None:
    host = LambdaHost(adapter, {"shop-jobs_gpu": "gpu"})  # type: ignore[arg-type]
    arn = "arn:aws:sqs:eu-west-1:123456789012:"
    try:
        records = [
            record(1, "done", eventSourceARN=f"{arn}shop-jobs_gpu"),
            record(2, "done", eventSourceARN=f"{arn}shop-jobs"),
        ]
        host.handle({"Records": records}, Context())
        assert sorted(adapter.queues) == ["default", "gpu"]
    finally:
        host.close()
