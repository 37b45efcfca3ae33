"""Workers tell what is under way with them, and what they pass on: now and then, and of nothing that is short."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from typing import TYPE_CHECKING

import attrs

from ...clock import Clock
from ...errors import BackendError
from ...ports import CoordinationStore
from .board import Board
from .hints import note_of_passing_on, note_of_work, pattern_of
from .said import PassedOn, UnderWay

if TYPE_CHECKING:
    from ..engine import Engine

#: How often what goes on is said again, seconds.
SAID_EVERY = 20.0

# Of so many runs, or nodes, it is kept when they were last told of.
_KEPT = 10_000


def board_of(store: CoordinationStore, incarnation: str) -> Board:
    """Where workers tell of a run.

    Args:
        store: The coordination store.
        incarnation: Of the run, see ``RunRecord``.
    """
    return Board(store, f"run:{incarnation}", SAID_EVERY)


@attrs.define
class AtWork:
    """Tells, in a worker's name, of steps that have been at work for longer than a moment.

    A worker that has none makes no request. Of one run it leaves a note (two requests) when such a step has begun, when
    one says something new of its progress, and each ``SAID_EVERY`` seconds as long as there are any.

    Attributes:
        store: Where notes are left.
        worker: The worker's name.
        clock: Tells the time.
        moment: Seconds.
    """

    store: CoordinationStore
    worker: str
    clock: Clock
    moment: float
    _told: dict[str, tuple[float, object]] = attrs.field(factory=dict)

    async def tell(self, engines: Iterable[Engine]) -> None:
        """Tell what is to be told of the steps that these are at."""
        now = self.clock.now()
        by_incarnation: dict[str, list[UnderWay]] = {}
        for engine in engines:
            steps = [step for step in self._steps(engine, now) if now - step.since >= self.moment]
            if steps:
                by_incarnation.setdefault(engine.view.record.incarnation, []).extend(steps)
        for incarnation in self._told.keys() - by_incarnation:
            del self._told[incarnation]  # their outcomes and suspensions tell that they have ended
        for incarnation, steps in by_incarnation.items():
            note = note_of_work(self.worker, steps, now)
            told_at, told = self._told.get(incarnation, (0.0, None))
            if note["at"] != told or now - told_at >= SAID_EVERY:
                await board_of(self.store, incarnation).leave(note, now)
                self._told[incarnation] = now, note["at"]

    def _steps(self, engine: Engine, now: float) -> list[UnderWay]:
        steps = []
        for context in tuple(engine.executor.under_way):
            fraction, message = context._said or (None, None)
            steps.append(
                UnderWay(
                    key=context.key,
                    worker=self.worker,
                    since=context._since,
                    attempt=context.attempt,
                    seen=now,
                    fraction=fraction,
                    message=message,
                )
            )
        return steps


@attrs.define
class PassingOn:
    """Tells of jobs that are passed on: of those of one node as often as of a step that is at work.

    Attributes:
        store: Where notes are left.
        worker: In whose name.
        clock: Tells the time.
    """

    store: CoordinationStore
    worker: str
    clock: Clock
    _told: dict[tuple[str, str], float] = attrs.field(factory=dict)

    async def tell(self, incarnation: str, key: str, node_id: str, reason: str, since: float) -> None:
        """Tell of one; what cannot be told now is told with the next.

        Args:
            incarnation: Of the run, see ``RunRecord``.
            key: The instance.
            node_id: Its node.
            reason: Why it is passed on.
            since: When its job was first passed on.
        """
        now, what = self.clock.now(), (incarnation, pattern_of(key))
        if now - self._told.get(what, 0.0) < SAID_EVERY:
            return
        if len(self._told) >= _KEPT:
            self._told.clear()
        self._told[what] = now
        told = PassedOn(key=key, node_id=node_id, reason=reason, since=since, worker=self.worker, seen=now)
        with contextlib.suppress(BackendError):
            await board_of(self.store, incarnation).leave(note_of_passing_on(told), now)
