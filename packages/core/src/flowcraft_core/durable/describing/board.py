"""Notes that programs leave for people, in the coordination store: hints, which expire.

The store lists no keys. So a board has a page for each stretch of time, and a counter of the page's notes: who leaves
one counts, and puts it under the number that this gave; who reads counts along. That is two requests for a note, and as
many as there are notes to read a page, however many programs write, and nothing to clear away. A board that is wiped is
empty until the next notes come.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import attrs

from ...ports import CoordinationStore
from ..hints import read_hints

# A number may have been given twice, if the counter was lost and the notes were not: then the next one is free.
_TRIES = 3
# So many notes of a page are read at most.
_MOST_NOTES = 5_000


@attrs.frozen
class Board:
    """A board with some topic.

    Attributes:
        store: Where it is.
        topic: What it is about; part of its keys.
        page: For how long the notes of one page are left, seconds.
    """

    store: CoordinationStore
    topic: str
    page: float

    async def leave(self, note: Mapping[str, Any], now: float, *, ttl: float | None = None) -> None:
        """Leave a note of JSON data: two requests.

        Args:
            note: What it says; what is too long for the store is the caller's to cut.
            now: Seconds since the epoch.
            ttl: For how long it can be read, seconds; three pages by default.
        """
        lasts = 3 * self.page if ttl is None else ttl
        text = json.dumps(note, ensure_ascii=False, separators=(",", ":"))
        page = self._key(now)
        for _ in range(_TRIES):
            number = await self.store.increment(page, ttl=lasts)
            if await self.store.set_if_absent(f"{page}:{number}", text, ttl=lasts):
                return

    async def read(self, now: float, *, within: float) -> list[Mapping[str, Any]]:
        """The notes that were left lately, and some older ones; what is none is left out.

        Args:
            now: Seconds since the epoch. Clocks differ: the page after it is read as well.
            within: How long ago a note may have been left, seconds.
        """
        pages = [self._key(now + self.page)]
        pages += [self._key(now - back * self.page) for back in range(int(-(-within // self.page)) + 1)]
        sums = await read_hints(self.store, pages)
        keys = [f"{page}:{number + 1}" for page in pages for number in range(_count(sums.get(page)))]
        texts = await read_hints(self.store, keys)
        return _notes([texts[key] for key in keys if key in texts])

    def _key(self, when: float) -> str:
        return f"board:{self.topic}:{int(when // self.page)}"


def _count(sum_: str | None) -> int:
    return min(int(sum_), _MOST_NOTES) if sum_ is not None and sum_.isascii() and sum_.isdigit() else 0


def _notes(texts: Sequence[str]) -> list[Mapping[str, Any]]:
    found: list[Mapping[str, Any]] = []
    for text in texts:
        try:
            note = json.loads(text)
        except (ValueError, RecursionError):
            continue  # somebody else's
        if isinstance(note, dict):
            found.append(note)
    return found
