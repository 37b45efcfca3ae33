"""Every span, attribute and metric: its name, and what it means. ``docs/telemetry.md`` shows these tables.

Names follow OpenTelemetry's conventions: what is the engine's own begins with ``flowcraft.``; what there is a name for
has that name (``error.type``, ``messaging.message.id``, ``exception.type``). Names of spans have ids of flows and nodes
in them, of which there are as many as were written by hand, and never keys or run ids. Values of runs are in none.
"""

from __future__ import annotations

from typing import Final, Literal

import attrs


@attrs.frozen
class SpanKind:
    """One kind of span.

    Attributes:
        name: With ``{flow}`` or ``{node}`` in it.
        kind: OpenTelemetry's.
        below: Its parent.
        covers: From when to when.
        attributes: The names of its attributes.
    """

    name: str
    kind: Literal["PRODUCER", "CONSUMER", "INTERNAL"]
    below: str
    covers: str
    attributes: tuple[str, ...]


@attrs.frozen
class Metric:
    """One instrument.

    Attributes:
        name: Its name.
        kind: What it is.
        unit: In UCUM.
        meaning: What it measures.
        attributes: What it is told apart by.
    """

    name: str
    kind: Literal["counter", "up-down counter", "histogram", "gauge", "observable counter"]
    unit: str
    meaning: str
    attributes: tuple[str, ...] = ()


RUN, FLOW = "flowcraft.run.id", "flowcraft.flow.id"
NODE, INSTANCE = "flowcraft.node.id", "flowcraft.instance.key"
STATE, ATTEMPT, FALLBACK = "flowcraft.state", "flowcraft.attempt", "flowcraft.fallback"
JOB, DELIVERIES = "messaging.message.id", "flowcraft.job.deliveries"
ERROR, OPERATION = "error.type", "flowcraft.operation"
QUEUE, MESSAGES = "messaging.destination.name", "flowcraft.queue.messages"

#: What attributes mean.
ATTRIBUTES: Final[dict[str, str]] = {
    RUN: "the run",
    FLOW: "the flow: its blueprint's id; of a node in a called flow, that flow's",
    NODE: "the node's id in its blueprint",
    INSTANCE: "the instance's key: which pass, item or call it is",
    STATE: "`completed`, `failed`, `cancelled`; of a node also `handled` (it failed, and an edge took that over),"
    " `suspended` (it waits, or is to be tried again) and `left` (its worker stopped, its run has ended, or somebody"
    " else was faster); of an attempt only `left`",
    ATTEMPT: "which attempt it was, from 1 on; of the fallback's, if that stands in",
    FALLBACK: "the fallback node's id; `fallback` for the method of that name of a step that is a class",
    JOB: "the job's id",
    DELIVERIES: "how often the queue has delivered the job",
    ERROR: "the class of the exception; `RunFailedError` for a run",
    OPERATION: "what was called, as `dynamodb.PutItem` or `queue.send`",
    QUEUE: "what the queue calls itself",
    MESSAGES: "`visible`, `in_flight` or `delayed`, as far as the queue tells them apart",
}

_INSTANCE = (RUN, FLOW, NODE, INSTANCE)

#: All spans, by what they are of.
SPANS: Final[dict[str, SpanKind]] = {
    "start": SpanKind(
        "start {flow}",
        "PRODUCER",
        "the caller's span, if there is one; else it is the root",
        "from the call that starts the run until its record is stored",
        (RUN, FLOW),
    ),
    "run": SpanKind(
        "run {flow}",
        "INTERNAL",
        "`start`",
        "the whole run; made when it ends, by whoever ended it",
        (RUN, FLOW, STATE, ERROR),
    ),
    "node": SpanKind(
        "node {node}",
        "CONSUMER",
        "`start`",
        "one visit of an instance: from when its job was sent, or what came before it under the same job ended, until"
        " its outcome is stored or it is suspended; `INTERNAL` where no job brought it",
        (*_INSTANCE, STATE, ATTEMPT, ERROR),
    ),
    "enter": SpanKind(
        "enter {node}", "CONSUMER", "`start`", "as `node`, for the beginning of a loop, batch or subflow", _INSTANCE
    ),
    "verdict": SpanKind(
        "verdict {node}", "CONSUMER", "`start`", "as `node`, for a loop's decision after a pass", _INSTANCE
    ),
    "loop": SpanKind("loop {node}", "CONSUMER", "`start`", "a whole loop, made when it ends", _INSTANCE),
    "batch": SpanKind("batch {node}", "CONSUMER", "`start`", "a whole batch, likewise", _INSTANCE),
    "subflow": SpanKind("subflow {node}", "CONSUMER", "`start`", "a whole call of another flow, likewise", _INSTANCE),
    "wait": SpanKind(
        "wait {node}",
        "INTERNAL",
        "`start`",
        "from when a wait was reached until it was resumed or timed out; made then",
        (*_INSTANCE, STATE),
    ),
    "sleep": SpanKind("sleep {node}", "INTERNAL", "`start`", "likewise, for a sleep", (*_INSTANCE, STATE)),
    "queue": SpanKind(
        "queue {node}",
        "INTERNAL",
        "`node`",
        "from when the job was sent, or was due, until a worker has it",
        (RUN, JOB, DELIVERIES),
    ),
    "attempt": SpanKind(
        "attempt {node}",
        "INTERNAL",
        "`node`",
        "one call of the step or of a fallback; the current span in it, so that the step's own spans are below it",
        (*_INSTANCE, ATTEMPT, FALLBACK, STATE, ERROR),
    ),
    "commit": SpanKind(
        "commit {node}", "INTERNAL", "`node`", "from the step's end until its outcome is stored", (RUN,)
    ),
}

_NODES = (FLOW, NODE)

#: All metrics, by what the code calls them.
METRICS: Final[dict[str, Metric]] = {
    "run_duration": Metric("flowcraft.run.duration", "histogram", "s", "runs that have ended", (FLOW, STATE)),
    "node_duration": Metric(
        "flowcraft.node.duration", "histogram", "s", "visits of nodes, by how they ended", (*_NODES, STATE, ERROR)
    ),
    "attempt_duration": Metric(
        "flowcraft.attempt.duration", "histogram", "s", "calls of steps and fallbacks", (*_NODES, STATE, ERROR)
    ),
    "wait_duration": Metric("flowcraft.wait.duration", "histogram", "s", "waits and sleeps that have ended", _NODES),
    "commit_duration": Metric("flowcraft.commit.duration", "histogram", "s", "how long it took to store an outcome"),
    "queue_lag": Metric(
        "flowcraft.queue.lag",
        "histogram",
        "s",
        "how long jobs that were delivered for the first time had waited for a worker since they were due",
    ),
    "loop_lag": Metric(
        "flowcraft.worker.loop_lag", "histogram", "s", "how long a worker's event loop took to answer, when asked"
    ),
    "nodes_active": Metric("flowcraft.node.active", "up-down counter", "{node}", "nodes under way now", _NODES),
    "queue_depth": Metric(
        "flowcraft.queue.depth",
        "gauge",
        "{message}",
        "messages in a queue that can tell, asked every 60 s by each worker",
        (QUEUE, MESSAGES),
    ),
    "requests": Metric(
        "flowcraft.backend.requests",
        "observable counter",
        "{request}",
        "requests to a backend that counts them, those that were made again included",
        (OPERATION,),
    ),
    "request_retries": Metric(
        "flowcraft.backend.retries", "observable counter", "{request}", "requests that were made again", (OPERATION,)
    ),
    "run_started": Metric("flowcraft.run.started", "counter", "{run}", "runs that have begun", (FLOW,)),
    "attempt_failed": Metric(
        "flowcraft.attempt.retries", "counter", "{attempt}", "failed attempts that are made again", (NODE, ERROR)
    ),
    "attempt_deferred": Metric(
        "flowcraft.attempt.deferrals", "counter", "{attempt}", "attempts that asked to be made again", (NODE, ERROR)
    ),
    "fallback_taken": Metric(
        "flowcraft.attempt.fallbacks", "counter", "{attempt}", "failures whose place a fallback took", (NODE, ERROR)
    ),
    "redelivered": Metric("flowcraft.job.redeliveries", "counter", "{job}", "deliveries that were not a job's first"),
    "passed_on": Metric(
        "flowcraft.job.passed_on", "counter", "{job}", "jobs that were passed on to another worker", (ERROR,)
    ),
    "given_up": Metric("flowcraft.job.given_up", "counter", "{job}", "jobs that were passed on for too long", (ERROR,)),
    "dead_letter": Metric("flowcraft.job.dead_letters", "counter", "{job}", "messages that became dead letters"),
    "job_failed": Metric("flowcraft.job.failures", "counter", "{job}", "failures of the engine's own", (ERROR,)),
    "revived": Metric("flowcraft.run.revivals", "counter", "{run}", "runs that a reconciler has revived"),
    "throttled": Metric(
        "flowcraft.backend.throttled", "counter", "{call}", "calls of ports that were tried again", (OPERATION,)
    ),
    "unavailable": Metric(
        "flowcraft.backend.failures", "counter", "{call}", "calls of ports that have failed for now", (OPERATION,)
    ),
    "loop_blocked": Metric("flowcraft.worker.loop_blocked", "counter", "{time}", "event loops that stood still"),
}
