"""A run's picture in a notebook, drawn again as the run goes on."""

from __future__ import annotations

import time
from typing import Any

from ...errors import FlowcraftError
from ...events import Event
from ..run import Run

# A picture is drawn again and again, so it takes less to be too much; then a line stands for it.
_MOST_BOXES = 200
# So many times as long as drawing takes it is left, at least.
_SHARE = 10.0


class NotebookDisplay:
    """Shows a run below the cell that runs it."""

    def __init__(self) -> None:
        self._run: Run | None = None
        self._handle: Any = None
        self._is_new = True
        self._not_before = 0.0

    def begin(self, run: Run) -> None:
        """The run begins."""
        from IPython.display import display  # noqa: PLC0415 # it is loaded: this is a notebook

        self._run = run
        self._handle = display(self._drawn(run), raw=True, display_id=True)  # type: ignore[no-untyped-call]

    def __call__(self, event: Event) -> None:
        """Something has happened in it."""
        self._is_new = True

    def show(self) -> None:
        """Draw it again, if it looks different by now."""
        if self._is_new and time.monotonic() >= self._not_before:
            begun = time.monotonic()
            self._update()
            self._not_before = begun + (time.monotonic() - begun) * (_SHARE + 1)

    def end(self) -> None:
        """The run has ended, or is left."""
        self._update()

    def _update(self) -> None:
        self._is_new = False
        if self._run is not None and self._handle is not None:
            self._handle.update(self._drawn(self._run), raw=True)

    @staticmethod
    def _drawn(run: Run) -> dict[str, str]:
        from ...pictures import svg  # noqa: PLC0415 # for those who want a picture

        title = f"{run.graph.blueprint.id} · {run.run_id} · {run.status}"
        try:
            picture = run.picture()
        except FlowcraftError:
            return {"text/plain": title}
        if picture.size > _MOST_BOXES:
            return {"text/plain": f"{title}: {run.steps} steps have ended"}
        return {"text/plain": title, "image/svg+xml": svg(picture)}
