"""What is seen of a run while it is under way: a tree of its nodes on a terminal, else a line for each thing."""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Iterator

import attrs
from flowcraft_core import Event
from flowcraft_core.durable import RunDescription
from flowcraft_core.durations import lasting
from rich.console import Console
from rich.live import Live
from rich.text import Text
from rich.tree import Tree

from .output import Output, brief, moment

_INDEX = re.compile(r"\[\d+\]")
_PARTS = re.compile(r"[./]")
_STYLES = {"running": "cyan", "completed": "green", "failed": "red", "handled": "yellow", "parked": "yellow"}
# Those of a description that are shown, in the words of events.
_STATES = {
    "done": "completed",
    "failed": "failed",
    "handled": "handled",
    "blocked": "failed",
    "running": "running",
    "ready": "running",
    "waiting": "parked",
    "sleeping": "parked",
    "retrying": "parked",
}
_MARKS = {"running": "●", "completed": "✓", "failed": "✗", "handled": "✗", "parked": "◌"}


@attrs.define
class Row:
    """What is known of all instances of one node.

    Attributes:
        name: The node's id.
        states: How many instances are in each state.
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
        for state in ("running", "failed", "parked", "handled", "completed"):
            if self.states.get(state):
                return state
        return "running" if self.inside else "parked"

    def text(self, now: float) -> Text:
        """The node on one line: mark, name, counts if there are several instances, and time."""
        state, total = self.state, sum(self.states.values())
        text = Text.assemble((f"{_MARKS[state]} ", _STYLES[state]), (self.name, "bold" if state == "running" else ""))
        if total > 1:
            text.append(f"  {self.states.get('completed', 0)}/{total}", "dim")
            if failed := self.states.get("failed"):
                text.append(f"  {failed} failed", "red")
        if self.attempts:
            text.append(f"  {self.attempts} tried again", "yellow")
        if self.first is not None:
            end = now if self.states.get("running") else self.last
            text.append(f"  {lasting(max(0.0, end - self.first))}", "dim")
        if state == "parked" and self.states.get("parked"):
            text.append("  waits", "yellow")
        return text


@attrs.define
class Progress:
    """What the events of a run add up to; an ``EventSink``.

    Attributes:
        title: What stands above.
        out: Where lines go, where nothing is drawn.
        run_id: The run that is looked at; None for every one.
    """

    title: str
    out: Output
    run_id: str | None = None
    rows: dict[str, Row] = attrs.field(factory=dict)
    _states: dict[str, str] = attrs.field(factory=dict)
    _draws: bool = False

    def __call__(self, event: Event) -> None:
        """Take an event."""
        if self.run_id not in (None, event.run_id) or not event.key:
            return
        self.note(event.key, "running" if event.kind == "started" else event.kind, event.time, event.attempt)
        if not self._draws and event.is_step and event.kind != "started":
            self.out.say(f"{moment(event.time)}  {event.kind:9}  {event.key}  {brief(event.detail or '')}".rstrip())

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

    def take(self, found: RunDescription) -> None:
        """Take what a backend says of a run: its nodes, those inside constructs counted."""
        self.title = f"{found.run.blueprint_id}  {found.run.run_id}  {found.run.state}"
        for instance in found.instances:
            state = _STATES.get(instance.state)
            if state is None:
                continue
            row = self.rows.setdefault(instance.key, Row(instance.key))
            row.said, row.states = state, {state: 1}
            if instance.under_way is not None or instance.standing == "next":
                row.said = "running" if instance.under_way is not None else "parked"
            if instance.inside is not None:
                row.states = {
                    "completed": instance.inside.ended,
                    "running": instance.inside.scopes - instance.inside.ended,
                }
            row.attempts = max(0, instance.attempts - 1)
            row.first = instance.started
            row.last = instance.ended or found.at

    def tree(self, now: float) -> Tree:
        """All of it, drawn."""
        tree = Tree(Text(self.title, "bold"), guide_style="dim")
        _grow(tree, self.rows, now)
        return tree

    def __rich__(self) -> Tree:
        """As it is at this moment."""
        return self.tree(time.time())

    @contextlib.contextmanager
    def shown(self) -> Iterator[Console | None]:
        """Draw it within the block, if this is a terminal; gives the console that draws."""
        if not self.out.is_terminal:
            yield None
            return
        self._draws = True
        with Live(self, refresh_per_second=8, redirect_stderr=False) as live:
            yield live.console

    def _row(self, key: str) -> Row:
        parts = _PARTS.split(_INDEX.sub("", key))
        rows, row = self.rows, Row("")
        for part in parts:
            row = rows.setdefault(part, Row(part))
            rows = row.inside
        return row


def _grow(tree: Tree, rows: dict[str, Row], now: float) -> None:
    for row in rows.values():
        _grow(tree.add(row.text(now)), row.inside, now)
