"""What a receive takes that was given up is given back."""

from __future__ import annotations

import asyncio
import gc
import logging
from collections.abc import Sequence
from typing import Any

import pytest
from flowcraft_core.errors import BackendError
from flowcraft_core.ports import Delivery
from flowcraft_core.receiving import Receives


class _Request:
    """A request that is answered when the test says so, and what was given back of its answer."""

    def __init__(self) -> None:
        self.answer: asyncio.Future[Sequence[Delivery]] = asyncio.get_running_loop().create_future()
        self.given_back: list[Delivery] = []

    async def give_back(self, taken: Sequence[Delivery]) -> None:
        await asyncio.sleep(0)
        self.given_back += taken


async def _given_up(receives: Receives, request: _Request) -> None:
    receiver = asyncio.ensure_future(receives.take(request.answer, request.give_back))
    await asyncio.sleep(0)
    receiver.cancel()
    with pytest.raises(asyncio.CancelledError):
        await receiver


async def test_who_waits_gets_what_is_taken() -> None:
    request, taken = _Request(), [Delivery("a", 1, None)]
    request.answer.set_result(taken)
    receives = Receives()
    assert await receives.take(request.answer, request.give_back) is taken
    await receives.end()
    assert request.given_back == []


async def test_the_receiver_ends_at_once_and_the_answer_is_given_back() -> None:
    receives, request = Receives(), _Request()
    await _given_up(receives, request)
    assert not request.answer.done()
    request.answer.set_result([Delivery("a", 1, None)])
    await receives.end()
    assert request.given_back == [Delivery("a", 1, None)]


async def test_an_answer_that_comes_with_the_cancellation_is_given_back() -> None:
    receives, request = Receives(), _Request()
    receiver = asyncio.ensure_future(receives.take(request.answer, request.give_back))
    await asyncio.sleep(0)
    request.answer.set_result([Delivery("a", 1, None)])
    receiver.cancel()
    with pytest.raises(asyncio.CancelledError):
        await receiver
    await receives.end()
    assert request.given_back == [Delivery("a", 1, None)]


async def test_nothing_is_given_back_of_a_request_that_fails() -> None:
    receives, request = Receives(), _Request()
    await _given_up(receives, request)
    request.answer.set_exception(BackendError("no"))
    await receives.end()
    assert request.given_back == []


async def test_closing_waits_no_longer_than_it_is_told() -> None:
    receives, request = Receives(), _Request()
    await _given_up(receives, request)
    await receives.end(within=0)
    assert request.given_back == []
    request.answer.set_result([])
    await receives.end()


@pytest.mark.parametrize("fails", ["the request", "giving back"])
async def test_what_nobody_expected_of_a_receive_that_was_given_up_is_told(
    fails: str, caplog: pytest.LogCaptureFixture
) -> None:
    receives, request, unretrieved = Receives(), _Request(), list[Any]()
    asyncio.get_running_loop().set_exception_handler(lambda _, context: unretrieved.append(context))

    async def fail(taken: Sequence[Delivery]) -> None:
        raise ZeroDivisionError("nobody expects it")

    request.give_back = fail  # type: ignore[method-assign]
    await _given_up(receives, request)
    if fails == "the request":
        request.answer.set_exception(ZeroDivisionError("nobody expects it"))
    else:
        request.answer.set_result([Delivery("a", 1, None)])
    await receives.end()
    del request
    gc.collect()
    await asyncio.sleep(0)
    assert unretrieved == []
    (told,) = caplog.records
    assert (told.levelno, told.exc_info and told.exc_info[0]) == (logging.WARNING, ZeroDivisionError)
    assert "queue.release has failed" in told.getMessage()
