"""An order, from its reservation to its shipment: the graph. What its nodes do is in ``order_steps``."""

from __future__ import annotations

from collections.abc import Sequence

import order_steps as steps
from flowcraft_core import FlowBuilder, Limit, RetryPolicy, create_flow
from flowcraft_core.durations import Duration

#: The printer takes five documents at a time, whosever they are: over all orders and all workers.
PRINTER = Limit("printer", concurrency=5)

#: Other services are tried again for some minutes before a step has failed.
PATIENT = RetryPolicy(delays=("1s", "5s", "30s", "2m"))


def order(*, remind_after: Sequence[Duration] = ("1d", "2d"), timeout: Duration = "5d") -> FlowBuilder:
    """The flow of an order. Its context has ``order``, an id; ``documents``, a list; ``price``; and ``address``.

    Args:
        remind_after: How long after the question somebody is reminded of it, and how long after that again.
        timeout: How long after the question the order expires.
    """
    return (
        create_flow("order")
        .node("reserve", steps.reserve, undo="release", retries=PATIENT)
        .node("ask", steps.ask, retries=PATIENT)
        .wait("approval", timeout=timeout, remind=steps.remind, remind_after=remind_after)
        .node("charge", steps.charge, undo="refund", retries=PATIENT)
        .batch("print", steps.print_document, items="documents", concurrency=5, limit="printer", retries=PATIENT)
        .node("ship", steps.ship, retries=PATIENT)
        .node("refuse", steps.refuse)
        .node("expire", steps.expire)
        # What takes things back if a later step fails for good; no edge leads there.
        .node("release", steps.release, retries=PATIENT)
        .node("refund", steps.refund, retries=PATIENT)
        .edge("reserve", "ask")
        .edge("ask", "approval")
        .edge("approval", "charge", action="approved")
        .edge("approval", "refuse", action="rejected")
        .edge("approval", "expire", action="timeout")
        .edge("charge", "print")
        .edge("print", "ship")
    )
