"""What the tests have in common: a place with a worker, and an inspector of it that is asked without a server."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import attrs
import httpx
from flowcraft_core import FlowBuilder, FlowRuntime, NodeContext, NodeResult, create_flow
from flowcraft_core.durable import Client, Reconciler, Worker
from flowcraft_core.ports import RunStatus
from flowcraft_core.webhooks import WebhookSigner
from flowcraft_testkit.memory import InMemoryBackend, Weaknesses
from flowcraft_ui import inspector

BASE = "http://localhost"
SIGNER = WebhookSigner(url="https://example.org/hooks", keys={"one": b"1" * 32})


def _echo(ctx: Any) -> Any:
    return ctx.input


async def _choose(ctx: NodeContext) -> Any:
    await ctx.context.set("card", {"token": "s3cr3t", "owner": "<Ada>"})
    return NodeResult({"n": 1}, action="left")


async def _break(ctx: NodeContext) -> Any:
    raise ValueError("no address for <b>Ada</b>")


async def _ask(ctx: NodeContext) -> Any:
    return ctx.webhook_url(wait="approve", action="approved")


def shop() -> FlowBuilder:
    """A choice, a batch, a loop, a called flow, and a wait."""
    called = create_flow("called").node("inner", _echo)
    flow = create_flow("shop").node("choose", _choose).node("left", _echo).node("right", _echo)
    flow.edge("choose", "left", action="left").edge("choose", "right", action="right")
    flow.node("list", lambda ctx: [1, 2, 3]).edge("left", "list").edge("right", "list")
    flow.batch("each", _echo).edge("list", "each").edge("each", "turn")
    flow.loop("again", start="turn", end="turned", condition="result.output == 'never'")
    flow.node("turn", _echo).node("turned", _echo).edge("turn", "turned")
    flow.subflow("call", called).edge("again", "call").node("ask", _ask).edge("call", "ask")
    flow.wait("approve").edge("ask", "approve").node("ship", _echo).node("refund", _echo)
    return flow.edge("approve", "ship", action="approved").edge("approve", "refund", action="rejected")


def broken() -> FlowBuilder:
    """Fails, after a long value."""
    flow = create_flow("broken").node("long", lambda ctx: "x" * 5_000).node("fails", _break)
    return flow.edge("long", "fails")


def minded() -> FlowBuilder:
    """Has a step that fails, one that takes that over, and one that comes by whatever happens."""
    flow = create_flow("minded").node("fails", _break).node("minds", _echo).node("cleans", _echo).node("goes_on", _echo)
    flow.edge("fails", "minds", on="failure", condition="error.attempts > 0").edge("fails", "cleans", on="always")
    return flow.edge("fails", "goes_on")


@attrs.frozen
class Place:
    """Where runs live, and who looks at them.

    Attributes:
        backend: The backend.
        client: A client, whom a worker serves.
    """

    backend: InMemoryBackend
    client: Client

    @asynccontextmanager
    async def browsing(self, **options: Any) -> AsyncIterator[httpx.AsyncClient]:
        """A browser of an inspector, that keeps cookies and follows nothing by itself."""
        transport = httpx.ASGITransport(inspector(self.client, **options))
        async with httpx.AsyncClient(transport=transport, base_url=BASE) as browser:
            yield browser

    async def get(self, path: str, status: int = 200, **options: Any) -> str:
        """A page's text."""
        async with self.browsing(**options) as browser:
            answer = await browser.get(path)
            assert answer.status_code == status, answer.text
            return answer.text

    async def waiting(self, run_id: str = "run") -> None:
        """Start a run of the shop, and wait until it waits."""
        await self.client.start("shop", run_id=run_id, tags={"kind": "test"})
        async with asyncio.timeout(60):
            while not (await self.client.describe(run_id, values=False, limit=1)).waits:  # noqa: ASYNC110 - the worker tells nobody
                await asyncio.sleep(0.02)
        await Reconciler(self.backend).reconcile(run_id)  # who says `awaiting`

    async def failed(self, run_id: str = "bad") -> None:
        """Start a run that fails, and wait until it has."""
        await self.client.start("broken", run_id=run_id)
        await self.reaches(run_id, "failed")

    async def letters(self) -> list[RunStatus]:
        """The dead letters, once there are any."""
        async with asyncio.timeout(60):
            while not (found := await self.client.dead_letters()):  # noqa: ASYNC110 - the worker tells nobody
                await asyncio.sleep(0.01)
        return found

    async def reaches(self, run_id: str, state: str) -> None:
        """Wait until a run is in a state."""
        async with asyncio.timeout(60):
            while (await self.client.status(run_id)).state != state:  # noqa: ASYNC110 - the worker tells nobody
                await asyncio.sleep(0.01)


@asynccontextmanager
async def working() -> AsyncIterator[Place]:
    """A place in memory, with a worker."""
    async with InMemoryBackend(weaknesses=Weaknesses.none()) as backend:
        flows = [shop(), broken(), minded()]
        worker = Worker(
            backend,
            FlowRuntime(flows, webhooks=SIGNER),
            poll=0.5,
            grace=0.1,
            heartbeat=None,
            told_after=None,
            reconcile=False,
        )
        task = asyncio.create_task(worker.run())
        try:
            yield Place(backend, Client(backend, flows=flows))
        finally:
            worker.stop()
            with contextlib.suppress(asyncio.CancelledError):
                await task


def sign_in(text: str) -> str:
    """What a page's forms carry."""
    found = re.search(r'name="sign" value="([0-9a-f]+)"', text)
    assert found is not None, text
    return found[1]


async def post(
    browser: httpx.AsyncClient,
    path: str,
    fields: Mapping[str, str],
    *,
    change: Callable[[dict[str, str]], None] | None = None,
) -> httpx.Response:
    """Get a page, and post its form as a browser would.

    Args:
        browser: The browser.
        path: The page.
        fields: What is filled in.
        change: Changes the headers that a browser would send.
    """
    page = await browser.get(path)
    headers = {"origin": BASE, "sec-fetch-site": "same-origin"}
    if change is not None:
        change(headers)
    return await browser.post(path, data={"sign": sign_in(page.text), **fields}, headers=headers)
