"""Shows how far a run is, from the events that it sends."""

from __future__ import annotations

from types import TracebackType

from flowcraft_core import Event
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

# Seconds between two looks at the bar. To draw each event would slow the run down, and nobody could see it.
_PAUSE = 0.05


class Watch:
    """An event sink that draws a live bar on a terminal, and elsewhere prints a line now and then.

    Attributes:
        steps: How many steps have completed so far.
        retries: How many attempts have failed so far and will be made again.
    """

    def __init__(self, files: int, console: Console) -> None:
        """Draw nothing yet.

        Args:
            files: How many files there will be.
            console: Where to draw.
        """
        self._files = files
        self._console = console
        self.steps = self.retries = 0
        self._done = self._passes = 0
        self._looked = 0.0
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

    def __enter__(self) -> Watch:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def __call__(self, event: Event) -> None:
        """Count an event, and show it if it is time."""
        if event.kind == "parked":
            self.retries += 1  # nothing in this flow waits but for another attempt
        elif event.kind == "completed" and event.is_step:
            self.steps += 1
            if event.node_id == "record":
                self._file_is_done()
            elif event.node_id == "spread":
                self._passes += 1
        if event.time >= self._looked + _PAUSE:
            self._looked = event.time
            self._bar.update(
                self._task,
                description=f"ranking, pass {self._passes}" if self._passes else "measuring",
                completed=self._done,
                steps=self.steps,
                retries=self.retries,
            )

    def _file_is_done(self) -> None:
        self._done += 1
        quarter = self._done * 4 // self._files
        if quarter > (self._done - 1) * 4 // self._files and not self._console.is_terminal:
            self._console.print(f"{self._done:,} of {self._files:,} files", highlight=False)
