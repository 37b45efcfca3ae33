"""Shows how far a run is: from its events if it is in this process, from its facts in the file if it is in others."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from types import TracebackType
from typing import NamedTuple

from flowcraft_core import Event
from flowcraft_core.events import NodeCompleted, NodeRetried
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

# Seconds between two looks at the bar. To draw each event would slow the run down, and nobody could see it.
_PAUSE = 0.05


class Counts(NamedTuple):
    """How far a run is.

    Attributes:
        files: How many files are done.
        steps: How many steps have completed.
        retries: How many attempts have failed that were made again, or will be.
        passes: How many passes the ranking has made.
    """

    files: int = 0
    steps: int = 0
    retries: int = 0
    passes: int = 0


class Bar:
    """A live bar on a terminal, and elsewhere a line now and then."""

    def __init__(self, files: int, console: Console) -> None:
        """Draw nothing yet.

        Args:
            files: How many files there will be.
            console: Where to draw.
        """
        self._files = files
        self._console = console
        self._quarter = 0
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("files, {task.fields[steps]:,} steps, retried: {task.fields[retries]}"),
            TimeElapsedColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._task = self._bar.add_task("measuring", total=files, steps=0, retries=0)

    def __enter__(self) -> Bar:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def show(self, counts: Counts) -> None:
        """Draw how far the run is."""
        self._bar.update(
            self._task,
            description=f"ranking, pass {counts.passes}" if counts.passes else "measuring",
            completed=counts.files,
            steps=counts.steps,
            retries=counts.retries,
        )
        quarter = counts.files * 4 // max(1, self._files)
        if quarter > self._quarter and not self._console.is_terminal:
            self.say(f"{counts.files:,} of {self._files:,} files")
        self._quarter = quarter

    def say(self, text: str) -> None:
        """Print a line, above the bar if there is one."""
        self._console.print(text, highlight=False)


class Watch:
    """An event sink that shows a run in this process on a bar.

    Attributes:
        counts: How far the run is.
    """

    def __init__(self, bar: Bar) -> None:
        """Draw nothing yet.

        Args:
            bar: Where to draw.
        """
        self.counts = Counts()
        self._bar = bar
        self._looked = 0.0

    def __call__(self, event: Event) -> None:
        """Count an event, and show it if it is time."""
        files, steps, retries, passes = self.counts
        if isinstance(event, NodeRetried):
            retries += 1
        elif isinstance(event, NodeCompleted) and event.is_step:
            steps += 1
            files += event.node_id == "record"
            passes += event.node_id == "spread"
        is_file = files > self.counts.files
        self.counts = Counts(files, steps, retries, passes)
        if is_file or event.time >= self._looked + _PAUSE:
            self._looked = event.time
            self._bar.show(self.counts)


class Ledger:
    """Counts a run's facts in a file that others write to. It only reads, keeps nobody waiting, and takes milliseconds.

    A client could tell too how far a run is, but it would read all that the steps have handed on; here keys will do.
    The key of a fact is that of its instance, as ``files[17]/record``; a failed attempt's ends with ``:attempt:1``.
    """

    def __init__(self, connection: sqlite3.Connection, run_id: str) -> None:
        """Count nothing yet.

        Args:
            connection: To the file.
            run_id: The run.
        """
        self._connection = connection
        self._run_id = run_id
        self._redelivered: set[int] = set()

    @classmethod
    @contextmanager
    def open(cls, path: str, run_id: str) -> Iterator[Ledger]:
        """The ledger of a run in a file that exists.

        Args:
            path: The file.
            run_id: The run.
        """
        with closing(sqlite3.connect(f"{Path(path).absolute().as_uri()}?mode=ro", uri=True)) as connection:
            yield cls(connection, run_id)

    def counts(self) -> Counts:
        """How far the run is."""
        # A step of this flow that has ended has a key without a colon that does not end with a bracket, as the verdicts
        # of the loop do, and is not called like the batch or the subflow, whose results those are.
        row = self._connection.execute(
            """
            SELECT
                count(*) FILTER (WHERE key LIKE 'files[%]/record'),
                count(*) FILTER (
                    WHERE NOT (key LIKE '%:%' OR key LIKE '%]' OR key IN ('files', 'rank', 'rank/settle'))
                ),
                count(*) FILTER (WHERE key LIKE '%:attempt:%'),
                count(*) FILTER (WHERE key LIKE 'rank/settle[%].spread')
            FROM facts WHERE run_id = ?
            """,
            (self._run_id,),
        ).fetchone()
        return Counts(*row)

    def redelivered(self) -> int:
        """How many jobs have been seen so far, by looks like this one, that were delivered more than once."""
        self._redelivered.update(id_ for (id_,) in self._connection.execute("SELECT id FROM jobs WHERE deliveries > 1"))
        return len(self._redelivered)
