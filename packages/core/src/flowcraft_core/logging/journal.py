"""Turns what happens into log records: the one place in which the engine writes to its loggers."""

from __future__ import annotations

import traceback
from collections.abc import Hashable, Mapping
from types import TracebackType
from typing import TYPE_CHECKING

import attrs

from ..graph import failures
from ..graph.instances import Instance
from .catalogue import LogEvent

if TYPE_CHECKING:
    from ..observing import Telemetry

# The first pause between two lines about what goes on and on, seconds; each one is twice the one before.
_FIRST_PAUSE = 5.0

# How many things are remembered that are said rarely.
_REMEMBERED = 10_000

_OURS = "flowcraft_core"


@attrs.frozen
class Journal:
    """Writes log records, each with the fields of whoever keeps it.

    Attributes:
        fields: On each record.
        telemetry: Is told of everything, whether it is logged or not.
    """

    fields: Mapping[str, object] = attrs.field(factory=dict)
    telemetry: Telemetry | None = None

    def bind(self, **fields: object) -> Journal:
        """A journal with further fields on each record."""
        return Journal({**self.fields, **fields}, self.telemetry)

    def tell(
        self,
        event: LogEvent,
        error: BaseException | None = None,
        *,
        at: Instance | str | None = None,
        lower: bool = False,
        **fields: object,
    ) -> None:
        """Say that something has happened.

        Args:
            event: What, from the catalogue.
            error: The exception that goes with it.
            at: The instance, or its key, that it has happened to.
            lower: It is one of those cases in which the event is of the lower level.
            fields: The event's fields; those that are not given by the other arguments or by the journal.
        """
        level = event.lower[0] if lower and event.lower is not None else event.level
        is_logged = event.target.isEnabledFor(level)
        if not is_logged and self.telemetry is None:
            return
        said: dict[str, object] = {"event": event.name, **self.fields}
        if isinstance(at, Instance):
            said["node_id"], said["instance"] = at.vertex.id, at.key
        elif at is not None:
            said["node_id"], said["instance"] = node_of(at), at
        if error is not None:
            said["error"] = type.__dict__["__name__"].__get__(type(error))  # whatever its class makes of its name
        said.update(fields)
        if self.telemetry is not None:
            self.telemetry.happened(event.name, said)
        if not is_logged:
            return
        trace = (type(error), error, _own_part(error.__traceback__)) if error and event.has_traceback else None
        path, line, function, _ = event.target.findCaller(stacklevel=2)
        record = event.target.makeRecord(
            event.logger, level, path, line, event.message, (_readable(said),), trace, function, said
        )
        if trace is not None:
            record.exc_text = _instead_of(trace)
        event.target.handle(record)


def node_of(key: str) -> str:
    """The id of the node that an instance's key belongs to."""
    last = key[max(key.rfind("."), key.rfind("/")) + 1 :]
    name = last.partition(":")[0].partition("[")[0]
    if "%" not in name:
        return name
    from urllib.parse import unquote  # noqa: PLC0415 # for ids with marks in them

    return unquote(name)


def _readable(fields: dict[str, object]) -> dict[str, object]:
    """Fields as the message shows them: on one line, whatever ids and errors are made of, and fit for any stream."""
    shown = {name: _on_one_line(value) if isinstance(value, str) else value for name, value in fields.items()}
    if shown.get("instance") == "":
        shown["instance"] = "its start"
    return shown


def _on_one_line(text: str) -> str:
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def is_contained(instance: Instance) -> bool:
    """Whether a failure of an instance fails no run by itself, or concerns nobody; for its level."""
    scope, vertex = instance
    return vertex.sheltered or scope.is_unneeded(vertex) or failures.is_contained(scope)


def _own_part(trace: TracebackType | None) -> TracebackType | None:
    """A traceback without the engine's own lines before the step's, which people look for; all of it if none is."""
    own = trace
    while own is not None and str(own.tb_frame.f_globals.get("__name__", "")).partition(".")[0] == _OURS:
        own = own.tb_next
    return own or trace


def _instead_of(trace: tuple[type[BaseException], BaseException, TracebackType | None]) -> str | None:
    """What handlers write in a traceback's place, if it cannot be formatted, or is no text that every stream takes."""
    try:
        text = "".join(traceback.format_exception(*trace)).rstrip("\n")
    except BaseException as second:  # whatever the error's class raises when it is asked for its text
        return f"(its traceback cannot be formatted: that raised {type(second).__name__})"
    safe = text.encode(errors="backslashreplace").decode()
    return None if safe == text else safe


class Rarely:
    """Lets what goes on and on be said at once, and then ever more rarely, with how often it has happened since."""

    def __init__(self) -> None:
        self._known: dict[Hashable, tuple[float, float, int]] = {}  # when to say it again, after what pause; how often

    def times(self, what: Hashable, now: float) -> int:
        """How often a thing has happened since it was said last, this time included; 0 if it is not to be said now.

        Args:
            what: The thing.
            now: Seconds since the epoch.
        """
        due, pause, times = self._known.pop(what, (now, _FIRST_PAUSE, 0))
        if now - due > 10 * pause:
            due, pause, times = now, _FIRST_PAUSE, 0  # it was over, and begins anew
        is_due = now >= due
        if len(self._known) >= _REMEMBERED:
            self._known.pop(next(iter(self._known)))
        self._known[what] = (now + pause, 2 * pause, 0) if is_due else (due, pause, times + 1)
        return times + 1 if is_due else 0
