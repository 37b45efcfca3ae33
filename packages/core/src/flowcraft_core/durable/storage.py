"""Records in a context store: facts by kind, encoded, and cut into chunks where the store has a limit."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, Generic, TypeAlias, TypeVar

import attrs

from ..clock import Clock
from ..errors import BackendError, SerializationError
from ..graph.facts import DELETED, Answer, Outcome, Suspension
from ..graph.instances import Instance
from ..graph.positions import Position, from_sortable, to_sortable
from ..graph.records import (
    ANSWER,
    answer_from_record,
    answer_to_record,
    outcome_from_record,
    outcome_to_record,
    suspension_from_record,
    suspension_to_record,
)
from ..ids import new_id
from ..payloads import MAX_RECORD_BYTES, PayloadCodec, RecordKind, old_place_of, place_of
from ..ports import ContextStore, Fact, PositionedValue
from ..serialization import Serializer
from .caches import OutcomeCache
from .chunks import Chunks, chunk_keys, is_cut, whole
from .gathering import GatheringReads
from .pages import ListPages, Written, may_have_pages
from .suspensions import answer_key, suspension_key, suspension_windows
from .weights import MAX_WEIGHT, weight_of

T = TypeVar("T")

#: Stores a fact under a run's id and a key, as ``ContextStore.put`` does.
PutsFact: TypeAlias = Callable[[str, str, Fact], Awaitable[Fact | None]]

FORMAT = 1
READABLE_FORMATS = frozenset({FORMAT})

# Seconds between two looks at what may not be visible yet.
_PAUSE = 0.05

# Made once: to make one costs as much as to write a short record by it. What is written holds no circles.
_JSON = json.JSONEncoder(ensure_ascii=False, check_circular=False, separators=(",", ":"))
_FROM_JSON = json.JSONDecoder().raw_decode

# What comes of reading what nobody has written so.
_DAMAGED = (ValueError, TypeError, KeyError, AttributeError, IndexError, RecursionError, OverflowError)

# A shorter text, and what it takes for each of its bytes, about: too little to be looked at more closely.
_SHORT, _OF_SHORT = 1_024, 12

# Ends the key of a claim, but for the number of its slot. A colon is escaped in ids: no node's key ends like this.
_CLAIM = ":claim"

#: In the place of its job: a fork has the fact from the run that it was forked from.
KEPT = ":kept"

#: Before the numbers of the facts that name what is set from outside of the run, see ``SharedContext``.
OUTSIDE = ":outside:"
# The last entry of its setter's position, but for the number: ids of nodes are not empty.
_OUTSIDE = (0, "")

#: Where blueprints are kept, by content hash: the run id of no run, since a run id begins with no colon.
BLUEPRINTS = ":blueprints"


@attrs.define
class Stored(Generic[T]):
    """A fact as it stands in the store. Never changed once it is made, of which there is one for each step and more.

    Attributes:
        value: What it says.
        job: The job under which it was written.
        won: Whether the call that returned it wrote it; False for a fact that was read.
        weight: Bytes of memory that it takes, about.
    """

    value: T
    job: str
    won: bool = False
    weight: int = 0

    def as_read(self) -> Stored[T]:
        """The same for whoever has not written it."""
        return Stored(self.value, self.job, weight=self.weight) if self.won else self


@attrs.frozen
class Records:
    """Reads and writes a run's records.

    Attributes:
        store: Where they are.
        serializer: For the values inside.
        codec: For the bytes outside.
        max_bytes: The longest record, chunks together; a longer one is refused by name.
        cache: Outcomes that were read or written lately; they never change. Likewise pages.
        chunks: The parts of long records.
        pages: The pages of long lists.
        damaged: If there is such a set, facts that cannot be read are left out, and their keys are noted in it.
    """

    store: ContextStore
    serializer: Serializer
    codec: PayloadCodec
    max_bytes: int = MAX_RECORD_BYTES
    cache: OutcomeCache | None = None
    damaged: set[str] | None = None
    _reads: GatheringReads = attrs.field(
        init=False, default=attrs.Factory(lambda self: GatheringReads(self.store), takes_self=True)
    )
    chunks: Chunks = attrs.field(init=False, default=attrs.Factory(lambda self: Chunks(self.store), takes_self=True))
    pages: ListPages = attrs.field(init=False, default=attrs.Factory(ListPages, takes_self=True))

    # --- outcomes, suspensions, claims --------------------------------------------------------------------------------

    async def put_outcome(
        self, run_id: str, key: str, outcome: Outcome, job: str, *, copied_from: str | None = None
    ) -> Stored[Outcome]:
        """Commit an outcome; what stands then is returned, this one or an earlier one.

        The items of a large batch are stored in pages before it; what is returned says where they are.

        Args:
            run_id: The run.
            key: The instance's key.
            outcome: The outcome.
            job: Under which job.
            copied_from: The run that it is the outcome of, if that is another one.

        Raises:
            SerializationError: It is longer than ``max_bytes``; nothing is stored.
        """
        if may_have_pages(outcome) or outcome.page_size is not None:
            stored = await self._put_with_pages(run_id, key, outcome, job, copied_from)
        else:
            record = outcome_to_record(outcome, self._encode)
            stored = await self._put(run_id, key, record, job, outcome, self._outcome)
        if not stored.won:
            stored = await self._at_hand(run_id, key, stored)
        if self.cache is not None:
            self.cache.add(run_id, key, stored)
        return stored

    async def _put_with_pages(
        self, run_id: str, key: str, outcome: Outcome, job: str, copied_from: str | None
    ) -> Stored[Outcome]:
        written = (
            await self.pages.write(run_id, key, outcome, copied_from) if may_have_pages(outcome) else Written(outcome)
        )
        record = outcome_to_record(written.outcome, self._encode)
        # What is at hand of it stays at hand; but of a batch nobody holds all items, or all results.
        value = outcome
        if written.outcome is not outcome:
            value = attrs.evolve(written.outcome, output=outcome.output)
        if outcome.page_size is not None:
            value, _ = await self.pages.whole(run_id, key, written.outcome)
        stored = await self._put(run_id, key, record, job, value, self._outcome, keep=written.own)
        if unused := written.earlier if stored.won else written.own:
            await self.delete(run_id, unused)
        if stored.won and written.weight:
            stored = attrs.evolve(stored, weight=stored.weight + written.weight)
        return stored

    async def outcomes(self, run_id: str, keys: Iterable[str], *, keep: bool = True) -> dict[str, Stored[Outcome]]:
        """The outcomes under those keys, as far as there are any.

        Args:
            run_id: The run.
            keys: The keys.
            keep: They are remembered; who goes through very many would have all else forgotten by that.
        """
        found: dict[str, Stored[Outcome]] = {}
        unknown: list[str] = []
        for key in keys:
            known = None if self.cache is None else self.cache.get(run_id, key)
            if known is None:
                unknown.append(key)
            else:
                found[key] = known
        for key, (record, job, weight) in (await self._get(run_id, unknown)).items():
            try:
                with reading(run_id, key):
                    stored = Stored(self._outcome(record), job, weight=weight)
                found[key] = await self._at_hand(run_id, key, stored)
            except SerializationError:
                if self.damaged is None:
                    raise
                self.damaged.add(key)
                continue
            if keep and self.cache is not None:
                self.cache.add(run_id, key, found[key])
        return found

    async def page(self, run_id: str, key: str) -> tuple[Any, ...]:
        """A page of a batch's items.

        Raises:
            StaleReadError: It is not visible yet.
        """
        known = None if self.cache is None else self.cache.get(run_id, key)
        if known is None:
            record, job, weight = (await self.stored_pages(run_id, [key]))[key]
            known = Stored(tuple(self.members(run_id, key, record)), job, weight=weight)
            if self.cache is not None:
                self.cache.add(run_id, key, known)
        items: tuple[Any, ...] = known.value
        return items

    async def stored_pages(self, run_id: str, keys: Sequence[str]) -> dict[str, tuple[Mapping[str, Any], str, int]]:
        """Pages as they are stored, each with the job under which it was written, and what it weighs.

        Raises:
            StaleReadError: One is not visible yet.
        """
        found = await self._get(run_id, keys)
        if missing := [key for key in keys if key not in found]:
            raise StaleReadError(f"run {run_id!r}: page {missing[0]!r} of a list is not visible yet")
        return found

    def members(self, run_id: str, key: str, page: Mapping[str, Any]) -> list[Any]:
        """What stands in a stored page."""
        with reading(run_id, key):
            return [self._decode(item) for item in page["items"]]

    async def _at_hand(self, run_id: str, key: str, stored: Stored[Outcome]) -> Stored[Outcome]:
        value, weight = await self.pages.whole(run_id, key, stored.value)
        return stored if value is stored.value else attrs.evolve(stored, value=value, weight=stored.weight + weight)

    async def put_suspension(
        self, run_id: str, key: str, suspension: Suspension, job: str
    ) -> Stored[Suspension | Answer]:
        """Record that an instance waits; what stands then is returned, for a wait perhaps an answer.

        A retry has a record per attempt.
        """
        return await self._put(
            run_id, suspension_key(key, suspension), suspension_to_record(suspension), job, suspension, self._suspended
        )

    async def put_answer(self, run_id: str, key: str, answer: Answer) -> Stored[Suspension | Answer]:
        """Answer a wait that nobody may have come to; what stands then is returned, perhaps its suspension.

        Raises:
            SerializationError: The answer cannot be stored.
        """
        record = answer_to_record(answer, self._encode)
        return await self._put(run_id, answer_key(key), record, "", answer, self._suspended)

    async def answers(self, run_id: str, keys: Iterable[str]) -> dict[str, Answer]:
        """The answers that stand where those waits would be suspended, by the waits' keys."""
        by_key = {answer_key(key): key for key in keys}
        found: dict[str, Answer] = {}
        for key, (record, _, _) in (await self._get(run_id, list(by_key))).items():
            with reading(run_id, key):
                if isinstance(standing := self._suspended(record), Answer):
                    found[by_key[key]] = standing
        return found

    async def suspensions(self, run_id: str, instances: Iterable[Instance]) -> dict[str, Suspension]:
        """By key of those instances that were suspended: why and until when each was last."""
        return {key: suspensions[-1] for key, suspensions in (await self.all_suspensions(run_id, instances)).items()}

    async def all_suspensions(self, run_id: str, instances: Iterable[Instance]) -> dict[str, list[Suspension]]:
        """By key of those instances that were suspended: each time, in the order in which they came by it.

        A wait that was answered before it was reached was never suspended.
        """
        found: list[tuple[tuple[tuple[int, int], int], str, str, Mapping[str, Any]]] = []
        windows = [window for instance in instances for window in suspension_windows(instance)]
        while windows:
            asked = [key for window in windows for key in (*window.keys, window.beyond) if key is not None]
            records = await self._get(run_id, asked)
            for window in windows:
                # What is beyond is read again as the first of the next window.
                found += [
                    ((window.order, place), window.key, key, records[key][0])
                    for place, key in enumerate(window.keys)
                    if key in records and records[key][0].get("kind") != ANSWER
                ]
            windows = [window.next() for window in windows if window.beyond in records]
        suspensions: dict[str, list[Suspension]] = {}
        for _, instance_key, key, record in sorted(found, key=lambda one: one[0]):
            with reading(run_id, key):
                suspensions.setdefault(instance_key, []).append(suspension_from_record(record))
        return suspensions

    async def suspension_keys(self, run_id: str, instances: Iterable[Instance]) -> list[str]:
        """The keys of all suspensions that those instances may have."""
        keys: list[str] = []
        windows = [window for instance in instances for window in suspension_windows(instance)]
        while windows:
            keys += [key for window in windows for key in window.keys]
            found = await self._reads.get(run_id, [window.beyond for window in windows if window.beyond is not None])
            windows = [window.next() for window in windows if window.beyond in found]
        return keys

    async def put_claim(self, run_id: str, key: str, slot: int, place: int, job: str) -> Stored[int]:
        """Claim a slot of a join of some for one of its incoming edges."""
        return await self._put(run_id, _claim_key(key, slot), {"place": place}, job, place, _place)

    async def claims(self, run_id: str, joins: Mapping[str, int]) -> dict[str, dict[int, int]]:
        """Who holds the slots of joins, by the joins' keys: the place of the edge, by slot.

        Args:
            run_id: The run.
            joins: How many slots each has, by its key.
        """
        names = {_claim_key(key, slot): (key, slot) for key, slots in joins.items() for slot in range(slots)}
        claims: dict[str, dict[int, int]] = {}
        for name, (record, _, _) in (await self._get(run_id, list(names))).items():
            key, slot = names[name]
            with reading(run_id, name):
                claims.setdefault(key, {})[slot] = _place(record)
        return claims

    # --- plain records --------------------------------------------------------------------------------------------

    async def put(
        self, run_id: str, key: str, record: Mapping[str, Any], *, by: PutsFact | None = None
    ) -> Stored[Mapping[str, Any]]:
        """Store a record of JSON data once; what stands then is returned.

        Args:
            run_id: The run.
            key: The record's key.
            record: The data.
            by: What stores the fact, in the place of the store.
        """
        return await self._put(run_id, key, record, "", record, lambda standing: standing, by=by)

    async def get(self, run_id: str, key: str) -> Mapping[str, Any] | None:
        """The record under a key."""
        return (await self._get(run_id, [key])).get(key, (None, "", 0))[0]

    async def get_all(self, run_id: str, keys: Sequence[str]) -> dict[str, Mapping[str, Any]]:
        """The records under those keys, as far as there are any."""
        return {key: record for key, (record, _, _) in (await self._get(run_id, keys)).items()}

    # --- context values -------------------------------------------------------------------------------------------

    async def apply(self, run_id: str, namespace: str, position: Position, sets: Mapping[str, Any]) -> None:
        """Apply the context values that an instance at a position has set in a namespace."""
        sortable = to_sortable(position)
        values: dict[str, PositionedValue] = {}
        outdated: list[str] = []
        for name, value in sets.items():
            stored_name = namespace + name
            body = None
            if value is not DELETED:
                key = _value_key(stored_name)
                encoded, _ = self._coded(run_id, key, {"value": self._encode(value)}, "value")
                if self.chunks.cuts(encoded) and await self._stands(run_id, stored_name, sortable):
                    continue  # applied before: its chunks need not be written again
                number = _outside_number(position)
                attempt = await self.chunks.write(run_id, key, encoded, _place_of(position), number=number)
                body = attempt.stored
                # Earlier attempts of an instance are those of this very setter: any of them may be what stands. Of
                # those who set from outside, what is older cannot stand once this is set.
                outdated += [] if number is None else attempt.earlier
            values[stored_name] = PositionedValue(sortable, body)
        await self.store.apply(run_id, values)
        await self.chunks.remove(run_id, outdated)

    async def values(self, run_id: str, namespace: str, names: Iterable[str]) -> dict[str, tuple[Position, Any]]:
        """The standing context values of those names, deleted ones as ``DELETED``."""
        found = await self.store.values(run_id, [namespace + name for name in names])
        values: dict[str, tuple[Position, Any]] = {}
        for stored_name, standing in found.items():
            position, value = await self._value(run_id, stored_name, standing)
            with reading(run_id, stored_name):
                values[stored_name[len(namespace) :]] = (from_sortable(position), value)
        return values

    async def _value(self, run_id: str, stored_name: str, standing: PositionedValue) -> tuple[str, Any]:
        """A context value that stands, or the one that has taken its place while its chunks were asked for."""
        while standing.body is not None:
            try:
                record, _ = await self._record(run_id, _value_key(stored_name), standing.body, "value")
            except StaleReadError:
                now = (await self.store.values(run_id, [stored_name])).get(stored_name)
                if now is None or now.position <= standing.position:
                    raise
                standing = now
                continue
            with reading(run_id, stored_name):
                return standing.position, self._decode(record["value"])
        return standing.position, DELETED

    async def delete(self, run_id: str, keys: Sequence[str]) -> None:
        """Remove facts, then all parts that were ever begun for them; cut off, it can be begun again."""
        await self.store.delete(run_id, keys=keys, names=())
        await self._delete_parts(run_id, [(key, "") for key in keys])

    async def delete_values(self, run_id: str, sets: Sequence[tuple[str, Position]]) -> None:
        """Remove context values, then all chunks that were ever begun for them; cut off, it can be begun again.

        Args:
            run_id: The run.
            sets: What instances have set: the name, with its namespace, and the instance's position.
        """
        await self.store.delete(run_id, keys=(), names=list(dict.fromkeys(name for name, _ in sets)))
        await self._delete_parts(run_id, [(_value_key(name), _place_of(position)) for name, position in sets])

    async def _delete_parts(self, run_id: str, places: Sequence[tuple[str, str]]) -> None:
        parts, *slots = await self.chunks.find(run_id, places)
        if parts:
            await self.delete(run_id, parts)  # a page may have chunks of its own
        for group in slots:
            await self.chunks.remove(run_id, group)

    # --- inside ---------------------------------------------------------------------------------------------------

    def _encode(self, value: Any) -> Any:
        return self.serializer.to_data(value)

    def _decode(self, data: Any) -> Any:
        return self.serializer.from_data(data)

    def _suspended(self, record: Mapping[str, Any]) -> Suspension | Answer:
        """What stands where an instance is suspended."""
        return (
            answer_from_record(record, self._decode) if record.get("kind") == ANSWER else suspension_from_record(record)
        )

    def _outcome(self, record: Mapping[str, Any]) -> Outcome:
        return outcome_from_record(record, self._decode)

    async def _put(
        self,
        run_id: str,
        key: str,
        record: Mapping[str, Any],
        job: str,
        value: T,
        read: Callable[[Mapping[str, Any]], T],
        keep: Collection[str] = (),
        by: PutsFact | None = None,
    ) -> Stored[T]:
        writer = new_id()
        encoded, weight = self._coded(run_id, key, record)
        attempt = await self.chunks.write(run_id, key, encoded) if self.chunks.cuts(encoded) else whole(encoded)
        standing = await (by or self.store.put)(run_id, key, Fact(attempt.stored, writer, job))
        # A call that was applied though its answer was lost finds its own writer when it is made again.
        if standing is None or standing.writer == writer:
            if attempt.earlier:  # of writers that died, or are about to lose
                await self.chunks.remove(run_id, [part for part in attempt.earlier if part not in keep])
            return Stored(value, job, won=True, weight=weight)
        await self.chunks.remove(run_id, chunk_keys(key, attempt.stored))
        found, weight = await self._record(run_id, key, standing.body)
        with reading(run_id, key):
            return Stored(read(found), standing.job, weight=weight)

    async def _get(self, run_id: str, keys: Sequence[str]) -> dict[str, tuple[Mapping[str, Any], str, int]]:
        if not keys:
            return {}
        facts = await self._reads.get(run_id, keys)
        found: dict[str, tuple[Mapping[str, Any], str, int]] = {}
        bodies: dict[str, bytes | BaseException] = {key: fact.body[1:] for key, fact in facts.items()}
        if cut := [key for key, fact in facts.items() if is_cut(fact.body)]:  # all of their parts are read at once
            joining = (self._joined(run_id, key, facts[key].body) for key in cut)
            bodies.update(zip(cut, await asyncio.gather(*joining, return_exceptions=True), strict=True))
        for key, fact in facts.items():
            try:
                if isinstance(body := bodies[key], BaseException):
                    raise body
                record, weight = self._said(run_id, key, body)
            except SerializationError:
                if self.damaged is None:
                    raise
                self.damaged.add(key)
            else:
                found[key] = record, fact.job, weight
        return found

    async def _stands(self, run_id: str, stored_name: str, sortable: str) -> bool:
        """Whether a context value stands that was set at this position or a later one."""
        standing = (await self.store.values(run_id, [stored_name])).get(stored_name)
        return standing is not None and standing.position >= sortable

    def _coded(self, run_id: str, key: str, record: Mapping[str, Any], kind: RecordKind = "fact") -> tuple[bytes, int]:
        """What is stored of a record, and what it weighs when it is read."""
        text = _JSON.encode({"v": FORMAT, **record}).encode()
        weight = self._weigh(text, run_id, key)
        return self.codec.encode(text, place=place_of(run_id, key, kind)), weight

    def _weigh(self, text: bytes, run_id: str, key: str) -> int:
        """The memory that a record takes, bytes.

        Raises:
            SerializationError: It is too long, or takes too much.
        """
        if len(text) > self.max_bytes:
            name = f"{run_id} {key}"
            raise SerializationError(
                f"record {name!r} has {len(text)} bytes; at most {self.max_bytes} are stored: keep large data "
                "elsewhere and hand on where it is"
            )
        if len(text) < _SHORT:
            return len(text) * _OF_SHORT
        weight = weight_of(text)
        if weight > MAX_WEIGHT:
            name = f"{run_id} {key}"
            raise SerializationError(
                f"record {name!r} has so many values that they may take {weight} bytes of memory; at most {MAX_WEIGHT} "
                "are read: keep large data elsewhere and hand on where it is"
            )
        return weight

    async def _record(
        self, run_id: str, key: str, stored: bytes, kind: RecordKind = "fact"
    ) -> tuple[Mapping[str, Any], int]:
        """What a stored record says, and what it weighs."""
        return self._said(run_id, key, await self._joined(run_id, key, stored), kind)

    async def _joined(self, run_id: str, key: str, stored: bytes) -> bytes:
        """The body of a stored record, with what its chunks hold."""
        with reading(run_id, key):
            body = await self.chunks.read(run_id, key, stored)
        if body is None:
            raise StaleReadError(f"run {run_id!r}: not all chunks of record {key!r} are visible yet")
        return body

    def _said(self, run_id: str, key: str, body: bytes, kind: RecordKind = "fact") -> tuple[Mapping[str, Any], int]:
        """What a body says, and what that weighs."""
        with reading(run_id, key):
            text = self._decoded(run_id, key, body, kind)
            weight = self._weigh(text, run_id, key)
            record, end = _FROM_JSON(said := text.decode())
            if end != len(said):
                raise ValueError("it goes on after its end")
            version = record.pop("v")
            if type(version) is not int or version < 1:
                raise ValueError(f"it has format {version!r:.80}")
            if version not in READABLE_FORMATS:
                raise NewerRecordError(f"run {run_id!r}: record {key!r} has format {version!r}; this version is older")
            return record, weight

    def _decoded(self, run_id: str, key: str, body: bytes, kind: RecordKind) -> bytes:
        try:
            return self.codec.decode(body, place=place_of(run_id, key, kind))
        except SerializationError:
            try:  # it may have been written before each place had a name of its own
                return self.codec.decode(body, place=old_place_of(run_id, key))
            except SerializationError:
                pass  # what is wrong is told of its place as it is called now
            raise


class StaleReadError(BackendError):
    """Something that must be there is not visible yet; try again shortly."""


class NewerRecordError(BackendError):
    """A record was written by a newer version; a newer worker will understand it."""


class reading:  # noqa: N801 - it reads as what it does
    """Says of whatever cannot be read in the block which record it is.

    Raises:
        SerializationError: The record is damaged.
    """

    __slots__ = ("_key", "_run_id")

    def __init__(self, run_id: str, key: str) -> None:
        """Name the record."""
        self._run_id, self._key = run_id, key

    def __enter__(self) -> None:
        """Begin to read."""

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: object) -> None:
        """Raise what is to be said of a failure."""
        if isinstance(error, SerializationError):
            name = f"run {self._run_id!r}: record {self._key!r}"
            if name not in str(error):
                raise SerializationError(f"{name} cannot be read: {error}") from error
        elif isinstance(error, _DAMAGED):
            raise SerializationError(
                f"run {self._run_id!r}: record {self._key!r} is damaged: {error!r:.200}"
            ) from error


def claim_keys(join: Instance) -> list[str]:
    """The keys of the claims that there may be of a join of some, slot by slot; of anything else there are none."""
    return [_claim_key(join.key, slot) for slot in range(join.vertex.quorum)]


def claimed_by(key: str) -> tuple[str, int] | None:
    """The key of the join, and its slot, whose claim has a key; None for the key of another fact."""
    join, _, slot = key.rpartition(_CLAIM)
    return (join, int(slot or 0)) if join and (not slot or slot.isdecimal()) else None


def _claim_key(key: str, slot: int) -> str:
    return f"{key}{_CLAIM}{slot or ''}"


def _place(record: Mapping[str, Any]) -> int:
    place = record["place"]
    if type(place) is not int or place < 0:
        raise ValueError(f"its place is {place!r:.80}")
    return place


def _value_key(stored_name: str) -> str:
    """What a context value is called where it is encoded, and where it is cut into chunks."""
    return f"{stored_name}:value"


def outside_of(position: Position) -> Position:
    """The position of who sets from outside of the run what an instance has set: the same one, or the first."""
    return position if position and position[-1][:2] == _OUTSIDE else (*position, (*_OUTSIDE, 0))


def _outside_number(position: Position) -> int | None:
    """Which of those who set from outside after the same instance one is; None for an instance."""
    return position[-1][2] if position and position[-1][:2] == _OUTSIDE else None


def _place_of(position: Position) -> str:
    """Tells the chunks of a context value's setters apart: each has slots of its own, however many there are."""
    if position and position[-1][:2] == _OUTSIDE:  # one for all who set from outside after the same instance
        position = (*position[:-1], (*_OUTSIDE, 0))
    return hashlib.sha256(to_sortable(position).encode()).hexdigest()[:32]


async def read_once_visible(
    read: Callable[[], Awaitable[T]],
    store: ContextStore,
    clock: Clock,
    *,
    is_all: Callable[[T], bool] = lambda _: True,
) -> T:
    """Read again until all is there, or until nothing that was there when this began can be missed any more.

    An answer that takes long shows what stood when it was asked for: the last one is asked for when that time is over.

    Args:
        read: Raises ``StaleReadError`` where something must be there that cannot be seen.
        store: Says for how long its reads may lag.
        clock: Tells the time.
        is_all: Whether what was read may be all that there is.

    Raises:
        BackendError: It cannot be read; ``StaleReadError`` if it is not visible for as long as the store's reads lag.
    """
    until = clock.now() + store.limits.staleness
    while True:
        is_last = clock.now() >= until
        try:
            found = await read()
            if is_last or is_all(found):
                return found
        except StaleReadError:
            if is_last:
                raise
        await clock.sleep(_PAUSE)
