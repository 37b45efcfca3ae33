"""Proxies between an adapter and an emulator, in which things go wrong as they do on the way to a service.

    with HttpProxy(upstream, DYNAMODB, seed=7) as proxy:
        ... clients of proxy.url ...
        with proxy.trouble(["cut_body"], only={"GetItem"}):
            ... every read is cut off in the middle of its answer ...

A proxy listens in a thread with an event loop of its own, so it serves whoever comes, and tests may block. What goes
wrong, and how often, is a plan that the test changes at any time; dice with a seed decide which request is hit.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import threading
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import ClassVar, Self

import attrs
from dialects import Answer, Dialect

#: What can go wrong with a request. Those of ``APPLIED`` reach the service first.
CUTS = ("cut_before", "cut_after", "cut_head", "cut_body")
REFUSALS = ("throttle", "failure", "unavailable", "forbidden")
MALFORMED = ("short", "empty", "page", "refusal_as_success", "garbled", "gateway_404")
APPLIED = frozenset({"cut_after", "cut_head", "cut_body", "short", "empty", "page", "refusal_as_success", "garbled"})
KINDS = (*CUTS, "delay", *(kind for kind in REFUSALS if kind != "forbidden"), *MALFORMED)

#: What is no fault of the answer: by its head, the service's clock is an hour behind.
OTHER_HOUR = "other_hour"

_PAGE = b"<html><head><title>Sign in</title></head><body>Please sign in to this network.</body></html>"


@attrs.frozen
class Plan:
    """What goes wrong.

    Attributes:
        kinds: The kinds of it, each as likely as the others.
        rate: Of how many requests, from 0 to 1.
        only: Which operations; all, by default.
        delay: How long an answer is held back, seconds.
        is_down: Whether nobody is let in.
    """

    kinds: Sequence[str] = ()
    rate: float = 0.0
    only: Collection[str] | None = None
    delay: float = 0.05
    is_down: bool = False


class Proxy:
    """What both kinds of proxies have in common: a thread that listens, and a plan.

    Attributes:
        faults: How often each kind went wrong.
        operations: How often each operation was asked for.
    """

    kinds: ClassVar[Sequence[str]] = KINDS

    def __init__(self, host: str, port: int, *, seed: int = 1) -> None:
        """Listen to nobody yet.

        Args:
            host: Where the service is.
            port: And on which port.
            seed: Of the dice.
        """
        self._upstream = (host, port)
        self._dice = random.Random(seed)
        self._plan = Plan()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="proxy", daemon=True)
        self._open: set[asyncio.StreamWriter] = set()
        self._serving: set[asyncio.Task[object] | None] = set()  # nobody else keeps those whose client has gone
        self.faults: Counter[str] = Counter()
        self.operations: Counter[str] = Counter()
        self.host, self.port = "127.0.0.1", 0

    @property
    def url(self) -> str:
        """Where it listens, for clients that speak HTTP."""
        return f"http://{self.host}:{self.port}"

    def __enter__(self) -> Self:
        self._thread.start()
        self.port = self._call(self._listen)
        return self

    def __exit__(self, *error: object) -> None:
        self.cut()
        self._call(self._server.close)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    @contextlib.contextmanager
    def trouble(
        self, kinds: Sequence[str], *, rate: float = 1.0, only: Collection[str] | None = None, delay: float = 0.05
    ) -> Iterator[Self]:
        """Have things go wrong inside of a block."""
        before, self._plan = self._plan, Plan(kinds, rate, only, delay)
        try:
            yield self
        finally:
            self._plan = before

    def set_plan(self, plan: Plan) -> None:
        """Have things go wrong from now on."""
        self._plan = plan

    def cut(self) -> None:
        """Break every connection that is open, also under a request; what the service has got of it, it has done.

        Were it done later than this, it could be after it was asked for again, and after others have gone on from that.
        """
        self._call(self._cut)

    def take_down(self) -> None:
        """Let nobody in any more, and break what is open."""
        self._plan = attrs.evolve(self._plan, is_down=True)
        self.cut()

    def bring_up(self) -> None:
        """Let everybody in again."""
        self._plan = attrs.evolve(self._plan, is_down=False)

    # --- in the thread ----------------------------------------------------------------------------------------------

    def _call(self, function: Callable[[], object]) -> int:
        async def call() -> int:
            found = function()
            return int(await found) if asyncio.iscoroutine(found) else 0

        return asyncio.run_coroutine_threadsafe(call(), self._loop).result(30)

    async def _listen(self) -> int:
        self._server = await asyncio.start_server(self._begin, "127.0.0.1", 0)
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    def _run(self) -> None:
        self._loop.run_forever()
        # Nobody is let in any more; but whoever was let in at the last moment may begin only now, and others after it.
        while tasks := asyncio.all_tasks(self._loop):
            self._abort_all()
            for task in tasks:
                task.cancel()
            self._loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
            self._loop.run_until_complete(asyncio.sleep(0.02))

    async def _cut(self) -> int:
        # Who comes after this goes on; a client of whoever waits for this could not even say what it wants.
        serving = [task for task in self._serving if task is not None]
        self._abort_all()
        if serving:
            await asyncio.wait(serving, timeout=5)
        return 0

    def _abort_all(self) -> None:
        for writer in list(self._open):
            writer.transport.abort()

    async def _begin(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        task = asyncio.current_task()
        self._serving.add(task)
        try:
            if not self._plan.is_down:
                await self._serve(reader, writer)
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass  # somebody has gone
        except asyncio.CancelledError:
            pass  # the proxy is at its end; who began this would tell of it as of an error
        finally:
            self._open.discard(writer)
            writer.transport.abort() if self._plan.is_down else writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()
            self._serving.discard(task)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        raise NotImplementedError

    def _throw(self, operation: str) -> str | None:
        """What goes wrong with a request, if something does."""
        plan = self._plan
        self.operations[operation] += 1
        if plan.only is not None and operation not in plan.only:
            return None
        if not plan.kinds or self._dice.random() >= plan.rate:
            return None
        kind = self._dice.choice(plan.kinds)
        self.faults[kind] += 1
        return kind


class HttpProxy(Proxy):
    """Between clients and a service that speaks HTTP."""

    def __init__(self, host: str, port: int, dialect: Dialect, *, seed: int = 1) -> None:
        """Listen to nobody yet.

        Args:
            host: Where the service is.
            port: And on which port.
            dialect: How the service names its operations, and refuses.
            seed: Of the dice.
        """
        super().__init__(host, port, seed=seed)
        self._dialect = dialect

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            line, headers = _parsed(head)
            body = await _body(reader, headers)
            method, path, _ = line.split(" ", 2)
            fault = self._throw(self._dialect.operation(method, path, headers))
            if fault == "cut_before" or self._plan.is_down:
                writer.transport.abort()
                return
            if fault == "delay":
                await asyncio.sleep(self._plan.delay)
            if fault in REFUSALS:
                answer = self._dialect.refusal(fault, self._dice)
            elif fault == "gateway_404":
                answer = Answer("404 Not Found", {"content-type": "text/html"}, _PAGE)
            else:
                answer = await self._forward(line, headers, body)
            if not await self._give(writer, answer, fault, method):
                return

    async def _forward(self, line: str, headers: dict[str, str], body: bytes) -> Answer:
        reader, writer = await asyncio.open_connection(*self._upstream)
        try:
            sent = {k: v for k, v in headers.items() if k not in ("connection", "transfer-encoding", "content-length")}
            sent |= {"connection": "close", "content-length": str(len(body))}
            writer.write(_written(line, sent) + body)
            await writer.drain()
            status, given = _parsed(await reader.readuntil(b"\r\n\r\n"))
            while status.split(" ")[1] == "100":
                status, given = _parsed(await reader.readuntil(b"\r\n\r\n"))
            code = status.split(" ")[1]
            is_empty = code in ("204", "304") or line.startswith("HEAD ")
            content = b"" if is_empty else await _body(reader, given, to_the_end=True)
            kept = {k: v for k, v in given.items() if k not in ("connection", "transfer-encoding", "keep-alive")}
            return Answer(status.split(" ", 1)[1], kept, content, is_empty)
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def _give(self, writer: asyncio.StreamWriter, answer: Answer, fault: str | None, method: str) -> bool:
        """Write an answer, or what becomes of it; whether the connection is still good."""
        status, headers, content = answer.status, dict(answer.headers), answer.content
        if fault == "short":  # as by something in between that has lost the rest, and makes up its own length
            content = content[: len(content) // 2]
        elif fault == "empty":
            content = b""
        elif fault == "page":
            status, headers, content = "200 OK", {"content-type": "text/html"}, _PAGE
        elif fault == "refusal_as_success":
            refusal = self._dialect.refusal("throttle", self._dice)
            status, content = "200 OK", refusal.content
        elif fault == "garbled" and content:
            place = self._dice.randrange(len(content))
            content = content[:place] + bytes([content[place] ^ 0x80]) + content[place + 1 :]
        if fault == OTHER_HOUR:
            headers["date"] = format_datetime(datetime.now(UTC) - timedelta(hours=1), usegmt=True)
        if not answer.is_empty or content:
            headers["content-length"] = str(len(content))
        head = _written(f"HTTP/1.1 {status}", headers)
        wire = {
            "cut_after": b"",
            "cut_head": head[: len(head) // 2],
            "cut_body": head + content[: len(content) // 2] if content else head[: len(head) // 2],
        }.get(fault or "", head + content)
        writer.write(wire)
        await writer.drain()
        if fault in ("cut_after", "cut_head", "cut_body"):
            if fault != "cut_after":
                await asyncio.sleep(0.01)  # an abort would take back what was not sent yet
            writer.transport.abort()
            return False
        return True


def _parsed(head: bytes) -> tuple[str, dict[str, str]]:
    line, *rest = head.decode("latin-1").rstrip("\r\n").split("\r\n")
    pairs = (each.partition(":") for each in rest)
    return line, {name.strip().lower(): value.strip() for name, _, value in pairs}


def _written(line: str, headers: dict[str, str]) -> bytes:
    return "".join([f"{line}\r\n", *(f"{k}: {v}\r\n" for k, v in headers.items()), "\r\n"]).encode("latin-1")


async def _body(reader: asyncio.StreamReader, headers: dict[str, str], *, to_the_end: bool = False) -> bytes:
    if "chunked" in headers.get("transfer-encoding", ""):
        content = b""
        while size := int((await reader.readuntil(b"\r\n")).split(b";")[0], 16):
            content += await reader.readexactly(size)
            await reader.readexactly(2)
        await reader.readuntil(b"\r\n")
        return content
    if "content-length" in headers:
        return await reader.readexactly(int(headers["content-length"]))
    return await reader.read() if to_the_end else b""


class RedisProxy(Proxy):
    """Between clients and Redis: each command is one piece on the wire, and so is each answer."""

    kinds: ClassVar[Sequence[str]] = (
        *("cut_before", "cut_after", "cut_body", "delay", "throttle", "unavailable"),
        *("short", "page", "garbled"),
    )

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        above, below = await asyncio.open_connection(*self._upstream)
        try:
            while command := await reader.read(1 << 20):
                words = command.split(b"\r\n")
                name = words[2].decode("latin-1").upper() if len(words) > 2 else "?"
                is_ours = name not in ("HELLO", "CLIENT", "PING", "SELECT", "AUTH")
                fault = self._throw(name) if is_ours else None
                if fault == "cut_before" or self._plan.is_down:
                    writer.transport.abort()
                    return
                if fault == "delay":
                    await asyncio.sleep(self._plan.delay)
                if fault == "forbidden":
                    writer.write(b"-NOPERM this user has no permissions to run this command\r\n")
                    continue
                if fault in ("throttle", "unavailable"):
                    said = self._dice.choice(("LOADING", "BUSY", "OOM", "READONLY", "TRYAGAIN", "CLUSTERDOWN"))
                    writer.write(f"-{said} just now\r\n".encode())
                    continue
                below.write(command)
                answer = await above.read(1 << 20)
                if fault == "garbled":
                    answer = b"\x00" + answer[1:]
                elif fault == "page":
                    answer = _PAGE + b"\r\n"
                writer.write(b"" if fault == "cut_after" else answer[:-2] if fault in ("cut_body", "short") else answer)
                await writer.drain()
                if fault in ("cut_after", "cut_body", "short"):
                    await asyncio.sleep(0.01)
                    writer.transport.abort()
                    return
        finally:
            below.close()
            with contextlib.suppress(OSError):
                await below.wait_closed()
