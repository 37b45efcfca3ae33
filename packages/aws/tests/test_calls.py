import asyncio
import os
import threading
import time

import pytest
from botocore.exceptions import ClientError
from flowcraft_aws import AwsBackend
from flowcraft_aws._calls import Calls, Home
from flowcraft_core.errors import BackendError, ConfigurationError, TransientError

from .helpers import URL, RefusalError, service


async def test_no_call_is_made_on_the_thread_of_the_loop() -> None:
    threads: set[int] = set()

    def answer(operation: str, parameters: dict[str, object]) -> dict[str, object]:
        threads.add(threading.get_ident())
        if operation == "SendMessageBatch":
            return {"Successful": [], "Failed": []}
        return {"Attributes": {"value": {"S": "me"}}} if operation == "UpdateItem" else {}

    sqs, dynamodb = service("sqs", answer), service("dynamodb", answer)
    backend = AwsBackend(queue_url=URL, sqs_client=sqs.client, dynamodb_client=dynamodb.client)
    async with backend:
        await backend.status.get("run")
        await backend.coordination.extend_ttl("key", "me", ttl=1.0)
        await backend.context.get("run", ["a"])
        await backend.queue.receive(max_messages=1, wait=0, visibility=30)
    assert [operation for operation, _ in sqs.sent + dynamodb.sent if operation != "GetItem"] == [
        "GetQueueAttributes",
        "ReceiveMessage",
        "UpdateItem",
    ]
    assert threads
    assert threading.get_ident() not in threads


async def test_a_heartbeat_does_not_wait_for_other_calls() -> None:
    calls, go_on = Calls(threads=3), threading.Event()
    busy = [asyncio.ensure_future(calls.make(go_on.wait, "here")) for _ in range(5)]
    await asyncio.sleep(0)
    assert await asyncio.wait_for(calls.make(lambda: "beat", "here", urgent=True), 10) == "beat"
    assert not any(call.done() for call in busy)
    go_on.set()
    assert await asyncio.gather(*busy) == [True] * 5


async def test_so_many_calls_are_made_at_once_and_no_more() -> None:
    calls, lock, running, most = Calls(threads=4), threading.Lock(), 0, 0

    def call() -> None:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        time.sleep(0.01)
        with lock:
            running -= 1

    await asyncio.gather(*(calls.make(call, "here") for _ in range(12)))
    assert most == 3  # and one thread for heartbeats


async def test_the_lag_of_the_loop_is_measured() -> None:
    calls = Calls()
    answered = asyncio.ensure_future(calls.make(lambda: None, "here"))
    await asyncio.sleep(0)
    time.sleep(0.2)  # noqa: ASYNC251 - what a step does that must not
    await answered
    assert calls.metrics.longest_loop_lag > 0.1
    await calls.make(lambda: None, "here")
    assert calls.metrics.loop_lag < calls.metrics.longest_loop_lag


async def test_errors_are_ours_with_their_cause() -> None:
    def answer(operation: str, parameters: dict[str, object]) -> dict[str, object]:
        if is_busy:
            raise RefusalError("ThrottlingException")
        return {}

    is_busy = False
    backend = AwsBackend(
        queue_url=URL,
        sqs_client=service("sqs", lambda *_: {}).client,
        dynamodb_client=service("dynamodb", answer).client,
    )
    async with backend:
        is_busy = True
        with pytest.raises(TransientError, match="flowcraft-statuses") as caught:
            await backend.status.get("run")
    assert isinstance(caught.value.__cause__, ClientError)


def test_a_backend_is_used_where_it_was_opened() -> None:
    home = Home("AwsBackend('queue')")

    async def enter() -> None:
        home.enter()
        home.require()
        with pytest.raises(BackendError, match="open already"):
            home.enter()

    async def require() -> None:
        home.require()

    with pytest.raises(BackendError, match="not open"):
        asyncio.run(require())
    asyncio.run(enter())
    with pytest.raises(BackendError, match="another event loop"):
        asyncio.run(require())
    home._process = os.getpid() + 1
    with pytest.raises(BackendError, match="fork"):
        asyncio.run(require())
    home.leave()
    with pytest.raises(BackendError, match="not open"):
        asyncio.run(require())


def test_too_few_threads_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="threads=1"):
        Calls(threads=1)
