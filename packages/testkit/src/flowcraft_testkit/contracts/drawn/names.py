"""Names that are almost the same, to draw from."""

from __future__ import annotations

from random import Random
from typing import Final

from ..hostile import CONFUSED, TEXTS


def some_names(dice: Random, number: int = 4) -> list[str]:
    """So many different texts, most of which something makes equal to another, or a pattern for it."""
    family = list(dice.choice(CONFUSED))
    names = dice.sample(family, min(len(family), max(2, number - 1)))[:number]
    others = [text for text in TEXTS if text not in names]
    return names + dice.sample(others, number - len(names))


#: Bodies of records.
BODIES: Final = (b"", b"\0", b"a", b"\xff\xfe", bytes(range(256)), b'{"a": 1.0}', "日\u2028".encode() * 300)
