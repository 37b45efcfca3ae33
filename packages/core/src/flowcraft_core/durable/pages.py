"""Long lists in pages: records beside an outcome, which says how many there are.

A list of many members would be one long record, which takes seconds to write and to read, and no other job of the same
process gets on meanwhile. So the items of a batch of more than a page are stored in pages, and read page by page by
whoever comes to one of them. An output that is a list, and too long for a record, is stored in pages as well; it is
read as a whole, but between two pages others have their turn.

Whoever commits the outcome writes the pages before it, under names of their own, and says first what they will be
called: as with the chunks of a long value, see ``chunks``. So whoever sees the outcome sees all of its pages; of two
who write at once one wins, with his pages, and nothing that anybody has begun is lost to a purge.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import attrs

from ..errors import SerializationError
from ..graph.facts import Outcome
from ..graph.instances import Instance, ScopeState
from ..graph.pages import DEFAULT, Pages
from ..graph.state import RunState
from .chunks import Begun, part_key
from .gathered import StoredResults
from .weights import MAX_WEIGHT

if TYPE_CHECKING:
    from .storage import Records

_Page: TypeAlias = Mapping[str, Any]

# What a page takes at most, about, bytes: of long items there are fewer in one, since for each item one is read.
_PAGE_BYTES = 256 * 1024

# So many pages of a list are read in one request.
_READ_AT_ONCE = 16


@attrs.frozen
class Written:
    """An outcome whose long list was stored.

    Attributes:
        outcome: The outcome, which names the pages in the place of the list.
        own: The keys of the pages.
        earlier: The keys of those that others have begun in the same place.
        weight: What the list weighs, bytes of memory; of items, which nobody keeps at hand, nothing.
    """

    outcome: Outcome
    own: Sequence[str] = ()
    earlier: Sequence[str] = ()
    weight: int = 0


def may_have_pages(outcome: Outcome) -> bool:
    """Whether there is something in an outcome that may be too long for its record; most have nothing of the kind."""
    return outcome.items is not None or type(outcome.output) in (list, Pages, StoredResults)


class ListPages:
    """Writes and reads what of outcomes is stored in pages."""

    def __init__(self, records: Records) -> None:
        """Begin.

        Args:
            records: Where the pages are.
        """
        self._records = records
        self._under_way: dict[tuple[str, str], asyncio.Task[tuple[Any, ...]]] = {}

    # --- writing --------------------------------------------------------------------------------------------------

    async def write(self, run_id: str, key: str, outcome: Outcome, of: str | None = None) -> Written:
        """Store the items of a batch that has more than a page of them, or a list that is too long for a record.

        Args:
            run_id: The run.
            key: The instance's key.
            outcome: Its outcome.
            of: The run whose pages it names, if it does: they are copied.
        """
        items, output = outcome.items, outcome.output
        if isinstance(items, Pages):
            if of is None:
                return Written(outcome)
            pages, begun, _ = await self._put(run_id, key, items, self._stored(of, key, items))
            return Written(attrs.evolve(outcome, items=pages), begun.keys, begun.earlier)
        if items is not None and outcome.page_size is not None:
            pages = Pages(len(items), self._fitting(items, outcome.page_size), "")
            pages, begun, _ = await self._put(run_id, key, pages, self._encoded(items, pages.size))
            return Written(attrs.evolve(outcome, items=pages), begun.keys, begun.earlier)
        if isinstance(output, StoredResults):
            if of is None:
                own, earlier = ((), ()) if output.begun is None else (output.begun.keys, output.begun.earlier)
                return Written(attrs.evolve(outcome, output=output.pages), own, earlier)
            pages, begun, _ = await self._put(run_id, key, output.pages, self._stored(of, key, output.pages))
            return Written(attrs.evolve(outcome, output=pages), begun.keys, begun.earlier)
        if type(output) is list and outcome.page_size is not None:
            pages = Pages(len(output), self._fitting(output, outcome.page_size), "")
            pages, begun, _ = await self._put(run_id, key, pages, self._encoded(output, pages.size))
            return Written(attrs.evolve(outcome, output=pages), begun.keys, begun.earlier)
        if type(output) is list and len(output) > DEFAULT and not await self._is_short(output):
            pages = Pages(len(output), self._fitting(output, DEFAULT), "")
            pages, begun, weight = await self._put(run_id, key, pages, self._encoded(output, pages.size))
            _require_weight(run_id, key, weight)
            return Written(attrs.evolve(outcome, output=pages), begun.keys, begun.earlier, weight)
        return Written(outcome)

    async def _put(self, run_id: str, key: str, pages: Pages, cut: AsyncIterator[_Page]) -> tuple[Pages, Begun, int]:
        begun = await self._records.chunks.begin(run_id, key, "", pages.count)
        number = weight = 0
        async for page in cut:
            weight += (await self._records.put(run_id, begun.keys[number], page)).weight
            number += 1
        return attrs.evolve(pages, token=begun.token), begun, weight

    def results(self, run_id: str, key: str, total: int, size: int) -> ResultPages:
        """Begin to store the results of a batch as they are gathered.

        Args:
            run_id: The run.
            key: The gather's key.
            total: How many results there will be.
            size: How many of them a page has at most.
        """
        return ResultPages(self, run_id, key, total, size)

    def _stored_results(self, run_id: str, key: str, pages: Pages) -> StoredResults:
        keys = page_keys(key, pages)
        return StoredResults(pages, lambda number: self._page(run_id, keys[number]))

    def _fitting(self, members: Sequence[Any], size: int) -> int:
        """How many members make a page, by how long the first of them are."""
        long = self._length(members[:size])
        return max(1, size * _PAGE_BYTES // long) if long > _PAGE_BYTES else size

    async def _is_short(self, members: list[Any]) -> bool:
        """Whether a list is stored in its record as before."""
        left = min(_PAGE_BYTES, self._records.store.limits.max_value_bytes // 2)
        for first in range(0, len(members), DEFAULT):
            left -= self._length(members[first : first + DEFAULT])
            if left < 0:
                return False
            await asyncio.sleep(0)
        return True

    def _length(self, members: Sequence[Any]) -> int:
        encode = self._records.serializer.to_data
        return len(json.dumps([encode(member) for member in members], ensure_ascii=False).encode())

    async def _encoded(self, members: Sequence[Any], size: int) -> AsyncIterator[_Page]:
        encode = self._records.serializer.to_data
        for first in range(0, len(members), size):
            yield {"items": [encode(member) for member in members[first : first + size]]}
            await asyncio.sleep(0)  # others have their turn, also where a store answers at once

    async def _stored(self, run_id: str, key: str, pages: Pages) -> AsyncIterator[_Page]:
        for name in page_keys(key, pages):
            yield (await self._records.stored_pages(run_id, [name]))[name][0]

    # --- reading --------------------------------------------------------------------------------------------------

    async def give(self, run_id: str, scope: ScopeState) -> None:
        """Read the items for which a scope and those around it are, as far as they stand in pages.

        Raises:
            StaleReadError: A page is not visible yet.
        """
        item: ScopeState | None = scope
        while item is not None and item.parent is not None and item.construct is not None:
            entry = item.parent.outcomes.get(item.construct.entry)
            if entry is not None and isinstance(entry.items, Pages) and item.given is None:
                key = item.parent.key(item.parent.scope.vertices[item.construct.entry])
                number, place = divmod(item.index or 0, entry.items.size)
                item.given = (await self._page(run_id, part_key(key, entry.items.token, number)))[place]
            item = item.parent

    async def _page(self, run_id: str, key: str) -> tuple[Any, ...]:
        """A page; those who want the same one at once read it once."""
        name = run_id, key
        if name not in self._under_way:
            reading = self._under_way[name] = asyncio.ensure_future(self._records.page(run_id, key))
            reading.add_done_callback(lambda done: self._read(name, done))
        return await asyncio.shield(self._under_way[name])

    def _read(self, name: tuple[str, str], reading: asyncio.Task[tuple[Any, ...]]) -> None:
        del self._under_way[name]
        if not reading.cancelled():
            reading.exception()  # whoever asked may have been cancelled: then nobody is left to be told

    async def whole(self, run_id: str, key: str, outcome: Outcome) -> tuple[Outcome, int]:
        """An outcome whose output is at hand, and what that weighs beside the record, bytes of memory.

        The results of a batch are as they are wanted: page by page, or all of them, see ``load``.
        """
        if not isinstance(outcome.output, Pages):
            return outcome, 0
        if outcome.page_size is not None:
            return attrs.evolve(outcome, output=self._stored_results(run_id, key, outcome.output)), 0
        output, weight = await self._members(run_id, key, outcome.output)
        return attrs.evolve(outcome, output=output), weight

    async def load(self, instance: Instance) -> None:
        """Put all results of a batch into the state that its exit is in."""
        scope, index = instance.scope, instance.vertex.index
        outcome = scope.outcomes.get(index)
        if outcome is not None and isinstance(outcome.output, StoredResults):
            scope.outcomes[index] = attrs.evolve(outcome, output=await outcome.output.all())

    async def fill(self, run_id: str, state: RunState, *, items: bool = False) -> RunState:
        """The state with all results of batches, in the place of what says where they are; and the items on demand.

        Args:
            run_id: The run.
            state: What its facts say.
            items: Also the items: for what is taken out of the store.
        """
        for scope in state.root.walk():
            for batch in scope.scope.constructs:
                await self.load(scope.at(batch.exit))
                if not items:
                    continue
                entry = scope.outcomes.get(batch.entry)
                if entry is not None and isinstance(entry.items, Pages):
                    key = scope.key(scope.scope.vertices[batch.entry])
                    members, _ = await self._members(run_id, key, entry.items)
                    scope.outcomes[batch.entry] = attrs.evolve(entry, items=tuple(members))
        return state

    async def _members(self, run_id: str, key: str, pages: Pages) -> tuple[list[Any], int]:
        members: list[Any] = []
        keys, total = page_keys(key, pages), 0
        for first in range(0, len(keys), _READ_AT_ONCE):
            found = await self._records.stored_pages(run_id, keys[first : first + _READ_AT_ONCE])
            for name in keys[first : first + _READ_AT_ONCE]:
                record, _, weight = found[name]
                total += weight
                _require_weight(run_id, key, total)
                members += self._records.members(run_id, name, record)
                await asyncio.sleep(0)
        return members, total


class ResultPages:
    """The results of a batch, each page of which is stored as soon as it is full."""

    def __init__(self, pages: ListPages, run_id: str, key: str, total: int, size: int) -> None:
        """Store nothing yet; see ``ListPages.results``."""
        self._lists, self._run_id, self._key = pages, run_id, key
        self._total, self._size = total, size
        self._begun: Begun | None = None
        self._left: list[Any] = []
        self._written = 0

    async def add(self, results: Sequence[Any]) -> None:
        """Take in the results that follow."""
        self._left += results
        if self._begun is None and len(self._left) >= self._size:
            # How long the first ones are says how many make a page, and that what the pages will be called.
            self._size = self._lists._fitting(self._left, self._size)
            records = self._lists._records
            pages = Pages(self._total, self._size, "")
            self._begun = await records.chunks.begin(self._run_id, self._key, "", pages.count)
        while self._begun is not None and len(self._left) >= self._size:
            await self._write(self._left[: self._size])
            del self._left[: self._size]

    async def close(self) -> StoredResults:
        """All of them, of which there are more than a page, once the last ones are stored."""
        if self._left:
            await self._write(self._left)
        assert self._begun is not None  # there was a page of them
        stored = self._lists._stored_results(self._run_id, self._key, Pages(self._total, self._size, self._begun.token))
        stored.begun = self._begun
        return stored

    async def _write(self, members: Sequence[Any]) -> None:
        assert self._begun is not None
        records, key = self._lists._records, self._begun.keys[self._written]
        await records.put(self._run_id, key, {"items": [records.serializer.to_data(member) for member in members]})
        self._written += 1


def _require_weight(run_id: str, key: str, weight: int) -> None:
    if weight > MAX_WEIGHT:
        raise SerializationError(
            f"run {run_id!r}: the list that {key!r} gives has so many values that they may take {weight} bytes of "
            f"memory; at most {MAX_WEIGHT} are read: keep large data elsewhere and hand on where it is"
        )


def page_keys(key: str, pages: Pages) -> list[str]:
    """The keys of the pages that the outcome under a key names."""
    return [part_key(key, pages.token, number) for number in range(pages.count)]
