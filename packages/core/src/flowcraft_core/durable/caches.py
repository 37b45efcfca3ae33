"""What a program keeps of what it has read: as much as there is memory for, and what nobody needs any more goes first.

There is one ``Memory`` per worker, and all that it keeps of runs is in there: outcomes, pages of items, run records
with their contexts, compiled blueprints, what is left of runs that are undone. It is a cache in every respect: what is
not there is read again, and whoever works on something holds what it needs by itself, for as long as it does.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

import attrs

from ..graph.facts import OUTPUT, Outcome
from .gathered import StoredResults
from .weights import looked_at, taken_by

if TYPE_CHECKING:
    from ..graph.scopes import Graph
    from .runs import RunRecord
    from .storage import Stored

#: What a worker keeps at most if nobody says otherwise, bytes; half of what the smallest machines have for a program.
DEFAULT_MEMORY = 128 * 1024 * 1024

# What the smallest outcome or record takes with its place here, bytes.
_LEAST = 900

# The key of a run's record among what is kept of it: the one that it has in the store.
_RECORD = ":run"


class Memory:
    """Things by run and key, as many as have room: what is of ended runs goes first, then what nobody asked for.

    Two programs on one machine, a worker and its reconciler, can share it; two threads cannot.
    """

    def __init__(self, room: int = DEFAULT_MEMORY) -> None:
        """Begin empty.

        Args:
            room: What all of them may take together, bytes.
        """
        self._room = self._left = room
        self._things: OrderedDict[tuple[str, str], tuple[Any, int]] = OrderedDict()
        self._ended: dict[tuple[str, str], tuple[Any, int]] = {}  # the records of runs that have ended
        self._keys: dict[str, dict[str, None]] = {}

    def get(self, run_id: str, key: str) -> Any:
        """What is there; None if nothing is."""
        name = run_id, key
        found = self._things.get(name)
        if found is not None:
            self._things.move_to_end(name)
            return found[0]
        found = self._ended.get(name)
        return None if found is None else found[0]

    def put(self, run_id: str, key: str, thing: Any, weight: int) -> None:
        """Keep a thing, in the place of what else is there; one that is heavier than all of the room is not kept.

        Args:
            run_id: Whose it is; of what belongs to no run any name that no run has.
            key: What it is called there.
            thing: The thing.
            weight: What it takes, bytes, without its place here.
        """
        name = run_id, key
        if name in self._things or name in self._ended:
            self.pop(run_id, key)
        weight += _LEAST
        if weight > self._room:
            return
        if (keys := self._keys.get(run_id)) is None:
            keys = self._keys[run_id] = {}
        keys[key] = None
        self._things[name] = thing, weight
        self._left -= weight
        while self._left < 0:
            self.pop(*next(iter(self._ended or self._things)))

    def pop(self, run_id: str, key: str) -> None:
        """Keep a thing no longer, if it is there."""
        found = self._things.pop((run_id, key), None) or self._ended.pop((run_id, key), None)
        if found is not None:
            self._left += found[1]
            keys = self._keys[run_id]
            del keys[key]
            if not keys:
                del self._keys[run_id]

    def end(self, run_id: str) -> None:
        """Keep no more of a run that has ended than its record, for messages that come late; and that goes first."""
        for key in self.keys(run_id):
            if key != _RECORD:
                self.pop(run_id, key)
            elif (record := self._things.pop((run_id, key), None)) is not None:
                self._ended[run_id, key] = record

    def forget(self, run_id: str) -> None:
        """Keep nothing of a run: it was purged, and another one has its id."""
        for key in self.keys(run_id):
            self.pop(run_id, key)

    def keys(self, run_id: str) -> list[str]:
        """What is kept of a run."""
        return list(self._keys.get(run_id, ()))

    @property
    def weight(self) -> int:
        """What is kept takes so many bytes, about."""
        return self._room - self._left

    @property
    def count(self) -> int:
        """How many things there are."""
        return len(self._things) + len(self._ended)


@attrs.frozen
class OutcomeCache:
    """The outcomes, and pages of items, that a worker has seen lately: those of one batch read its input once.

    Attributes:
        memory: Where they are kept.
    """

    memory: Memory = attrs.field(factory=Memory)

    def get(self, run_id: str, key: str) -> Stored[Any] | None:
        """An outcome, if it is here, as whoever has not written it reads it."""
        found: Stored[Any] | None = self.memory.get(run_id, key)
        return None if found is None else found.as_read()

    def add(self, run_id: str, key: str, stored: Stored[Any]) -> None:
        """Keep an outcome; facts do not change."""
        if self.memory.get(run_id, key) is None:
            values = _values_of(stored.value) if isinstance(stored.value, Outcome) else (stored.value,)
            self.memory.put(run_id, key, stored, taken_by(values, stored.weight))


@attrs.frozen
class KnownRuns:
    """The records of the runs that a worker has worked on lately.

    A record that is kept holds on to no blueprints: those are kept by themselves, once, however many runs share them.
    Jobs of one run that are worked on at the same time share one with them.

    Attributes:
        memory: Where they are kept.
        graph: Gives the compiled blueprint with a content hash, if it is at hand.
    """

    memory: Memory
    graph: Callable[[str], Graph | None]
    _at_work: WeakValueDictionary[str, RunRecord] = attrs.field(factory=WeakValueDictionary, init=False)

    def get(self, run_id: str) -> RunRecord | None:
        """A run's record, if it is here with all of its blueprints."""
        found: tuple[RunRecord, Mapping[str, str]] | None = self.memory.get(run_id, _RECORD)
        if found is None:
            return None
        record, hashes = found
        graphs = {
            name: graph for name, content_hash in hashes.items() if (graph := self.graph(content_hash)) is not None
        }
        if len(graphs) < len(hashes):
            return None
        whole = self._at_work.get(run_id)
        if whole is None:
            whole = self._at_work[run_id] = attrs.evolve(record, graphs=graphs)
        return whole

    def put(self, record: RunRecord) -> None:
        """Keep a record, in the place of another one of that run."""
        hashes = {blueprint_id: graph.hash for blueprint_id, graph in record.graphs.items()}
        weight = taken_by((record.context, record.again, record.kept_keys, hashes), record.weight)
        self.memory.put(record.run_id, _RECORD, (attrs.evolve(record, graphs={}), hashes), weight)
        self._at_work[record.run_id] = record


def weight_of_outcome(outcome: Outcome) -> int:
    """What an outcome takes with its place in a state, bytes, about."""
    return _LEAST + looked_at(_values_of(outcome))


def _values_of(outcome: Outcome) -> Sequence[Any]:
    """The values in an outcome, without what each has: of most only the output, if that is not nothing."""
    output = None if type(outcome.output) is StoredResults else outcome.output
    named = output, outcome.items, outcome.sets, outcome.context, outcome.untaken, outcome.error, outcome.primary_error
    found = [value for value in named if value is not None]
    for value in outcome.taken.values():
        if value is not OUTPUT:
            found.append(value)
    return found
