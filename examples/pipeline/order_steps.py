"""What the nodes of an order do: each is a call of another service, under a key by which that knows it again."""

from __future__ import annotations

from typing import Any, TypeAlias

from flowcraft_core import SyncNodeContext
from services import Services

Ctx: TypeAlias = SyncNodeContext[Any, Services]


class OrderRefusedError(Exception):
    """The order is not wanted: it fails, and what was done for it is undone."""


def reserve(ctx: Ctx) -> str:
    """Reserve paper for the documents."""
    return ctx.dependencies.post(
        "reservations",
        {"order": ctx.context.get("order"), "sheets": len(ctx.context.get("documents"))},
        key=ctx.idempotency_key,
    )


def release(ctx: Ctx) -> None:
    """Undo ``reserve``."""
    ctx.dependencies.post("releases", {"reservation": ctx.output}, key=ctx.idempotency_key)


def ask(ctx: Ctx) -> None:
    """Ask somebody whether the order is wanted."""
    _mail(ctx, "Shall we go on?")


def remind(ctx: Ctx) -> None:
    """Ask again."""
    _mail(ctx, f"Reminder {ctx.attempt}: shall we go on?")


def _mail(ctx: Ctx, subject: str) -> None:
    links = {
        action: ctx.webhook_url(wait="approval", action=action, expires="5d") for action in ("approved", "rejected")
    }
    mail = {"order": ctx.context.get("order"), "subject": subject, "links": links}
    ctx.dependencies.post("mails", mail, key=ctx.idempotency_key)


def charge(ctx: Ctx) -> str:
    """Take the money."""
    charge = {"order": ctx.context.get("order"), "price": ctx.context.get("price"), "approved_by": _who(ctx)}
    return ctx.dependencies.post("charges", charge, key=ctx.idempotency_key)


def refund(ctx: Ctx) -> None:
    """Undo ``charge``."""
    ctx.dependencies.post("refunds", {"charge": ctx.output}, key=ctx.idempotency_key)


def print_document(ctx: Ctx) -> str:
    """Print one document: an item of the batch."""
    document = {"order": ctx.context.get("order"), "document": ctx.input}
    return ctx.dependencies.post("documents", document, key=ctx.idempotency_key)


def ship(ctx: Ctx) -> str:
    """Send all that was printed; the input is the batch's list."""
    shipment = {
        "order": ctx.context.get("order"),
        "address": ctx.context.get("address"),
        "parts": ctx.input,
    }
    return ctx.dependencies.post("shipments", shipment, key=ctx.idempotency_key)


def refuse(ctx: Ctx) -> None:
    """End an order that was rejected."""
    raise OrderRefusedError(f"refused by {_who(ctx)}")


def expire(ctx: Ctx) -> None:
    """End an order for which nobody has answered."""
    raise OrderRefusedError("nobody has answered in time")


def _who(ctx: Ctx) -> str:
    """Who has answered: what came by the link says so, or does not."""
    answer = ctx.input if isinstance(ctx.input, dict) else {}
    return str(answer.get("by", "somebody"))
