"""Trace contexts: which trace the spans of a run belong to, as W3C's Trace Context writes it.

They come from jobs and records, so from whoever may write those: what is none is taken for none, and fails nothing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import attrs

#: The fields of jobs and records in which a trace context stands.
PARENT, STATE = "trace", "tracestate"

# Version 00, and what a later one must still begin with; "ff" is no version.
_TRACEPARENT = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
# What the specification asks everybody to hand on, at least, is what is handed on at most.
_LONGEST_STATE = 512
_TRACESTATE = re.compile(r"[\x20-\x7e]*")


@attrs.frozen
class Trace:
    """A place in a trace: below which span others go.

    Attributes:
        parent: The ``traceparent``: the trace, the span, and whether it is sampled.
        state: The ``tracestate``, which belongs to whoever collects the spans; empty for none.
    """

    parent: str
    state: str = ""

    @property
    def trace_id(self) -> int:
        """The trace."""
        return int(self.parent[3:35], 16)

    @property
    def span_id(self) -> int:
        """The span in it."""
        return int(self.parent[36:52], 16)

    @property
    def flags(self) -> int:
        """Whether it is sampled, in the last bit."""
        return int(self.parent[53:55], 16)

    def fields(self) -> dict[str, str]:
        """What stands for it in a job or a record."""
        return {PARENT: self.parent, **({STATE: self.state} if self.state else {})}


def trace_of(fields: Mapping[str, object]) -> Trace | None:
    """The trace context in the fields of a job or a record; None if there is none, or none that anybody could read."""
    parent, state = fields.get(PARENT), fields.get(STATE)
    if not isinstance(parent, str) or not _TRACEPARENT.fullmatch(parent):
        return None
    if not isinstance(state, str) or len(state) > _LONGEST_STATE or not _TRACESTATE.fullmatch(state):
        state = ""
    return Trace(parent, state)
