"""What happened in a schedule, in words: who did what in what order, what they were told and what was true."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from flowcraft_core.errors import FlowcraftError
from flowcraft_core.jobs import decode_job
from flowcraft_core.ports import Delivery, RunStatus

from ..memory.context import InMemoryContextStore, RecordTable
from ..memory.coordination import HintTable
from ..memory.queue import MessageStore
from ..memory.status import StatusTable
from .scenario import RUN

_OPERATIONS: dict[type, dict[str, str]] = {
    MessageStore: {
        "add": "queue.send",
        "take": "queue.receive",
        "extend": "queue.extend",
        "remove": "queue.acknowledge",
        "release": "queue.release",
    },
    RecordTable: {"write_if": "context.put", "read": "context.get", "remove": "context.delete"},
    InMemoryContextStore: {"_apply": "context.apply"},
    StatusTable: {name: f"status.{name}" for name in ("create", "get", "find", "delete")},
    HintTable: {
        name: f"coordination.{name}"
        for name in ("increment", "set_if_absent", "add_members", "members", "extend_ttl", "delete", "get")
    },
}
_LIVE = RunStatus(run_id="a", state="running", blueprint_id="", created=0.0, updated=0.0)


def operation_of(effect: Callable[..., Any], args: Sequence[Any], facts: object) -> str:
    """The name of what a request asks for, like ``context.put``.

    Args:
        effect: The effect in the store.
        args: What it takes.
        facts: The table of facts, which shares its methods with that of values.
    """
    owner: object = getattr(effect, "__self__", None)
    # By the name under which it is found, which stays when a test puts another function in its place.
    name = _name_of(type(owner), getattr(effect, "__func__", effect))
    operation = next(
        (names[name] for kind, names in _OPERATIONS.items() if isinstance(owner, kind) and name in names), name
    )
    if operation == "context.get" and owner is not facts:
        return "context.values"
    if name == "change":
        return "status.touch" if args[1](_LIVE).state in ("running", "awaiting") else "status.finish"
    return operation


def _name_of(kind: type, function: Callable[..., Any]) -> str:
    found = (name for base in kind.__mro__ for name, member in vars(base).items() if member is function)
    return next(found, function.__name__)


def in_words(operation: str, args: Sequence[Any], answer: Any) -> str:
    """A request and its answer."""
    port, _, verb = operation.partition(".")
    if port == "queue":
        return _queue(verb, args, answer)
    if port == "context":
        return _context(verb, args, answer) + ("" if args[0] == RUN else f" of {args[0]!r}")
    if port == "status":
        about = args[0] if isinstance(args[0], str) else args[0].run_id
        return f"{operation} {about!r} -> {_status(answer)}"
    rest = ", ".join(str(_plain(arg)) for arg in args[1:])
    return f"{operation} {args[0]!r} {rest} -> {_plain(answer)}"


def _queue(verb: str, args: Sequence[Any], answer: Any) -> str:
    if verb == "send":
        late = f" in {args[1]:g} s" if args[1] else ""
        return f"sends {', '.join(job_in_words(message.body) for message in args[0])}{late}"
    if verb == "receive":
        return f"receives {_jobs(answer)}"
    done = {"extend": "keeps hold of", "acknowledge": "acknowledges", "release": "releases"}[verb]
    return f"{done} {_jobs(args[0])}"


def _context(verb: str, args: Sequence[Any], answer: Any) -> str:
    if verb == "put":
        return f"puts {args[1]!r} -> {'stored' if answer is None else 'another one stands'}"
    if verb in ("get", "values"):
        return f"reads {', '.join(repr(key) + ('' if key in answer else ' (none)') for key in args[1])}"
    if verb == "apply":
        return f"applies {args[1]!r}"
    return f"deletes {args[1]!r}"


def _status(answer: Any) -> Any:
    if hasattr(answer, "items") and hasattr(answer, "cursor"):
        return ", ".join(f"{status.run_id} {status.state}" for status in answer.items) or "none"
    return getattr(answer, "state", answer)


def _plain(value: Any) -> Any:
    return sorted(value) if isinstance(value, (set, frozenset)) else value


def _jobs(deliveries: Sequence[Delivery]) -> str:
    return (
        ", ".join(f"{job_in_words(delivery.body)} (delivery {delivery.count})" for delivery in deliveries) or "nothing"
    )


def job_in_words(body: str) -> str:
    """What the body of a message asks for."""
    try:
        job = decode_job(body)
    except FlowcraftError:
        return f"{body!r:.60}"
    attempt = f", attempt {job.attempt}" if job.attempt else ""
    hops = f", hop {job.hops}" if job.hops else ""
    run = "" if job.run_id == RUN else f" of {job.run_id!r}"
    return f"job {job.id[:4]} for {job.key or 'the start'!r}{run}{attempt}{hops}"
