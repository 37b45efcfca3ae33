"""What the events of a run add up to: a row for each node, with those inside it. Pure."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import attrs

from ...events import (
    Event,
    NodeCompleted,
    NodeEvent,
    NodeFailed,
    NodeHandled,
    NodeProgressed,
    NodeRetried,
    NodeStarted,
    NodeSuspended,
    NodeUndone,
    RunEnded,
)

_INDEX = re.compile(r"\[\d+\]")
_PARTS = re.compile(r"[./]")
_LONGEST = 80

# What an event says of where an instance stands.
_STATES: dict[type[NodeEvent], str] = {
    NodeStarted: "running",
    NodeCompleted: "completed",
    NodeFailed: "failed",
    NodeHandled: "handled",
    NodeRetried: "suspended",
    NodeSuspended: "suspended",
}


@attrs.define
class Row:
    """What is known of all instances of one node.

    Attributes:
        name: The node's id.
        states: How many instances are in each state: ``running``, ``completed``, ``failed``, ``handled``,
        ``suspended``.
        first: When the first of them began.
        last: When something was last heard of them.
        attempts: Attempts beyond the first of each instance.
        inside: The nodes inside, by id.
        said: The state, where it is known otherwise than from the instances.
    """

    name: str
    states: dict[str, int] = attrs.field(factory=dict)
    first: float | None = None
    last: float = 0.0
    attempts: int = 0
    inside: dict[str, Row] = attrs.field(factory=dict)
    said: str | None = None

    @property
    def state(self) -> str:
        """The state that people want to know of first."""
        if self.said is not None:
            return self.said
        for state in ("running", "failed", "suspended", "handled", "completed"):
            if self.states.get(state):
                return state
        return "running" if self.inside else "suspended"


@attrs.define
class Rows:
    """The nodes of a run.

    Attributes:
        rows: By id, those of the run's own flow.
    """

    rows: dict[str, Row] = attrs.field(factory=dict)
    _states: dict[str, str] = attrs.field(factory=dict)

    def take(self, event: Event) -> None:
        """Take an event that is an instance's."""
        if isinstance(event, NodeEvent) and (state := _STATES.get(type(event))) is not None:
            self.note(event.key, state, event.time, event.attempt)

    def note(self, key: str, state: str, when: float, attempt: int = 1) -> None:
        """An instance is in a state now."""
        row = self._row(key)
        before = self._states.get(key)
        if before is not None:
            row.states[before] -= 1
        if state == "running" and attempt > 1:
            row.attempts += 1
        row.states[state] = row.states.get(state, 0) + 1
        row.first = when if row.first is None else min(row.first, when)
        row.last = max(row.last, when)
        self._states[key] = state

    def _row(self, key: str) -> Row:
        rows, row = self.rows, Row("")
        for part in _PARTS.split(_INDEX.sub("", key)):
            row = rows.setdefault(part, Row(part))
            rows = row.inside
        return row


def line_of(event: Event) -> str:
    """An event on a line, for people: when, what, of which instance."""
    when = f"{datetime.fromtimestamp(event.time, UTC):%Y-%m-%d %H:%M:%S}"
    detail = "".join(character if character.isprintable() else " " for character in _detail(event))
    cut = detail if len(detail) <= _LONGEST else f"{detail[: _LONGEST - 1]}…"
    return f"{when}  {event.kind:9}  {event.key}  {cut}".rstrip()


def is_told(event: Event) -> bool:
    """Whether there is a line for it: for whatever happens in a step after its start."""
    return isinstance(event, NodeEvent) and event.is_step and not isinstance(event, NodeStarted)


def _detail(event: Event) -> str:
    match event:
        case NodeFailed(error=error) | NodeHandled(error=error) | NodeRetried(error=error):
            return str(error)
        case NodeUndone(error=error):
            return "" if error is None else str(error)
        case NodeCompleted(action=action):
            return action or ""
        case NodeSuspended(waits_for=what):
            return what
        case NodeProgressed(message=message):
            return message or ""
        case RunEnded(status=status):
            return status
    return ""
