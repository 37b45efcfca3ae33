"""Which waits of a drawn flow are answered before the run comes to them, if it ever does, and when."""

from __future__ import annotations

from collections.abc import Iterator

from ..simulation.dice import Dice
from .flows import Batch, Call, Flow, Loop, Wait

# So many passes of a loop and items of a batch are thought of; there may be fewer, and the rest is never asked for.
_INSIDES = 3

# Of one flow, so many waits at most.
_MOST = 20

# Seconds from the run's start; not at all is the harmless one.
_WHEN = (None, None, 0.0, 1.0, 20.0)


def early_answers(flow: Flow, dice: Dice) -> list[tuple[str, Wait, float]]:
    """Who is answered early: the wait's key, the wait, and when, in seconds from the start."""
    found: list[tuple[str, Wait, float]] = []
    if not dice.chance("early", 0.5):
        return found
    for key, wait in _waits(flow, ""):
        when = dice.one_of(f"early {key}", _WHEN)
        if when is not None and len(found) < _MOST:
            found.append((key, wait, when))
    return found


def _waits(flow: Flow, prefix: str) -> Iterator[tuple[str, Wait]]:
    for node in flow.nodes:
        match node:
            case Wait():
                yield prefix + node.id, node
            case Loop(body=inner):
                for index in range(_INSIDES):
                    yield from _waits(inner, f"{prefix}{node.id}[{index}].")
            case Batch(worker=Flow() as inner):
                for index in range(_INSIDES):
                    yield from _waits(inner, f"{prefix}{node.id}[{index}]/")
            case Call(flow=inner):
                yield from _waits(inner, f"{prefix}{node.id}/")
