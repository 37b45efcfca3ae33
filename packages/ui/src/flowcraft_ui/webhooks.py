"""The links that end waits, as an ASGI application: mount it where the signer's ``url`` leads."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flowcraft_core.durable import Answered, Answering, Asked
from flowcraft_core.durable.answering import MOST_BODY
from flowcraft_core.webhooks import WebhookSigner
from starlette.types import ASGIApp, Receive, Scope, Send

if TYPE_CHECKING:
    from flowcraft_core.durable import Client


def webhooks(client: Client, signer: WebhookSigner) -> ASGIApp:
    """An ASGI application that follows what ``ctx.webhook_url`` gave.

    It asks for no login: whoever has a link may follow it, and do nothing else.

    Args:
        client: The client, whose backend is open in the event loop that serves this.
        signer: The same as the workers' ``FlowRuntime(webhooks=...)``.
    """
    answering = Answering(client, signer)

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            while (await receive())["type"] != "lifespan.shutdown":
                await send({"type": "lifespan.startup.complete"})
            await send({"type": "lifespan.shutdown.complete"})
        elif scope["type"] == "http":
            await _send(await answering.answer(await _asked(scope, receive)), scope, send)
        else:
            await send({"type": "websocket.close", "code": 1008})

    return application


async def _asked(scope: Scope, receive: Receive) -> Asked:
    body = bytearray()
    while len(body) <= MOST_BODY:  # of more, no more is read than shows that it is too much
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            break
    headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
    return Asked(method=scope["method"], path=scope["path"], headers=headers, body=bytes(body))


async def _send(answered: Answered, scope: Scope, send: Send) -> None:
    headers = {**answered.headers, "content-length": str(len(answered.body))}
    encoded = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": answered.status, "headers": encoded})
    await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else answered.body})
