"""What a client tells of runs."""

from __future__ import annotations

from typing import Any

import attrs

from ..graph.facts import NodeError
from ..ports import State


@attrs.frozen
class Started:
    """What ``Client.start`` gives.

    Attributes:
        run_id: The run.
        created: Whether this call started it; False if a run of that id was there already.
    """

    run_id: str
    created: bool


@attrs.frozen
class StoredResult:
    """How a stored run ended, or where it stands.

    Attributes:
        run_id: The run.
        status: Its state.
        outputs: Each node's output so far, by node id, as in ``RunResult``.
        context: The context values so far, by name.
        errors: Why it failed: the failures that nothing contained.
        reason: The status's reason, for people.
        steps: How many steps have an outcome; those that lost a race and ended all the same are left out.
    """

    run_id: str
    status: State
    outputs: dict[str, Any]
    context: dict[str, Any]
    errors: tuple[NodeError, ...]
    reason: str | None
    steps: int
