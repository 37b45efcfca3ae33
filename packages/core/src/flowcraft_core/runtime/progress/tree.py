"""A run's nodes as a tree in a terminal, drawn by rich."""

from __future__ import annotations

import time
from collections.abc import Mapping

from rich.console import Console
from rich.live import Live
from rich.text import Text
from rich.tree import Tree

from ...durations import lasting
from ...events import Event
from ..run import Run
from .rows import Row, Rows

_STYLES = {"running": "cyan", "completed": "green", "failed": "red", "handled": "yellow", "suspended": "yellow"}
_MARKS = {"running": "●", "completed": "✓", "failed": "✗", "handled": "✗", "suspended": "◌"}


def tree_of(title: str, rows: Mapping[str, Row], now: float) -> Tree:
    """All of it, drawn as it is at a time."""
    tree = Tree(Text(title, "bold"), guide_style="dim")
    _grow(tree, rows, now)
    return tree


def text_of(row: Row, now: float) -> Text:
    """A node on one line: mark, name, counts if there are several instances, and time."""
    state, total = row.state, sum(row.states.values())
    text = Text.assemble((f"{_MARKS[state]} ", _STYLES[state]), (row.name, "bold" if state == "running" else ""))
    if total > 1:
        text.append(f"  {row.states.get('completed', 0)}/{total}", "dim")
        if failed := row.states.get("failed"):
            text.append(f"  {failed} failed", "red")
    if row.attempts:
        text.append(f"  {row.attempts} tried again", "yellow")
    if row.first is not None:
        end = now if row.states.get("running") else row.last
        text.append(f"  {lasting(max(0.0, end - row.first))}", "dim")
    if state == "suspended" and row.states.get("suspended"):
        text.append("  waits", "yellow")
    return text


def _grow(tree: Tree, rows: Mapping[str, Row], now: float) -> None:
    for row in list(rows.values()):  # a copy: another thread draws it
        _grow(tree.add(text_of(row, now)), row.inside, now)


class TreeDisplay:
    """Shows a run on standard error, and what its steps print above that."""

    def __init__(self) -> None:
        self._rows = Rows()
        self._title = ""
        self._live = Live(self, console=Console(stderr=True), refresh_per_second=8)

    def begin(self, run: Run) -> None:
        """The run begins."""
        self._title = f"{run.graph.blueprint.id}  {run.run_id}"
        self._live.start()

    def __call__(self, event: Event) -> None:
        """Something has happened in it."""
        if event.key:
            self._rows.take(event)

    def show(self) -> None:
        """It draws itself."""

    def end(self) -> None:
        """The run has ended, or is left."""
        self._live.stop()

    def __rich__(self) -> Tree:
        """As it is at this moment."""
        return tree_of(self._title, self._rows.rows, time.time())
