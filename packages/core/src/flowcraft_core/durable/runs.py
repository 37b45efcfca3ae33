"""The run record: what a run is pinned to, and what it was started with."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from typing import Any

import attrs

from ..blueprint import Blueprint
from ..errors import FlowcraftError
from ..graph.compile import compile_blueprint
from ..graph.scopes import Graph
from ..ids import new_id
from ..jobs import Job
from ..ports import ContextStore
from ..serialization.sameness import are_same
from ..traces import Trace, trace_of
from .caches import Memory
from .storage import BLUEPRINTS, PutsFact, Records, StaleReadError, reading
from .weights import weight_of

RECORD_KEY = ":run"

#: Written into a run that is redriven, once: the id of the run that tries again.
REDRIVEN_KEY = ":redriven"
#: Written into a fork: the id of the run that it was forked from. Its record says so too, and may be long.
FORK_KEY = ":fork"
#: Written by the first worker that traces a run whose record names no trace, once.
TRACE_KEY = ":trace"
#: Before the numbers under which a run has the ids of the runs that were forked from it, one after the other.
FORKED = ":forked:"
# Compiled, a blueprint weighs about so many times what its text does.
_COMPILED = 3

# Before the hash of a blueprint that is known to be stored, among what is kept.
_STORED = ":stored:"


class UnknownRunError(FlowcraftError):
    """There is no run with that id."""


@attrs.frozen
class RunRecord:
    """What is fixed for a run when it starts.

    Attributes:
        run_id: The run.
        blueprint_id: Its flow.
        graphs: The compiled blueprints by id: its own and all that it can call.
        context: The initial context values.
        started: When it was started, seconds since the epoch.
        deadline: When it fails if it has not ended by then; None for no limit.
        redrive_of: The run that it was forked from.
        again: The keys of the instances from which it was forked.
        kept_keys: The instances that act under the idempotency keys of an earlier run, in which they did not complete:
            that run's id, by key.
        queue: The queue that it was started with; None for none.
        schedule: The id of the schedule that has started it, and the time for which; None if none has.
        trace: The span below which those of the run are, for whoever traces.
        nonce: Tells it from an earlier run of the same id, which was purged.
        weight: What it takes in memory without its blueprints at most, bytes.
        incarnation: The run's id and its nonce: what its hints are named by, so that no earlier run's are taken for
            them.
    """

    run_id: str
    blueprint_id: str
    graphs: Mapping[str, Graph]
    context: Mapping[str, Any]
    started: float
    deadline: float | None = None
    redrive_of: str | None = None
    again: tuple[str, ...] = ()
    kept_keys: Mapping[str, str] = attrs.field(factory=dict)
    queue: str | None = None
    schedule: tuple[str, int] | None = None
    trace: Trace | None = None
    nonce: str = attrs.field(factory=new_id)
    weight: int = attrs.field(default=0, eq=False)
    incarnation: str = attrs.field(init=False, eq=False, repr=False)

    @incarnation.default
    def _incarnation(self) -> str:
        return f"{self.run_id}:{self.nonce}"

    def job(self, key: str, now: float, **fields: Any) -> Job:
        """A new job for an instance of the run.

        Args:
            key: The instance; empty for the run's start.
            now: When it is sent.
            fields: Others of ``Job``.
        """
        trace = fields.pop("trace", self.trace)
        return Job(id=new_id(), run_id=self.run_id, nonce=self.nonce, key=key, first_seen=now, trace=trace, **fields)

    @property
    def graph(self) -> Graph:
        """The run's own blueprint, compiled."""
        return self.graphs[self.blueprint_id]


@attrs.frozen
class Recorded:
    """How it ended to write a run's record.

    Attributes:
        created: Whether it was written; False if a run of that id has one already.
        same: Whether what stands is of the same flow, in any version, and was started with the same context values.
    """

    created: bool
    same: bool = True


@attrs.define
class Runs:
    """Writes and reads run records; blueprints are stored once per content and cached by hash, as many as have room.

    Attributes:
        records: Where they are.
        is_tracing: Look also for the trace of a run that got one after its start.
        memory: Where blueprints are kept, those that the program brings aside.
    """

    records: Records
    is_tracing: bool = False
    memory: Memory = attrs.field(factory=Memory)
    _brought: dict[str, Graph] = attrs.field(factory=dict)

    def know(self, graphs: Iterable[Graph]) -> None:
        """Take compiled blueprints that a program brings: those need not be read."""
        self._brought.update((graph.hash, graph) for graph in graphs)

    def within(self, store: ContextStore) -> Runs:
        """The same, in a store whose writes are part of a transaction that may come to nothing: nothing is kept."""
        return attrs.evolve(self, records=attrs.evolve(self.records, store=store, cache=None), memory=Memory(0))

    async def create(self, record: RunRecord, *, by: PutsFact | None = None) -> Recorded:
        """Store a run's record, and its blueprints before it, unless a run of that id has one already.

        Args:
            record: The record.
            by: What stores it, in the place of the store.
        """
        await self.store(record.graphs)
        encode = self.records.serializer.to_data
        context = {name: encode(value) for name, value in record.context.items()}
        stored = await self.records.put(
            record.run_id,
            RECORD_KEY,
            {
                "nonce": record.nonce,
                "blueprint": record.blueprint_id,
                "blueprints": {blueprint_id: graph.hash for blueprint_id, graph in record.graphs.items()},
                "context": context,
                "started": record.started,
                "deadline": record.deadline,
                "redrive_of": record.redrive_of,
                "again": record.again,
                **({"kept_keys": dict(record.kept_keys)} if record.kept_keys else {}),
                **({} if record.queue is None else {"queue": record.queue}),
                **({} if record.schedule is None else {"schedule": list(record.schedule)}),
                **({} if record.trace is None else record.trace.fields()),
            },
            by=by,
        )
        standing = stored.value
        is_same = standing.get("blueprint") == record.blueprint_id and self._alike(standing.get("context"), context)
        return Recorded(stored.won, stored.won or is_same)

    def _alike(self, standing: Any, given: Mapping[str, Any]) -> bool:
        """Whether stored context values are those that are given."""
        if type(standing) is not dict:
            return False
        serializer = self.records.serializer
        try:
            if are_same(standing, given):
                return True
            # An older version of a class may have written fewer fields, say.
            as_now = {name: serializer.to_data(serializer.from_data(data)) for name, data in standing.items()}
            return are_same(as_now, given)
        except Exception:  # what cannot be read is not known to be the same
            return False

    async def store(self, graphs: Mapping[str, Graph]) -> dict[str, str]:
        """Store blueprints, each once; their content hashes by id."""
        for graph in graphs.values():
            if not self.memory.get(BLUEPRINTS, _STORED + graph.hash):
                await self.records.put(BLUEPRINTS, graph.hash, {"blueprint": graph.blueprint.to_dict()})
                self._note_stored(graph.hash)
        return {blueprint_id: graph.hash for blueprint_id, graph in graphs.items()}

    async def graphs(self, hashes: Mapping[str, str]) -> dict[str, Graph]:
        """Blueprints that were stored, by id, compiled.

        Raises:
            StaleReadError: One is not visible yet.
            SerializationError: One is damaged.
            BlueprintError: One is none that this version can run.
        """
        found = {blueprint_id: await self._graph(hash_) for blueprint_id, hash_ in hashes.items()}
        for content_hash in hashes.values():
            self._note_stored(content_hash)
        return found

    async def get(self, run_id: str) -> RunRecord | None:
        """A run's record; None if there is none.

        Raises:
            StaleReadError: Not all of it is visible yet.
            SerializationError: It is damaged.
            BlueprintError: One of its blueprints is none that this version can run.
        """
        found = await self.records.get_all(run_id, [RECORD_KEY, TRACE_KEY] if self.is_tracing else [RECORD_KEY])
        stored = found.get(RECORD_KEY)
        if stored is None:
            return None
        with reading(run_id, RECORD_KEY):
            hashes = {_text(name, "blueprints"): _text(of, "blueprints") for name, of in stored["blueprints"].items()}
            if stored["blueprint"] not in hashes:
                raise ValueError(f"its blueprint {stored['blueprint']!r:.80} is not among its blueprints")
        graphs = await self.graphs(hashes)
        decode = self.records.serializer.from_data
        with reading(run_id, RECORD_KEY):
            return RunRecord(
                run_id=run_id,
                blueprint_id=stored["blueprint"],
                graphs=graphs,
                context={name: decode(value) for name, value in stored["context"].items()},
                started=_time(stored["started"], "started"),
                deadline=None if stored["deadline"] is None else _time(stored["deadline"], "deadline"),
                redrive_of=None if stored["redrive_of"] is None else _text(stored["redrive_of"], "redrive_of"),
                again=_texts(stored["again"], "again"),
                kept_keys={
                    _text(key, "kept_keys"): _text(run, "kept_keys") for key, run in stored.get("kept_keys", {}).items()
                },
                queue=None if stored.get("queue") is None else _text(stored["queue"], "queue"),
                schedule=_schedule(stored.get("schedule")),
                trace=trace_of(stored) or trace_of(found.get(TRACE_KEY, {})),
                nonce=_text(stored["nonce"], "nonce"),
                weight=_weight(stored),
            )

    def at_hand(self, content_hash: str) -> Graph | None:
        """The compiled blueprint with a content hash, if the program brings it, or it is kept."""
        brought = self._brought.get(content_hash)
        kept: Graph | None = brought or self.memory.get(BLUEPRINTS, content_hash)
        return kept

    def _note_stored(self, content_hash: str) -> None:
        self.memory.put(BLUEPRINTS, _STORED + content_hash, True, 0)

    async def _graph(self, content_hash: str) -> Graph:
        graph = self.at_hand(content_hash)
        if graph is None:
            stored = await self.records.get(BLUEPRINTS, content_hash)
            if stored is None:
                raise StaleReadError(f"blueprint {content_hash} is not visible yet")
            with reading(BLUEPRINTS, content_hash):
                blueprint = Blueprint.from_json(stored["blueprint"])
                if blueprint.content_hash() != content_hash:
                    raise ValueError("it is another blueprint than the one that was stored under this hash")
                graph = compile_blueprint(blueprint)
            self.memory.put(BLUEPRINTS, content_hash, graph, _COMPILED * _weight(stored))
        return graph


def _weight(stored: Mapping[str, Any]) -> int:
    return weight_of(json.dumps(stored, ensure_ascii=False).encode())


def _text(value: Any, name: str) -> str:
    if type(value) is not str:
        raise ValueError(f"its {name} must be text, not {value!r:.80}")
    return value


def _texts(value: Any, name: str) -> tuple[str, ...]:
    if type(value) is not list:
        raise ValueError(f"its {name} must be a list, not {value!r:.80}")
    return tuple(_text(each, name) for each in value)


def _schedule(value: Any) -> tuple[str, int] | None:
    if value is None:
        return None
    schedule_id, due = value
    if type(due) is not int:
        raise ValueError(f"its schedule must be an id and a time in whole seconds, not {value!r:.80}")
    return _text(schedule_id, "schedule"), due


def _time(value: Any, name: str) -> float:
    if type(value) not in (int, float) or not math.isfinite(value):
        raise ValueError(f"its {name} must be a time in seconds, not {value!r:.80}")
    return float(value)
