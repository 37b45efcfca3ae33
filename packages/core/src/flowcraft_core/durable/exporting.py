"""What is stored of a run, taken out: its facts as text, and how much of them there is."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping

import attrs

from ..graph.failures import errors_of
from ..graph.fold import instances
from ..graph.pages import Pages
from ..graph.scopes import Kind
from ..runtime.snapshots import snapshot_of
from .answers import unused_answers
from .chunks import chunk_keys
from .gathered import StoredResults
from .pages import page_keys
from .runs import RECORD_KEY
from .storage import claim_keys
from .stored_runs import StoredRuns
from .undone import undone_of, void_instances


async def export(stored: StoredRuns, run_id: str) -> str:
    """See ``Client.export``."""
    status = await stored.status(run_id)
    record = await stored.record(run_id)
    state = await stored.state(record, status)
    state = await stored.filled(run_id, state, items=True)
    ready = [instance for instance in state.ready if instance.vertex.index not in instance.scope.outcomes]
    snapshot = snapshot_of(
        run_id=run_id,
        graph=record.graph,
        graphs=record.graphs.values(),
        state=state,
        status=status.state,
        errors=errors_of(state.root),
        ended=instances(state),
        suspensions=await stored.records.suspensions(run_id, ready),
        answers=await unused_answers(stored.records, record, state),
        serializer=stored.records.serializer,
        undone=(await undone_of(stored.records, run_id, state))[0],
        unsure=[i.key for i in void_instances(state)],
    )
    return json.dumps({**snapshot, "reason": status.reason}, ensure_ascii=False)


@attrs.frozen(kw_only=True)
class Footprint:
    """What a run has cost, by its facts.

    Attributes:
        steps: Steps that have an outcome.
        attempts: Attempts that were made at them.
        seconds: What their last attempts took, all together.
        facts: How many facts are stored, by kind: ``run``, ``outcomes``, ``pages``, ``suspensions``, ``claims``,
            ``chunks``.
        bytes: What they take as they are stored, by kind, without keys.
        values: Context values that were set, each a write of its own.
    """

    steps: int
    attempts: int
    seconds: float
    facts: Mapping[str, int]
    bytes: Mapping[str, int]
    values: int

    @property
    def writes(self) -> int:
        """Writes to the stores at least: the facts, the context values, and the status at the start and at the end."""
        return sum(self.facts.values()) + self.values + 2


async def footprint(stored: StoredRuns, run_id: str) -> Footprint:
    """See ``Client.footprint``."""
    status = await stored.status(run_id)
    record = await stored.record(run_id)
    state = await stored.state(record, status)
    kinds = {RECORD_KEY: "run"}
    found_there = [instance for scope in state.root.walk() for instance in scope.instances()]
    for instance in found_there:
        kinds[instance.key] = "outcomes"
        kinds.update(dict.fromkeys(claim_keys(instance), "claims"))
    kinds.update(dict.fromkeys(await stored.records.suspension_keys(run_id, found_there), "suspensions"))
    for instance in instances(state):
        items, output = instance.outcome.items, instance.outcome.output
        pages = items if isinstance(items, Pages) else output.pages if isinstance(output, StoredResults) else None
        kinds.update((name, "pages") for name in (() if pages is None else page_keys(instance.key, pages)))
    facts: Counter[str] = Counter()
    sizes: Counter[str] = Counter()
    found = await stored.backend.context.get(run_id, list(kinds))
    chunks = [chunk for key, fact in found.items() for chunk in chunk_keys(key, fact.body)]
    bodies = [(kinds[key], fact.body) for key, fact in found.items()]
    bodies += [("chunks", fact.body) for fact in (await stored.backend.context.get(run_id, chunks)).values()]
    for kind, body in bodies:
        facts[kind] += 1
        sizes[kind] += len(body)
    ended = [instance.outcome for instance in instances(state) if instance.vertex.kind is Kind.STEP]
    return Footprint(
        steps=len(ended),
        attempts=sum(outcome.attempts for outcome in ended),
        seconds=sum(max(0.0, outcome.ended - outcome.started) for outcome in ended),
        facts=dict(facts),
        bytes=dict(sizes),
        values=sum(len(instance.outcome.sets or ()) for instance in instances(state)),
    )
