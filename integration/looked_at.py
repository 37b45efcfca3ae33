"""The inspector over a cloud's emulators: every view of runs that are there, an answer by a form and one by a link."""

from __future__ import annotations

import asyncio
import contextlib
import re
from typing import Any
from urllib.parse import quote, urlsplit

import httpx
from flowcraft_core import FlowRuntime, NodeContext, create_flow
from flowcraft_core.durable import Client, Worker
from flowcraft_core.ports import Backend, Message
from flowcraft_core.webhooks import WebhookSigner
from flowcraft_ui import inspector, webhooks

_PATIENCE = 120.0
_BASE = "http://localhost"
_SIGNER = WebhookSigner(url="https://example.org/hooks", keys={"one": b"1" * 32})
_VIEWS = {
    "/": "shop-done",
    "/?flow=shop&state=completed": "shop-done",
    "/?q=shop-do": "shop-done",
    "/counts": "completed",
    "/run?id=shop-done": 'data-name="each"',
    "/run?id=shop-done&inside=each": "each[1].each",
    "/run?id=shop-done&inside=each%5B1%5D": 'data-name="each[1].each"',
    "/run/instances?id=shop-done": "ship",
    "/run/timeline?id=shop-done": "b-work",
    "/run/instance?id=shop-done&key=ship": "Output",
    "/run/value?id=shop-done&key=ship&part=output": "yes",
    "/run/context?id=shop-done": "name",
    "/run/waits?id=shop-open": "answer",
    "/run/cost?id=shop-done": "Bytes stored",
    "/run/diff?id=shop-open&other=shop-done": "How it differs",
    "/workers": "shop",
    "/queues": "Messages, about",
    "/dead-letters": "dead",
}


async def _ask(ctx: NodeContext) -> Any:
    await ctx.context.set("name", "Ada")
    return ctx.webhook_url(wait="approve", action="approved")


async def _echo(ctx: NodeContext) -> Any:
    return ctx.input


async def looked_at(backend: Backend) -> None:
    """Make runs on a backend that is open, and look at each view of them."""
    flow = create_flow("shop").node("ask", _ask).node("list", lambda ctx: [1, 2]).batch("each", _echo)
    flow.wait("approve").node("ship", _echo).edge("ask", "list").edge("list", "each").edge("each", "approve")
    flow.edge("approve", "ship", action="approved")
    worker = Worker(backend, FlowRuntime([flow], webhooks=_SIGNER), poll=1.0, grace=1.0, heartbeat=2.0)
    client = Client(backend, flows=[flow])
    task = asyncio.create_task(worker.run())
    try:
        async with asyncio.timeout(_PATIENCE):
            await _look(backend, client)
    finally:
        worker.stop()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def _look(backend: Backend, client: Client) -> None:
    await backend.queue.send([Message("no job")])
    for run_id in ("shop-done", "shop-open"):
        await client.start("shop", run_id=run_id)
        while not (await client.describe(run_id, values=False)).waits:  # noqa: ASYNC110 - the worker tells nobody
            await asyncio.sleep(0.2)
    hooks = httpx.ASGITransport(webhooks(client, _SIGNER))
    async with httpx.AsyncClient(transport=hooks, base_url="https://example.org") as program:
        link = urlsplit(str((await client.result("shop-done")).outputs["ask"])).path
        assert [(await program.post(link, json="yes")).status_code for _ in range(2)] == [200, 409]
    await client.wait("shop-done", timeout=_PATIENCE)
    while not await client.dead_letters() or not await client.workers():  # noqa: ASYNC110 - likewise
        await asyncio.sleep(0.2)
    pages = httpx.ASGITransport(inspector(client, allow_writes=True))
    async with httpx.AsyncClient(transport=pages, base_url=_BASE) as browser:
        for path, shown in _VIEWS.items():
            answer = await browser.get(path)
            assert (answer.status_code, shown in answer.text) == (200, True), f"{path}: {answer.text}"
        letter = (await client.dead_letters())[0].run_id
        assert "no job" in (await browser.get(f"/dead-letter?id={quote(letter)}")).text
        path = "/act?what=resume&id=shop-open&key=approve"
        sign = re.search(r'name="sign" value="(\w+)"', (await browser.get(path)).text)
        assert sign is not None
        fields = {"sign": sign[1], "sure": "yes", "action": "approved", "output": "2"}
        assert (await browser.post(path, data=fields, headers={"origin": _BASE})).status_code == 303
    assert (await client.wait("shop-open", timeout=_PATIENCE)).outputs["ship"] == 2
