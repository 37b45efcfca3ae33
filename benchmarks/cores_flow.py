"""The flow that ``cores`` runs: a chain whose steps keep the processor busy for some milliseconds each."""

from __future__ import annotations

import hashlib
from typing import Any

from flowcraft_core import NodeContext
from shapes import flow_of

STEPS = 10
_BUSY = 250
_BLOCK = b"x" * 4_096


async def busy(ctx: NodeContext[Any, Any]) -> str:
    """A step that computes, in the event loop: with nobody else it takes some milliseconds."""
    digest = hashlib.sha256()
    for _ in range(_BUSY):
        digest.update(_BLOCK)
    return digest.hexdigest()


flow = flow_of("chain", STEPS, busy)
