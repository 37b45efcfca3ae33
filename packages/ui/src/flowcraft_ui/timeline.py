"""When each instance of a level waited, and when it worked: the bars of a Gantt chart. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import attrs
from flowcraft_core.durations import lasting

from .source import FINAL

if TYPE_CHECKING:
    from flowcraft_core.durable import InstanceDescription, RunDescription

#: The chart is so many units wide, whatever time it covers.
SPAN = 1_000.0
_LEAST = 1.5
_TICKS = (0.001, 0.01, 0.1, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 21_600, 43_200, 86_400)


@attrs.frozen
class Bar:
    """A stretch of time.

    Attributes:
        look: ``queued`` (ready, and nobody was at it), ``suspended`` (a wait, a sleep, a pause before the next
            attempt), ``failed`` (an attempt that failed) or ``work``; ``inside`` for a construct.
        x: Where it begins, of ``SPAN``.
        width: How long it is.
        told: In words.
    """

    look: str
    x: float
    width: float
    told: str


@attrs.frozen
class Line:
    """The bars of an instance."""

    instance: InstanceDescription
    bars: Sequence[Bar]


@attrs.frozen
class Timeline:
    """A chart.

    Attributes:
        lines: One for each instance that has begun to wait or to work.
        begins: Seconds since the epoch.
        ends: Likewise.
        ticks: Where there is a mark, of ``SPAN``, and how many seconds after the beginning that is.
    """

    lines: Sequence[Line]
    begins: float
    ends: float
    ticks: Sequence[tuple[float, float]]


@attrs.frozen
class _Stretch:
    look: str
    begins: float
    ends: float
    what: str


def until(level: RunDescription) -> float:
    """Until when what has not ended has gone on: until the level was read, or the run ended."""
    return level.run.updated if level.run.state in FINAL else level.at


def timeline(level: RunDescription) -> Timeline:
    """The chart of a level."""
    found = [(instance, list(_stretches(instance, level))) for instance in level.instances]
    every = [stretch for _, stretches in found for stretch in stretches]
    begins = min((stretch.begins for stretch in every), default=level.run.created)
    ends = max((stretch.ends for stretch in every), default=begins)
    whole = max(ends - begins, 0.001)
    lines = [
        Line(instance, [_bar(stretch, begins, whole) for stretch in stretches])
        for instance, stretches in found
        if stretches
    ]
    step = next((tick for tick in _TICKS if whole / tick <= 8), whole / 8)
    ticks = [(round(index * step / whole * SPAN, 1), index * step) for index in range(int(whole / step) + 1)]
    return Timeline(lines, begins, begins + whole, ticks)


def queued(instance: InstanceDescription, level: RunDescription) -> float:
    """For how many seconds an instance has waited for a worker, before all its attempts together."""
    return sum(stretch.ends - stretch.begins for stretch in _stretches(instance, level) if stretch.look == "queued")


def _bar(stretch: _Stretch, begins: float, whole: float) -> Bar:
    width = max(_LEAST, (stretch.ends - stretch.begins) / whole * SPAN)
    x = min((stretch.begins - begins) / whole * SPAN, SPAN - width)
    took = stretch.ends - stretch.begins
    return Bar(stretch.look, round(max(0.0, x), 2), round(width, 2), f"{stretch.what}, {lasting(took)}")


def _stretches(instance: InstanceDescription, level: RunDescription) -> Iterator[_Stretch]:
    """What an instance did, one after the other, as far as the facts tell."""
    now, since = until(level), instance.ready_at
    if since is not None and (instance.ended is None or instance.ended >= level.run.created):
        since = max(since, level.run.created)  # in a fork, what leads to it may have ended long before
    suspended = instance.kind in ("wait", "sleep")
    for attempt in instance.failed_attempts:
        if attempt.started is None or attempt.ended is None:
            continue
        yield from _between("queued", since, attempt.started, "waited for a worker")
        if not suspended:
            kind = f"attempt {attempt.number} failed"
            yield from _between("failed", attempt.started, max(attempt.ended, attempt.started), kind)
        due = attempt.retry_at
        next_due = attempt.ended if due is None else max(due, attempt.ended)
        goes_on = min(next_due, now) if instance.ended is None else min(next_due, instance.ended)
        yield from _between("suspended", attempt.ended, goes_on, "paused before the next attempt")
        since = goes_on
    started = instance.started
    if instance.under_way is not None:
        started = instance.under_way.since
    last_failed = instance.failed_attempts[-1].ended if instance.failed_attempts else None
    if started is not None and last_failed is not None and started < last_failed:
        started = None  # that was the attempt before
    is_open = instance.state in ("ready", "running", "waiting", "sleeping")
    if started is None:
        if since is not None and is_open:
            yield from _between("queued", since, now, "waits for a worker")
        return
    yield from _between("queued", since, started, "waited for a worker")
    ended = instance.ended if instance.ended is not None else now if is_open or instance.under_way else None
    if ended is None:
        return
    if suspended:
        yield from _between("suspended", started, ended, "waited" if instance.ended else "waits")
    elif instance.inside is not None:
        yield from _between("inside", started, ended, "its inside")
    else:
        look, what = ("failed", "failed") if instance.state in ("failed", "handled") else ("work", "worked")
        yield _Stretch(look, started, max(started, ended), what if instance.ended else "works")


def _between(look: str, begins: float | None, ends: float, what: str) -> Iterator[_Stretch]:
    if begins is not None and ends > begins:
        yield _Stretch(look, begins, ends, what)
