"""The least that a run can cost: the requests that no engine could leave out which keeps the promises.

What is counted is what a single process could do at best that is given whole batches each time, so that a row can be
near its floor and never below it:

- Each instance gets one outcome, which stands before anything follows from it, and of which exactly one wins: a write
  of its own, put if absent. (A transaction of several is one request, but is billed as twice the writes, and fails as a
  whole when one of them has lost.) A batch has two outcomes beside its items', of its entry and of its gather, and what
  waits is suspended by a write.
- A run can be found, and is pinned to its blueprint, before it begins: its record, its blueprint, its status; and it
  ends once, in its status.
- What others may take on travels by message: a run's first job, and of what a step has set free all but one, which
  whoever ran the step can go on with; and a long chain hands on every so many steps. A message is sent, received,
  and removed once what it caused is durable, or later. Each of these requests serves as many messages as the queue
  lets it.
- Who receives messages knows ids only, and reads once for all that it has received.
- Where several jobs meet at a join, each tells that it is there: one request for as many as a set takes, if all of
  them end at the same time.
- An undo has a record of its own, and so has the stop that it begins with.

Left out is what costs by the hour: looking for messages in vain, heartbeats, the reconciler.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import attrs
from flowcraft_core.durable.sets import WIDTH

#: Instances that one message goes on with, see ``flowcraft_core.durable.Settings``.
_STEPS_PER_MESSAGE = 500


@attrs.frozen
class Batches:
    """How many messages a request of a queue can be for.

    Attributes:
        sent: To be sent.
        received: To be received.
        removed: To be removed.
    """

    sent: int
    received: int
    removed: int


SQS = Batches(10, 10, 10)
QUEUE_STORAGE = Batches(1, 32, 1)
#: As the queue in memory has by default.
MEMORY = SQS


@attrs.frozen(kw_only=True)
class Work:
    """What a run has to get done.

    Attributes:
        outcomes: Instances, and constructs, that end.
        suspended: Instances that are suspended.
        stops: Stops before an undo.
        undone: Instances that are undone.
        set_free: How many instances a step set free at once, for each that set free several.
        meetings: How many jobs meet at a join, for each join.
    """

    outcomes: int
    suspended: int = 0
    stops: int = 0
    undone: int = 0
    set_free: Sequence[int] = ()
    meetings: Sequence[int] = ()


def work_of(shape: str, nodes: int) -> Work:
    """What a run of one of the measured shapes has to get done.

    Raises:
        ValueError: It is none of them.
    """
    match shape:
        case "fan":
            return Work(outcomes=nodes, set_free=[nodes - 2], meetings=[nodes - 2])
        case "batch":
            return Work(outcomes=nodes + 2, set_free=[nodes - 1], meetings=[nodes - 1])
        case "batch, 20 lanes":
            return Work(outcomes=nodes + 2, set_free=[20], meetings=[20])
        case "answered early":
            return Work(outcomes=nodes, suspended=nodes // 2)
        case "diamonds" | "diamonds, doubled":
            each = [2] * ((nodes - 1) // 3)
            return Work(outcomes=nodes, set_free=each, meetings=each)
        case "undo chain":
            return Work(outcomes=nodes, stops=1, undone=nodes - 1)
        case "chain" | "chain of 4 KB" | "chain, caught" | "failing chain":
            return Work(outcomes=nodes)
    raise ValueError(f"there is no floor for {shape!r}")


def requests(work: Work, batches: Batches) -> dict[str, int]:
    """The requests that it takes at least, by what they are for."""
    handed_on = [1] * ((work.outcomes - 1) // _STEPS_PER_MESSAGE) if not work.set_free else []
    sent = [1, *(free - 1 for free in work.set_free), *handed_on]
    received = sum(math.ceil(each / batches.received) for each in sent)
    wanted = {
        "outcomes": work.outcomes,
        "suspended": work.suspended,
        "stops and undos": work.stops + work.undone,
        "record, blueprint, status, its end": 4,
        "messages sent": sum(math.ceil(each / batches.sent) for each in sent),
        "messages received": received,
        "messages removed": math.ceil(sum(sent) / batches.removed),
        "read for what was received": received,
        "arrivals at joins": sum(math.ceil(each / WIDTH) for each in work.meetings),
    }
    return {name: number for name, number in wanted.items() if number}


def with_floor(row: dict[str, Any], batches: Batches) -> dict[str, Any]:
    """A row of ``cost`` with its floor, and how far it is above it."""
    nodes = row["nodes"]
    least = requests(work_of(row["shape"], nodes), batches)
    floor = sum(least.values()) / nodes
    return {**row, "floor": least, "floor_per_node": floor, "over_floor": row["requests_per_node"] / floor}


def floor_text(row: dict[str, Any]) -> str:
    """A row's floor, for people: with what it consists of."""
    parts = ", ".join(f"{number} {name}" for name, number in row["floor"].items())
    return f"{row['shape']:<18} {row['over_floor']:>5.2f} times its floor of {row['floor_per_node']:.2f}: {parts}"
