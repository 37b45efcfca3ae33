"""The pages of a batch: its items are stored so many at a time beside its entry's outcome, and read likewise.

How many items a page has at most is the flow's to say, so that it is the same wherever it runs; a batch that has no
more than that has no pages. In one process the items are at hand in any case, and nothing is cut.
"""

from __future__ import annotations

import attrs

from .scopes import Construct

#: How many items a page of a batch has at most that does not say so.
DEFAULT = 1_000


@attrs.frozen
class Pages:
    """A list that is stored in pages: in the place of the items where those are not at hand.

    Attributes:
        total: How many items there are.
        size: How many of them are in a page; in the last one there may be fewer.
        token: Tells the pages apart from those that another writer has begun for the same place.
    """

    total: int
    size: int
    token: str

    def __len__(self) -> int:
        return self.total

    @property
    def count(self) -> int:
        """How many pages there are."""
        return -(-self.total // self.size)


def page_size_of(batch: Construct) -> int:
    """How many items a page of a batch has at most; so many results are reduced at a time, too."""
    return DEFAULT if batch.page_size is None else batch.page_size


def page_size_for(batch: Construct, total: int) -> int | None:
    """How many items a page has at most, of a batch of so many; None if it has no pages, since one would do."""
    size = page_size_of(batch)
    return size if total > size else None
