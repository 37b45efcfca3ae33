"""SDK clients that answer as they are told, and note what they are asked."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
from collections.abc import AsyncIterator
from typing import Any

import attrs
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError


class FakeClock:
    """Time that passes by sleeping only."""

    def __init__(self) -> None:
        self.time = 1_000.0
        self.slept: list[float] = []

    def now(self) -> float:
        return self.time

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.time += seconds


@attrs.define
class FakeMessage:
    content: str
    id: str = "id"
    pop_receipt: str = "receipt 0"
    dequeue_count: int = 1


class FakeQueueClient:
    """A queue in memory, whose visibility never ends."""

    queue_name = "jobs"

    def __init__(self, clock: FakeClock | None = None) -> None:
        self._clock = clock
        self.looks: list[float] = []
        self.asked: list[int] = []
        self.visible: list[FakeMessage] = []
        self.sent: list[dict[str, Any]] = []
        self.options: list[dict[str, Any]] = []
        self.errors: list[Exception] = []
        self.receipts = 0
        self.is_open = False

    async def __aenter__(self) -> FakeQueueClient:
        self.is_open = True
        return self

    async def close(self) -> None:
        self.is_open = False

    async def get_queue_properties(self, **options: Any) -> None:
        self.options.append(options)
        self._fail()

    async def send_message(self, content: str, *, visibility_timeout: int, time_to_live: int, **options: Any) -> None:
        self._fail()
        self.options.append(options)
        self.sent.append({"content": content, "visibility_timeout": visibility_timeout, "time_to_live": time_to_live})

    def receive_messages(self, *, messages_per_page: int, visibility_timeout: int, **options: Any) -> FakePages:
        self.options.append(options)
        return FakePages(self, messages_per_page)

    async def update_message(
        self, message_id: str, receipt: str, *, visibility_timeout: int, **options: Any
    ) -> FakeMessage:
        self.options.append(options)
        self._fail()
        self.receipts += 1
        self.asked.append(visibility_timeout)
        return FakeMessage("", message_id, f"{receipt.partition(' ')[0]} {self.receipts}")

    async def delete_message(self, message_id: str, receipt: str, **options: Any) -> None:
        self.options.append(options)
        self._fail()

    def _fail(self) -> None:
        if self.errors:
            raise self.errors.pop(0)


class FakePages:
    def __init__(self, client: FakeQueueClient, size: int) -> None:
        self._client, self._size = client, size

    def by_page(self) -> AsyncIterator[AsyncIterator[FakeMessage]]:
        return self._pages()

    async def _pages(self) -> AsyncIterator[AsyncIterator[FakeMessage]]:
        while True:
            self._client._fail()
            if self._client._clock is not None:
                self._client.looks.append(self._client._clock.now())
            found, self._client.visible = self._client.visible[: self._size], self._client.visible[self._size :]
            if not found:
                return
            yield self._each(found)

    async def _each(self, found: list[FakeMessage]) -> AsyncIterator[FakeMessage]:
        for message in found:
            yield message


@contextlib.asynccontextmanager
async def server_of_redis(*, silent: bool = False) -> AsyncIterator[str]:
    """The address of a server that says PONG to PING and OK to everything else; or nothing, but keeps connections."""
    serving: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            words = []
            for _ in range(int(line[1:])):
                words.append(await reader.readexactly(int((await reader.readline())[1:])))
                await reader.readline()
            if not silent:
                writer.write(b"+PONG\r\n" if words[0] == b"PING" else b"+OK\r\n")
        writer.close()

    def begin(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(serve(reader, writer))
        serving.add(task)
        task.add_done_callback(serving.discard)

    server = await asyncio.start_server(begin, "127.0.0.1", 0)
    async with server:
        yield f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}/0?protocol=2"
        server.close()
        await asyncio.gather(*serving)


def http_error(status: int, code: str = "", kind: type[HttpResponseError] = HttpResponseError) -> HttpResponseError:
    """As the SDKs raise it."""
    error = kind(message=code or f"status {status}")
    error.status_code = status
    error.error_code = code  # type: ignore[attr-defined]
    error.reason = "because"
    return error


def lost_message() -> HttpResponseError:
    return http_error(404, "MessageNotFound", ResourceNotFoundError)


NOW = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
