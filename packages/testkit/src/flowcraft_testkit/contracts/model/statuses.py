"""A run id of the status store."""

from __future__ import annotations

from collections.abc import Iterable

import attrs
from flowcraft_core.ports import RunStatus

from .knowledge import Part

_LIVE = ("running", "awaiting")


class StatusModel:
    """One status, never stale; only ``find`` may lag.

    Parts: ``create`` of a status, ``get``, ``touch`` and ``finish`` with what they change, ``delete``, and ``find``,
    whose answer is the status if this run was on one of the pages.
    """

    pends = True

    def __init__(self, lag: float) -> None:
        """Know for how long ``find`` may be wrong, seconds; it is held to nothing where that is more than 0."""
        self._lag = lag

    def nothing(self) -> RunStatus | None:
        """No status."""
        return None

    def after(self, standing: RunStatus | None, part: Part) -> Iterable[RunStatus | None]:
        """See ``Model``."""
        if part.name == "create":
            is_new = standing is None
            return [part.given if is_new else standing] if part.may_answer(is_new) else []
        if part.name == "get":
            return [standing] if part.may_answer(standing) else []
        if part.name == "find":
            return [standing] if self._lag or part.may_answer(_as_found(standing, *part.given)) else []
        if part.name == "delete":
            return [None]
        is_a_look = part.name == "touch" and "state" not in part.given  # which schedules have as well
        is_changed = standing is not None and standing.state in (*_LIVE, *(["schedule"] if is_a_look else []))
        if not part.may_answer(is_changed):
            return []
        return [attrs.evolve(standing, **part.given) if standing is not None and is_changed else standing]


def _as_found(standing: RunStatus | None, state: str, due_before: float | None) -> RunStatus | None:
    """What a search by this state and time brings of a status."""
    if standing is None or standing.state != state:
        return None
    if due_before is not None and (standing.next_check is None or standing.next_check > due_before):
        return None
    return standing
