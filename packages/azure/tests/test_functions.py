from typing import Any, ClassVar, cast

import pytest
from flowcraft_azure import AzureQueueAdapter
from flowcraft_azure.functions import DeliverAgainError, FunctionHandlers
from flowcraft_core.durable import Answered, Asked


class Message:
    def __init__(self, body: bytes | str, dequeue_count: int | None = 1) -> None:
        self.id, self._body, self.dequeue_count = "m1", body, dequeue_count

    def get_body(self) -> bytes | str:
        return self._body


class Request:
    method, url = "post", "https://app.azurewebsites.net/api/hooks/a.b?code=x"
    headers: ClassVar[dict[str, str]] = {"Accept": "text/html"}

    def get_body(self) -> bytes:
        return b"{}"


class Timer:
    past_due = True


class FakeAdapter:
    def __init__(self, done: bool = True) -> None:
        self.done, self.opened, self.reconciled = done, 0, 0
        self.jobs: list[tuple[str, int, float | None]] = []

    async def __aenter__(self) -> Any:
        self.opened += 1
        return self

    async def __aexit__(self, *_: object) -> None:
        self.opened -= 1

    async def handle_job(self, body: str, *, count: int, remaining: Any = None, queue: str = "default") -> bool:
        self.queue = queue
        self.jobs.append((body, count, remaining and remaining()))
        return self.done

    @property
    def answering(self) -> "FakeAdapter":
        return self

    async def answer(self, asked: Asked) -> Answered:
        return Answered(
            status=200, headers={}, body=repr((asked.method, asked.path, asked.headers, asked.body)).encode()
        )

    async def reconcile(self) -> str:
        self.reconciled += 1
        return "nothing"


def handlers_of(adapter: FakeAdapter, **options: Any) -> FunctionHandlers:
    return FunctionHandlers(lambda: cast(AzureQueueAdapter, adapter), **options)


async def test_the_adapter_is_opened_once_for_all_functions() -> None:
    adapter = FakeAdapter()
    handlers = handlers_of(adapter)
    await handlers.work(Message(b'{"a": 1}'))
    await handlers.reconcile(Timer())
    assert (adapter.opened, adapter.reconciled) == (1, 1)
    await handlers.close()
    await handlers.close()
    assert adapter.opened == 0


async def test_a_message_is_read_whatever_the_host_made_of_it() -> None:
    adapter = FakeAdapter()
    handlers = handlers_of(adapter, function_timeout=None)
    for body in (b'{"a": 1}', '{"a": 1}', b"eyJhIjogMX0="):
        await handlers.work(Message(body, 3))
    assert adapter.jobs == [('{"a": 1}', 3, None)] * 3


async def test_bytes_that_are_no_text_are_handed_on_as_what_no_job_is() -> None:
    adapter = FakeAdapter()
    handlers = handlers_of(adapter, function_timeout=None)
    await handlers.work(Message(b"\xff\xfe\0 {}", 3))
    await handlers.work_on_poison(Message(b"\xff\xfe\0 {}"))
    assert [body for body, _, _ in adapter.jobs] == ["\\xff\\xfe\0 {}"] * 2


async def test_what_is_not_done_is_given_back_to_the_host() -> None:
    handlers = handlers_of(FakeAdapter(done=False))
    with pytest.raises(DeliverAgainError, match="m1 was delivered 2 times"):
        await handlers.work(Message(b"{}", 2))
    with pytest.raises(DeliverAgainError, match="poison"):
        await handlers.work_on_poison(Message(b"{}"))


async def test_the_engine_is_told_how_long_the_host_lets_it_live() -> None:
    adapter = FakeAdapter()
    await handlers_of(adapter, function_timeout=300.0).work(Message(b"{}", None))
    ((_, count, remaining),) = adapter.jobs
    assert count == 1
    assert remaining is not None
    assert 290.0 < remaining <= 300.0


async def test_a_poison_message_counts_as_delivered_more_often_than_any_limit() -> None:
    adapter = FakeAdapter()
    await handlers_of(adapter).work_on_poison(Message(b"{}"))
    assert adapter.jobs[0][1] > 1_000


async def test_a_link_is_followed_by_an_http_trigger() -> None:
    answered = await handlers_of(FakeAdapter()).webhook(Request())
    assert answered.status == 200
    assert answered.body.decode() == repr(("POST", "/api/hooks/a.b", {"accept": "text/html"}, b"{}"))
