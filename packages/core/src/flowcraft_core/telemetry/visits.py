"""The spans of one run's instances: in one process, or of one job on a worker.

A span is exported only after the one that it is below: whatever becomes of a process, what it has exported is one
connected tree. So what is below a node's span is ended with it, at the times at which it has ended; and nothing that
may outlive its process, such as a wait, is an open span.
"""

from __future__ import annotations

import asyncio
import contextlib
import traceback
from collections.abc import Generator, Sequence
from types import TracebackType

import attrs
from opentelemetry import context as current
from opentelemetry.trace import Link, Span, SpanKind, Status, StatusCode, Tracer, set_span_in_context

from ..clock import Clock
from ..errors import StepEndedError
from ..failures import name_of
from ..graph.facts import Outcome
from ..graph.instances import Instance
from ..graph.scopes import Kind
from ..observing import Delivered
from ..steps import FinalError
from ..traces import Trace
from .catalogue import ATTEMPT, DELIVERIES, ERROR, FALLBACK, FLOW, INSTANCE, JOB, NODE, RUN, SPANS, STATE
from .contexts import context_from, links_to, nanoseconds, trace_from
from .guarding import failed, guarded
from .meters import Meters

_VERBS = {Kind.STEP: "node", Kind.ENTRY: "enter", Kind.VERDICT: "verdict"}


@attrs.define(eq=False)
class _Visit:
    """An instance that is under way.

    Attributes:
        span: Its span.
        since: When it began, seconds since the epoch.
        measured: What its metrics are told apart by.
        below: Spans below it that have ended, with when they did.
        queued: Its job has just come.
    """

    span: Span
    since: float
    measured: dict[str, str]
    below: list[tuple[Span, float]] = attrs.field(factory=list)
    queued: bool = False


class Visits:
    """Watches instances; see ``observing.Observer``."""

    def __init__(
        self,
        tracer: Tracer,
        meters: Meters,
        clock: Clock,
        run_id: str,
        trace: Trace | None,
        delivered: Delivered | None,
    ) -> None:
        self._tracer, self._meters, self._clock = tracer, meters, clock
        self._run_id, self._delivered = run_id, delivered
        self._context = context_from(trace)
        self._links: list[Link] = []
        self._open: dict[str, _Visit] = {}
        self._latest: Trace | None = None
        self._since: float | None = None  # when what comes next under the same job began to be under way
        self._came = clock.now()
        if delivered is not None:
            if delivered.trace != trace:
                self._links = links_to(delivered.trace)
            self._since = min(delivered.sent, self._came) if delivered.sent else self._came
            if delivered.deliveries == 1 and delivered.sent:
                meters.took("queue_lag", self._came - delivered.sent)

    @property
    def trace(self) -> Trace | None:
        """The span that is, or was just, under way."""
        return self._latest

    @guarded
    def started(self, instance: Instance, attempt: int) -> None:
        """See ``Observer``."""
        now = self._clock.now()
        since = now if self._since is None else self._since
        visit = self._begin(instance, since, is_job=self._delivered is not None)
        visit.queued = self._delivered is not None and self._latest is None
        visit.span.set_attribute(ATTEMPT, attempt)
        self._open[instance.key] = visit
        if self._delivered is not None:
            self._latest = trace_from(visit.span.get_span_context())
            self._links = links_to(self._latest)
        self._meters.active.add(1, visit.measured)

    def attempt(self, instance: Instance, number: int, fallback: str | None) -> contextlib.AbstractContextManager[None]:
        """See ``Observer``."""
        return self._attempt(instance, number, fallback)

    @contextlib.contextmanager
    def _attempt(self, instance: Instance, number: int, fallback: str | None) -> Generator[None, None, None]:
        visit, since, span, token = self._open.get(instance.key), self._clock.now(), None, None
        try:
            span = self._attempt_span(visit, instance, number, fallback, since)
            token = current.attach(set_span_in_context(span))
        except Exception as error:
            failed("attempt", error)
        raised: BaseException | None = None
        try:
            yield
        except BaseException as error:
            raised = error
            raise
        finally:
            if token is not None:
                current.detach(token)
            if span is not None:
                self._attempted(visit, instance, span, since, raised)

    def _attempt_span(
        self, visit: _Visit | None, instance: Instance, number: int, fallback: str | None, since: float
    ) -> Span:
        about: dict[str, str | int] = {**self._about(instance), ATTEMPT: number}
        if fallback is not None:
            about[FALLBACK] = fallback
        return self._tracer.start_span(
            SPANS["attempt"].name.format(node=instance.vertex.id),
            context=self._context if visit is None else set_span_in_context(visit.span, self._context),
            attributes=about,
            start_time=nanoseconds(since),
        )

    @guarded
    def _attempted(
        self, visit: _Visit | None, instance: Instance, span: Span, since: float, raised: BaseException | None
    ) -> None:
        now = self._clock.now()
        measured = _measured(instance)
        if isinstance(raised, asyncio.CancelledError):  # the engine's: a step's own comes in something that carries it
            span.set_attribute(STATE, "left")
            measured[STATE] = "left"
        elif raised is not None:
            error = _own(raised)
            measured[ERROR] = name_of(error)
            record_error(span, name_of(error), now, error.__traceback__)
        self._meters.took("attempt_duration", now - since, measured)
        if visit is None:
            _end(span, since, now)
        else:
            visit.below.append((span, now))

    @guarded
    def outcome(self, instance: Instance, outcome: Outcome) -> None:
        """See ``Observer``."""
        visit, now = self._open.pop(instance.key, None), self._clock.now()
        if visit is None:
            waited(self._tracer, self._meters, self._run_id, instance, outcome, self._context, self._links)
            return
        if self._delivered is not None:
            commit = self._tracer.start_span(
                SPANS["commit"].name.format(node=instance.vertex.id),
                context=set_span_in_context(visit.span, self._context),
                attributes={RUN: self._run_id},
                start_time=nanoseconds(outcome.ended),
            )
            visit.below.append((commit, max(now, outcome.ended)))
            self._meters.took("commit_duration", now - outcome.ended)
        self._leave(visit, outcome.state, now, outcome)

    @guarded
    def suspended(self, instance: Instance) -> None:
        """See ``Observer``."""
        visit = self._open.pop(instance.key, None)
        if visit is not None:
            self._leave(visit, "suspended", self._clock.now())

    @guarded
    def close(self) -> None:
        """See ``Observer``."""
        while self._open:
            self._leave(self._open.popitem()[1], "left", self._clock.now())

    def _about(self, instance: Instance) -> dict[str, str]:
        return about(self._run_id, instance)

    def _begin(self, instance: Instance, since: float, *, is_job: bool) -> _Visit:
        vertex, construct = instance.vertex, instance.vertex.construct
        verb = _VERBS.get(vertex.kind)
        if verb is None and construct is not None:  # the end of a construct stands for all of it
            verb = construct.kind
            entry = instance.scope.outcomes.get(construct.entry)
            since = since if entry is None else min(since, entry.started or since)
        span = self._tracer.start_span(
            SPANS[verb or "node"].name.format(node=vertex.id),
            context=self._context,
            kind=SpanKind.CONSUMER if is_job else SpanKind.INTERNAL,
            attributes=self._about(instance),
            links=self._links,
            start_time=nanoseconds(since),
        )
        return _Visit(span, since, _measured(instance))

    def _leave(self, visit: _Visit, state: str, now: float, outcome: Outcome | None = None) -> None:
        """End a visit, and all that is below it after it."""
        span, measured = visit.span, visit.measured
        self._meters.active.add(-1, measured)
        measured = measured | {STATE: state}
        span.set_attribute(STATE, state)
        if outcome is not None and outcome.error is not None:
            measured[ERROR] = outcome.error.type
            record_error(span, outcome.error.type)
        _end(span, visit.since, now)
        if visit.queued and self._delivered is not None:
            queued = self._tracer.start_span(
                SPANS["queue"].name.format(node=visit.measured[NODE]),
                context=set_span_in_context(span, self._context),
                attributes={RUN: self._run_id, JOB: self._delivered.job, DELIVERIES: self._delivered.deliveries},
                start_time=nanoseconds(min(self._delivered.sent or self._came, self._came)),
            )
            _end(queued, 0.0, self._came)
        for below, ended in visit.below:
            _end(below, 0.0, ended)
        self._meters.took("node_duration", now - visit.since, measured)
        if self._delivered is not None:
            self._since = now


def about(run_id: str, instance: Instance) -> dict[str, str]:
    """What the spans of an instance say of it."""
    return {RUN: run_id, **_measured(instance), INSTANCE: instance.key}


def _measured(instance: Instance) -> dict[str, str]:
    return {FLOW: instance.scope.scope.blueprint, NODE: instance.vertex.id}


def waited(
    tracer: Tracer,
    meters: Meters,
    run_id: str,
    instance: Instance,
    outcome: Outcome,
    context: current.Context,
    links: Sequence[Link],
) -> Trace | None:
    """What was no visit: the end of a wait or sleep, whose outcome says since when it stood; or a failure."""
    uses = instance.vertex.node.uses
    name = uses if uses in ("wait", "sleep") else "node"
    span = tracer.start_span(
        SPANS[name].name.format(node=instance.vertex.id),
        context=context,
        attributes=about(run_id, instance) | {STATE: outcome.state},
        links=links,
        start_time=nanoseconds(outcome.started),
    )
    if outcome.error is not None:
        record_error(span, outcome.error.type)
    _end(span, outcome.started, outcome.ended)
    if name != "node":
        meters.took("wait_duration", outcome.ended - outcome.started, _measured(instance))
    return trace_from(span.get_span_context())


def record_error(span: Span, kind: str, at: float | None = None, trace: TracebackType | None = None) -> None:
    """Say that a span failed, without the error's text, in which values may stand.

    Args:
        span: The span.
        kind: The error's class.
        at: When it was raised, for an event of its own.
        trace: From where.
    """
    if not span.is_recording():
        return
    span.set_attribute(ERROR, kind)
    span.set_status(Status(StatusCode.ERROR, kind))
    if at is not None:
        lines = "".join(traceback.format_tb(trace))
        attributes = {"exception.type": kind, "exception.stacktrace": lines}
        span.add_event("exception", attributes, timestamp=nanoseconds(at))


def _own(error: BaseException) -> BaseException:
    """What a step raised, without what carried it."""
    while isinstance(error, (FinalError, StepEndedError)) and error.__cause__ is not None:
        error = error.__cause__
    return error


def _end(span: Span, since: float, at: float) -> None:
    span.end(nanoseconds(max(since, at)))
