"""Workers tell that they live: a note each minute, for people. Nothing rests on it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any, Literal

import attrs

from ...catalogue import Catalogue
from ...ids import whereabouts
from ...ports import Backend, CoordinationStore
from ...texts import safe_text
from ..worker_log import flows_of, name_of, own_version
from . import PAGE
from .board import Board
from .said import WorkerDescription

# Of each text so many characters are told.
_LONGEST = 200


def workers_board(store: CoordinationStore) -> Board:
    """Where workers tell of themselves."""
    return Board(store, "workers", PAGE)


@attrs.define
class Heartbeat:
    """Tells of one worker.

    Attributes:
        board: Where.
        about: What it says; what changes is filled in at each beat.
        has_beaten: Whether it has told anything yet.
    """

    board: Board
    about: WorkerDescription
    has_beaten: bool = False

    @classmethod
    def of(
        cls,
        name: str,
        backend: Backend,
        queues: Iterable[str],
        catalogue: Catalogue,
        *,
        concurrency: int,
        interval: float,
        now: float,
    ) -> Heartbeat:
        """A worker's, which begins now."""
        host, pid = whereabouts()
        about = WorkerDescription(
            name=name,
            host=safe_text(host, _LONGEST),
            pid=pid,
            version=own_version(),
            backend=safe_text(name_of(backend, type(backend).__name__), _LONGEST),
            queues=tuple(queues),
            flows=tuple(safe_text(flow, _LONGEST) for flow in flows_of(catalogue)),
            concurrency=concurrency,
            busy=0,
            held=0,
            since=now,
            seen=now,
            interval=interval,
        )
        return cls(workers_board(backend.coordination), about)

    async def beat(
        self, now: float, *, busy: int, held: int, state: Literal["working", "stopping", "stopped"] = "working"
    ) -> None:
        """Tell that it lives, or that it is about to end: two requests."""
        note = attrs.asdict(attrs.evolve(self.about, seen=now, busy=busy, held=held, state=state))
        await self.board.leave(note, now, ttl=max(3 * PAGE, 3 * self.about.interval))
        self.has_beaten = True


async def living(store: CoordinationStore, now: float, within: float) -> list[WorkerDescription]:
    """The workers that have told of themselves lately and have not ended since, by host, process and name.

    Args:
        store: Where they tell.
        now: Seconds since the epoch.
        within: How long ago it may have been, seconds.
    """
    return latest(await workers_board(store).read(now, within=within), since=now - within)


def latest(notes: Iterable[Mapping[str, Any]], *, since: float) -> list[WorkerDescription]:
    """What each worker said last, of those that have not ended. Pure."""
    found: dict[str, WorkerDescription] = {}
    for note in notes:
        told = _read(note)
        if told is not None and told.seen >= since and (told.name not in found or _is_later(told, found[told.name])):
            found[told.name] = told
    working = (each for each in found.values() if each.state != "stopped")
    return sorted(working, key=lambda each: (each.host, each.pid, each.since, each.name))


def _is_later(told: WorkerDescription, before: WorkerDescription) -> bool:
    return (told.seen, told.state == "stopped") >= (before.seen, before.state == "stopped")


def _read(note: Mapping[str, Any]) -> WorkerDescription | None:
    """What a note says; None if it is none that a worker leaves."""
    texts = [note.get(name) for name in ("name", "host", "version", "backend")]
    numbers = [note.get(name) for name in ("pid", "concurrency", "busy", "held", "since", "seen", "interval")]
    lists = [note.get(name) for name in ("queues", "flows")]
    state = note.get("state")
    if not (
        all(isinstance(text, str) for text in texts)
        and all(isinstance(number, (int, float)) and math.isfinite(number) for number in numbers)
        and all(isinstance(each, list) and all(isinstance(text, str) for text in each) for each in lists)
        and state in ("working", "stopping", "stopped")
    ):
        return None
    return WorkerDescription(
        name=note["name"],
        host=note["host"],
        pid=int(note["pid"]),
        version=note["version"],
        backend=note["backend"],
        queues=tuple(note["queues"]),
        flows=tuple(note["flows"]),
        concurrency=int(note["concurrency"]),
        busy=int(note["busy"]),
        held=int(note["held"]),
        since=float(note["since"]),
        seen=float(note["seen"]),
        interval=float(note["interval"]),
        state=state,
    )
