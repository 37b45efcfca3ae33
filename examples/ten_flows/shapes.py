"""What the ten flows hand on, and what their steps do: the same in both ways of writing them."""

from dataclasses import dataclass, field
from typing import TypedDict


class Order(TypedDict):
    """Somebody buys something."""

    customer: str
    euros: int


class Approval(TypedDict):
    """What a person says to an order."""

    ok: bool
    by: str


@dataclass
class Draft:
    """A text that gets better."""

    text: str
    score: int


@dataclass
class Turn:
    """Where an agent stands."""

    question: str
    calls: list[str] = field(default_factory=list[str])
    seen: list[str] = field(default_factory=list[str])
    answer: str = ""
    is_open: bool = True


@dataclass
class Services:
    """What the steps are given."""

    rates: dict[str, float]
    sent: list[str]


def think(turn: Turn) -> Turn:
    """An agent's next move: two look-ups, and then an answer."""
    if len(turn.seen) < 2:
        turn.calls = [f"look up {turn.question} {len(turn.seen)}"]
    else:
        turn.calls, turn.is_open = [], False
        turn.answer = f"{turn.question}: {' and '.join(turn.seen)}"
    return turn
