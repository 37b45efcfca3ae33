"""Reads many hints of a coordination store."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from ..ports import CoordinationStore

# So many requests are made side by side.
_AT_ONCE = 50


async def read_hints(store: CoordinationStore, keys: Iterable[str]) -> dict[str, str]:
    """What stands under those of the keys under which anything does."""
    found: dict[str, str] = {}
    left = list(dict.fromkeys(keys))
    for start in range(0, len(left), _AT_ONCE):
        some = left[start : start + _AT_ONCE]
        values = await asyncio.gather(*(store.get(key) for key in some))
        found |= {key: value for key, value in zip(some, values, strict=True) if value is not None}
    return found
