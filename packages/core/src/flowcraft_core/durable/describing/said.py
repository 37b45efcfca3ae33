"""What workers say, for people: of the steps that they are at, of what they pass on, and of themselves. Hints.

What is told of runs from such hints and from facts is in ``shapes``, which no worker needs.
"""

from __future__ import annotations

from typing import Literal

import attrs


@attrs.frozen(kw_only=True)
class UnderWay:
    """A step that has been at work for longer than a moment, as its worker last said. A hint.

    Attributes:
        key: The instance.
        worker: The worker's name, as in its log and in ``Client.workers``.
        since: When the attempt began, seconds since the epoch.
        attempt: Which attempt it is.
        seen: When the worker said so.
        fraction: How far the step says that it is, from 0 to 1; None if it has not said.
        message: What else it says of its progress.
    """

    key: str
    worker: str
    since: float
    attempt: int
    seen: float
    fraction: float | None = None
    message: str | None = None


@attrs.frozen(kw_only=True)
class PassedOn:
    """A node whose jobs workers pass on, since they cannot do them now. A hint, said of all instances of the node.

    Attributes:
        node_id: The node.
        reason: Why: which step is missing, say.
        since: When the job that was passed on last was first passed on, or somewhat later: by what it has waited since.
        worker: Who has passed it on last.
        seen: When.
        key: The instance that was passed on last.
    """

    node_id: str
    reason: str
    since: float
    worker: str
    seen: float
    key: str


@attrs.frozen(kw_only=True)
class WorkerDescription:
    """A worker, as it last said. A hint: see ``Client.workers``.

    Attributes:
        name: Its name, as in its log.
        host: The machine's name.
        pid: The process.
        version: Of flowcraft-core.
        backend: Where it works, without secrets.
        queues: The names of the queues that it serves, in the order of their priority.
        flows: The flows that it brings, each with its author's version or the beginning of its blueprint's hash.
        concurrency: How many steps it runs at once.
        busy: How many it is at.
        held: How many jobs it holds, those included.
        since: When it began, seconds since the epoch.
        seen: When it said so.
        interval: How often it says so, seconds.
        state: ``working``, ``stopping`` (it takes no more jobs), or ``stopped``.
    """

    name: str
    host: str
    pid: int
    version: str
    backend: str
    queues: tuple[str, ...]
    flows: tuple[str, ...]
    concurrency: int
    busy: int
    held: int
    since: float
    seen: float
    interval: float
    state: Literal["working", "stopping", "stopped"] = "working"
