"""Who listens to a run. What makes its events is loaded with the first run that somebody listens to."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..clock import Clock
    from ..events import Event, EventSink
    from ..observing import Observer
    from .emitter import Emitter


def emitter_of(sink: EventSink | None, observer: Observer | None, run_id: str, clock: Clock) -> Emitter | None:
    """What tells of a run, see ``Emitter``; None if nobody listens."""
    if sink is None and observer is None:
        return None
    from .emitter import Emitter  # noqa: PLC0415 # makes a class for each kind of event, of which most runs tell nobody

    return Emitter(sink, observer, run_id, clock)


def both(one: EventSink | None, other: EventSink | None) -> EventSink | None:
    """One sink for both, whichever of them raises."""
    if one is None or other is None:
        return one or other

    def take(event: Event) -> None:
        try:
            one(event)
        finally:
            other(event)

    return take
