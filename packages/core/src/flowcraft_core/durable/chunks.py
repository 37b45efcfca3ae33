"""Long values: cut into chunks that can be found again, whoever wrote them and however that ended.

A value that is longer than the store takes is written as chunks, each a fact of its own, under names that no other
writer uses; then the record that names them. So whoever sees the record sees all of its chunks.

Stores are never asked to list keys. So that a writer who is killed leaves nothing behind that nobody finds, it first
claims a *slot* of the key: a fact under the first free number, which says what its chunks will be called. Whoever
removes the key goes through its slots until one is free. A slot is never given back: its chunks may be those of the
record that stands.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

import attrs

from ..ids import new_id
from ..payloads import MAX_RECORD_BYTES
from ..ports import ContextStore, Fact

# What stands in front of a stored body: the record itself, a part of it, or what its chunks are called.
_WHOLE = b"w"
_CHUNKED = b"c"

CHUNK = ":chunk:"
_MOST_CHUNKS = 100_000

# Which slots are looked at first by who looks for a free one where there may be many; and into how many parts what is
# left is divided then, each time.
_FIRST_LOOK = [2**power - 1 for power in range(20)]
_PARTS = 16

# So many slots before one's own are looked at for what can be removed.
_LOOKED_BACK = 8

# So many are read whatever the store's limit is, which may have been another one when they were written.
_FEW_CHUNKS = 1_000


@attrs.frozen
class Begun:
    """Parts of a value that are about to be stored.

    Attributes:
        named: What names them: all that is needed to find them.
        token: Tells them apart from those that others have begun.
        keys: Their keys.
        earlier: The keys of those that were begun for the same place before.
    """

    named: bytes
    token: str
    keys: Sequence[str]
    earlier: Sequence[str]


@attrs.frozen
class Attempt:
    """A body as it is stored, and the chunks that were begun for the same key before.

    Attributes:
        stored: What to store as the record.
        earlier: The keys of the chunks of earlier attempts.
    """

    stored: bytes
    earlier: Sequence[str] = ()


@attrs.frozen
class Chunks:
    """Writes, reads and finds the chunks of a store's long values.

    Attributes:
        store: Where they are.
    """

    store: ContextStore

    def cuts(self, body: bytes) -> bool:
        """Whether a body is too long to be stored whole."""
        return len(body) >= self.store.limits.max_value_bytes

    async def write(self, run_id: str, key: str, body: bytes, place: str = "", *, number: int | None = None) -> Attempt:
        """Store what of a body does not fit into the record.

        Args:
            run_id: The run.
            key: The record's key.
            body: All of it.
            place: Tells records under one key apart, where one takes the place of another; has no colon.
            number: Of records that are written to one place again and again: which this is. Then the earlier chunks
                that are given are lately written ones of numbers so much smaller that nobody reads them any more.
        """
        if not self.cuts(body):
            return whole(body)
        size = self.store.limits.max_value_bytes - 1
        parts = [body[start : start + size] for start in range(0, len(body), size)]
        first, earlier, note = 0, list[str](), ""
        if number is not None:
            first, note = await self._free_slot(run_id, key, place), str(number)
            earlier = await self._outdated(run_id, key, place, first, number)
        begun = await self.begin(run_id, key, place, len(parts), first=first, note=note)
        for chunk, part in zip(begun.keys, parts, strict=True):
            await self.store.put(run_id, chunk, Fact(_WHOLE + part, begun.token))
        return Attempt(begun.named, begun.earlier if number is None else earlier)

    async def begin(self, run_id: str, key: str, place: str, parts: int, *, first: int = 0, note: str = "") -> Begun:
        """Claim a slot that says what so many parts will be called: from now on they are found, written or not.

        Args:
            run_id: The run.
            key: The key of the record that they belong to.
            place: Tells what belongs to one key apart; has no colon.
            parts: How many there will be.
            first: All slots before this one are claimed.
            note: Is kept with the slot.
        """
        token = new_id()
        named = _CHUNKED + json.dumps([token, parts]).encode()
        earlier: list[str] = []
        number = first
        while True:
            standing = await self.store.put(run_id, _slot(key, place, number), Fact(named, token, note))
            if standing is None or standing.writer == token:
                return Begun(named, token, chunk_keys(key, named), earlier)
            earlier += _begun(key, standing.body)
            number += 1

    async def _free_slot(self, run_id: str, key: str, place: str) -> int:
        """The first free slot, or one that was a moment ago, in few requests however many are claimed before it."""
        low, high, looked = 0, _FIRST_LOOK[-1], _FIRST_LOOK
        while low < high:
            claimed = await self.store.get(run_id, [_slot(key, place, number) for number in looked])
            free = [number for number in looked if _slot(key, place, number) not in claimed]
            high = min([high, *free])
            low = max([low, *(number + 1 for number in looked if number < high)])
            looked = list(range(low, high, max(1, (high - low) // _PARTS)))
        return low

    async def _outdated(self, run_id: str, key: str, place: str, first: int, number: int) -> list[str]:
        """Chunks that were begun shortly before a slot, of numbers that are smaller by two and more.

        The last one may be read just now, by who has seen it stand.
        """
        slots = [_slot(key, place, each) for each in range(max(0, first - _LOOKED_BACK), first)]
        standing = await self.store.get(run_id, slots) if slots else {}
        old = [fact for fact in standing.values() if fact.job.isdecimal() and int(fact.job) <= number - 2]
        return [chunk for fact in old for chunk in _begun(key, fact.body)]

    async def read(self, run_id: str, key: str, stored: bytes) -> bytes | None:
        """The body that a record stands for; None if chunks of it are not visible.

        Raises:
            ValueError: What is said of its chunks is damaged, or they are more than any record has.
        """
        keys = chunk_keys(key, stored)
        if not keys:
            return stored[1:]
        most = 1 + 2 * MAX_RECORD_BYTES // self.store.limits.max_value_bytes  # twice: a codec may make more of it
        if len(keys) > max(most, _FEW_CHUNKS):
            raise ValueError(f"it has {len(keys)} chunks, and no record has more than {most}")
        chunks = await self.store.get(run_id, keys)
        return b"".join(chunks[chunk].body[1:] for chunk in keys) if len(chunks) == len(keys) else None

    async def find(self, run_id: str, places: Iterable[tuple[str, str]]) -> list[list[str]]:
        """The keys of all chunks that were ever begun for these keys and places, and of their slots.

        Returns:
            Groups of them, in the order in which they can be removed: one after the other, each all at once. Whatever
            has not been removed then is found again.
        """
        chunks: list[str] = []
        slots_by_number: list[list[str]] = []
        left = list(dict.fromkeys(places))
        while left:
            slots = {_slot(key, place, len(slots_by_number)): (key, place) for key, place in left}
            standing = await self.store.get(run_id, list(slots))
            chunks += [chunk for slot, fact in standing.items() for chunk in _begun(slots[slot][0], fact.body)]
            slots_by_number.append(list(standing))
            left = [slots[slot] for slot in standing]
        return [chunks, *reversed(slots_by_number)]

    async def remove(self, run_id: str, keys: Sequence[str]) -> None:
        """Remove chunks."""
        if keys:
            await self.store.delete(run_id, keys=keys, names=())


def chunk_keys(key: str, stored: bytes) -> list[str]:
    """The keys of the chunks that a stored body consists of; none if it is whole.

    Raises:
        ValueError: What is said of them is damaged.
    """
    if not is_cut(stored):
        return []
    token, count = json.loads(stored[1:])
    if not isinstance(token, str) or type(count) is not int or not 0 < count <= _MOST_CHUNKS:
        raise ValueError(f"its chunks are {token!r:.80} and {count!r:.80}")
    return [part_key(key, token, number) for number in range(count)]


def whole(body: bytes) -> Attempt:
    """A body that is stored as it is."""
    return Attempt(_WHOLE + body)


def is_cut(stored: bytes) -> bool:
    """Whether a stored body names chunks, in the place of being all that there is."""
    return stored[:1] == _CHUNKED


def part_key(key: str, token: str, number: int) -> str:
    """The key of one part of what was begun under a token."""
    return f"{key}{CHUNK}{token}:{number}"


def _slot(key: str, place: str, number: int) -> str:
    return f"{key}{CHUNK}{place}.{number}"


def _begun(key: str, slot: bytes) -> list[str]:
    """The chunks that a slot says were begun; none if it is damaged, which must not keep anybody from going on."""
    try:
        return chunk_keys(key, slot)
    except (ValueError, TypeError, RecursionError):
        return []
