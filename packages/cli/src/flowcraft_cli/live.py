"""What is seen of a run while it is under way: a tree of its nodes on a terminal, else a line for each thing."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator

import attrs
from flowcraft_core import Event
from flowcraft_core.durable import RunDescription
from flowcraft_core.runtime.progress.rows import Row, Rows, is_told, line_of
from flowcraft_core.runtime.progress.tree import tree_of
from rich.console import Console
from rich.live import Live
from rich.tree import Tree

from .output import Output, one_line

# Those of a description that are shown, in the words of events.
_STATES = {
    "done": "completed",
    "failed": "failed",
    "handled": "handled",
    "blocked": "failed",
    "running": "running",
    "ready": "running",
    "waiting": "suspended",
    "sleeping": "suspended",
    "retrying": "suspended",
}


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
    rows: Rows = attrs.field(factory=Rows)
    _draws: bool = False

    def __call__(self, event: Event) -> None:
        """Take an event."""
        if self.run_id not in (None, event.run_id) or not event.key:
            return
        self.rows.take(event)
        if not self._draws and is_told(event):
            self.out.say(line_of(event))

    def take(self, found: RunDescription) -> None:
        """Take what a backend says of a run: its nodes, those inside constructs counted."""
        self.title = one_line(f"{found.run.blueprint_id}  {found.run.run_id}  {found.run.state}")
        for instance in found.instances:
            state = _STATES.get(instance.state)
            if state is None:
                continue
            row = self.rows.rows.setdefault(instance.key, Row(instance.key))
            row.said, row.states = state, {state: 1}
            if instance.under_way is not None or instance.standing == "next":
                row.said = "running" if instance.under_way is not None else "suspended"
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
        return tree_of(self.title, self.rows.rows, now)

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
