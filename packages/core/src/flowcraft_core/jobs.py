"""Jobs: what travels on the queue. A hint that an instance of a run may be ready; ids only, never values."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import attrs

from .errors import FlowcraftError
from .traces import Trace, trace_of

FORMAT = 1
#: Readers take the current format and the one before it.
READABLE_FORMATS = frozenset({FORMAT})

#: No job of any format is longer, in bytes of UTF-8: it carries ids only.
MAX_BODY_BYTES = 48 * 1024

# Made once: to make one costs as much as to write a job by it. What is written holds no circles.
_JSON = json.JSONEncoder(ensure_ascii=False, check_circular=False, separators=(",", ":"))

# What a job says that says no more than each does.
_IN_EACH = frozenset({"v", "id", "run", "nonce", "key", "seen"})

#: Where a job of any format says for how many seconds it has been passed on.
_PASSED_ON = "passed"

# Longer ids are given by nobody: they are what a store takes as a run id, and as the key of a fact.
_LONGEST_ID = 300
_LONGEST_KEY = 2_000

# No clock shows a later time, and nothing is passed on or tried more often: whatever is given beyond is cut down to it.
_LATEST = 1e11
_MOST = 1_000_000


class MalformedJobError(FlowcraftError):
    """A message is no job that this version understands; the text says why, and becomes its dead letter's reason."""


class NewerJobError(FlowcraftError):
    """A message was written by a newer version; a newer worker will understand it."""


@attrs.define(kw_only=True)
class Job:
    """One job. Never changed once it is made.

    Attributes:
        id: Unique; outcomes say under which job they were written.
        run_id: The run.
        nonce: The run's nonce; empty in a job that was written by hand.
        key: The instance's key. Empty for the run as a whole: look at what is due in it.
        first_seen: When the job, or the one that it goes on for, was first sent; seconds since the epoch. It is what a
            message says: a clock that is ahead, or anybody who may write to the queue, can give any time.
        passed_on: For how many seconds it has been passed on from one worker to the next: the sum of the delays that it
            was sent with. Their clocks may be apart, so no times are compared.
        hops: How often it was passed on.
        attempt: Which attempt at the instance it is for, if that is known; else 0.
        deferred: How often the step there has asked to be tried again without that being an attempt.
        standing_in: Whether that is an attempt of the fallback's.
        limits: The limits, with their keys, under which it has found no place.
        waited: How often it has looked in vain.
        timer: Whether it was sent ahead of its time: what was known of the run then is long ago.
        revival: Of one that a reconciler has sent again, what whoever takes it is to note; empty in all others.
        blueprint_id: The flow, in a job that was written by hand for a run that has no record yet.
        node_id: The start node, likewise.
        trace: The span in which it was sent, for whoever traces. One that cannot be read is none.
    """

    id: str
    run_id: str
    nonce: str = ""
    key: str = ""
    first_seen: float = 0.0
    passed_on: float = 0.0
    hops: int = 0
    attempt: int = 0
    deferred: int = 0
    standing_in: bool = False
    limits: tuple[str, ...] = ()
    waited: int = 0
    timer: bool = False
    revival: str = ""
    blueprint_id: str | None = None
    node_id: str | None = None
    trace: Trace | None = None


def encode_job(job: Job) -> str:
    """A job as the text of a message."""
    data: dict[str, Any] = {"v": FORMAT, "id": job.id, "run": job.run_id, "key": job.key, "seen": job.first_seen}
    if job.nonce:
        data["nonce"] = job.nonce
    if job.passed_on:
        data[_PASSED_ON] = job.passed_on
    if job.hops:
        data["hops"] = job.hops
    if job.attempt:
        data["attempt"] = job.attempt
        data["fallback"] = job.standing_in
    if job.deferred:
        data["deferred"] = job.deferred
    if job.limits:
        data["limits"], data["waited"] = job.limits, job.waited
    if job.timer:
        data["timer"] = True
    if job.revival:
        data["revival"] = job.revival
    if job.blueprint_id is not None:
        data["blueprint"], data["node"] = job.blueprint_id, job.node_id
    if job.trace is not None:
        data |= job.trace.fields()
    return _JSON.encode(data)


def decode_job(body: str) -> Job:
    """The job that a message's text stands for.

    Besides the engine's own form it reads ``{"runId", "blueprintId", "nodeId"}``, which people and the TypeScript
    original send by hand; with a ``trace``, if they like, for the run to go on in it.

    Raises:
        MalformedJobError: It is no job; the text names what is wrong.
        NewerJobError: It is of a format that this version does not know yet.
    """
    data = _object(body)
    if "v" not in data:
        return _by_hand(body, data)
    version = data["v"]
    if type(version) is int and version > FORMAT:
        raise NewerJobError(f"the job has format {version}; this version reads up to {FORMAT}")
    if type(version) is not int or version not in READABLE_FORMATS:
        raise MalformedJobError(f"the job has format {version!r:.80}; this version reads {sorted(READABLE_FORMATS)}")
    return Job(
        id=_text(data, "id"),
        run_id=_run_id(data, "run"),
        nonce=_text(data, "nonce") if "nonce" in data else "",
        key=_text(data, "key", longest=_LONGEST_KEY, empty=True),
        first_seen=_seconds(data, "seen"),
        **({} if data.keys() <= _IN_EACH else _others(data)),
    )


def _others(data: dict[str, Any]) -> dict[str, Any]:
    """What few jobs say."""
    return {
        "passed_on": _seconds(data, _PASSED_ON),
        "hops": _count(data, "hops"),
        "attempt": _count(data, "attempt"),
        "deferred": _count(data, "deferred"),
        "standing_in": data.get("fallback") is True,
        "limits": _texts(data, "limits"),
        "waited": _count(data, "waited"),
        "timer": data.get("timer") is True,
        "revival": _text(data, "revival") if "revival" in data else "",
        "blueprint_id": _text(data, "blueprint", longest=_LONGEST_KEY) if "blueprint" in data else None,
        "node_id": _text(data, "node", longest=_LONGEST_KEY) if "blueprint" in data else None,
        "trace": trace_of(data),
    }


def passed_on_for(body: str) -> float:
    """For how many seconds a job of a newer format has been passed on; 0 if it has not.

    Raises:
        MalformedJobError: It does not say so in a number.
    """
    return _seconds(_object(body), _PASSED_ON)


def say_passed_on(body: str, seconds: float) -> str:
    """A job of a newer format, with how long it has been passed on; all else stays as it is.

    Raises:
        MalformedJobError: It is no JSON object.
    """
    return json.dumps({**_object(body), _PASSED_ON: seconds}, separators=(",", ":"))


def _object(body: str) -> dict[str, Any]:
    length = len(body) if body.isascii() else len(body.encode(errors="replace"))
    if length > MAX_BODY_BYTES:
        raise MalformedJobError(f"a job has at most {MAX_BODY_BYTES} bytes, and this message has more")
    try:
        data = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise MalformedJobError(f"the message is not JSON: {error}") from error
    if not isinstance(data, dict):
        raise MalformedJobError(f"a job is a JSON object, not {type(data).__name__}")
    return data


def _by_hand(body: str, data: dict[str, Any]) -> Job:
    run_id = _run_id(data, "runId")
    blueprint_id, node_id = (_text(data, name, longest=_LONGEST_KEY) for name in ("blueprintId", "nodeId"))
    # The same message always gives the same job, so that its redelivery is recognised.
    identity = hashlib.sha256(body.encode(errors="backslashreplace")).hexdigest()[:32]
    return Job(id=identity, run_id=run_id, blueprint_id=blueprint_id, node_id=node_id, trace=trace_of(data))


def _run_id(data: dict[str, Any], name: str) -> str:
    run_id = _text(data, name)
    if run_id.startswith(":"):  # no run's: what the engine itself keeps
        raise MalformedJobError(
            f"the job's {name!r} is {run_id!r:.80}, which is no run's id: those begin with no colon"
        )
    return run_id


def _text(data: dict[str, Any], name: str, *, longest: int = _LONGEST_ID, empty: bool = False) -> str:
    value = data.get(name)
    if type(value) is str and 0 < len(value) <= longest and value.isascii():
        return value
    if not isinstance(value, str) or not (value or empty):
        raise MalformedJobError(f"the job's {name!r} must be text, not {value!r:.80}")
    if len(value) > longest:
        raise MalformedJobError(f"the job's {name!r} has {len(value)} characters; at most {longest} can be meant")
    if not value.isascii() and not _can_be_stored(value):
        raise MalformedJobError(f"the job's {name!r} is {value!r:.80}, which has half a character (a lone surrogate)")
    return value


def _texts(data: dict[str, Any], name: str) -> tuple[str, ...]:
    if name not in data:
        return ()
    texts = data[name]
    if not isinstance(texts, list):
        raise MalformedJobError(f"the job's {name!r} must be a list of texts, not {texts!r:.80}")
    return tuple(_text({name: text}, name) for text in texts)


def _can_be_stored(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _seconds(data: dict[str, Any], name: str) -> float:
    return float(min(_number(data, name), _LATEST)) if name in data else 0.0


def _count(data: dict[str, Any], name: str) -> int:
    return int(min(_number(data, name), _MOST)) if name in data else 0


def _number(data: dict[str, Any], name: str) -> float:
    value = data[name]
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < float("inf"):
        raise MalformedJobError(f"the job's {name!r} must be a number of at least 0, not {value!r:.80}")
    return value
