"""A program of calls: how it is drawn, told, and made shorter when it goes wrong."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from random import Random
from typing import Any, Literal, TypeAlias

import attrs

#: What is made of an operation while the program runs is nothing of it: an operation is data, and runs again as it is.
Way: TypeAlias = Literal["call", "at once", "cancelled", "cut", "time"]


# Calls without an answer may be carried out at any later time, so each doubles what is possible.
_MOST_LOST = 3


@attrs.frozen
class Op:
    """A call of a port.

    Attributes:
        client: Who makes it.
        name: Which.
        args: What the port's clauses have drawn for it.
    """

    client: int
    name: str
    args: tuple[Any, ...] = ()

    def __str__(self) -> str:
        return f"client {self.client}: {self.name}({', '.join(ascii(arg) for arg in self.args)})"


@attrs.frozen
class Step:
    """What is done next.

    Attributes:
        way: One call after the other, several at once, or one that is cancelled, or whose connection is cut; or time
            passes.
        ops: The calls.
        turns: After how many turns of the event loop it is cancelled or cut.
        seconds: How much time passes.
    """

    way: Way
    ops: tuple[Op, ...] = ()
    turns: int = 0
    seconds: float = 0.0

    def __str__(self) -> str:
        if self.way == "time":
            return f"{self.seconds:g} s pass"
        calls = " | ".join(str(op) for op in self.ops)
        after = {"at once": "at once: ", "cancelled": f"cancelled after {self.turns} turns: "}
        return {"cut": f"cut after {self.turns} turns: "}.get(self.way, after.get(self.way, "")) + calls


Program: TypeAlias = Sequence[Step]


def picker(dice: Random, names: Sequence[str]) -> Callable[[Random], str]:
    """What picks a call's name, the first of which is needed for all others.

    Each program leaves some out and has many of others: what goes wrong after the third call of a kind, or where
    nothing of another kind comes between, is met sooner so than by programs that all have a little of everything.
    """
    weights = [2, *(dice.choice((0, 1, 1, 4)) for _ in names[1:])]
    return lambda dice: dice.choices(names, weights)[0]


def draw(
    dice: Random, ways: Sequence[Way], length: int, draw_op: Callable[[Random], Op], pauses: Sequence[float]
) -> list[Step]:
    """Draw a program.

    Args:
        dice: What to draw from.
        ways: How calls may be made beside one after the other.
        length: How many steps.
        draw_op: Draws a call.
        pauses: How much time may pass at a time, seconds.
    """
    steps: list[Step] = []
    ops: list[Op] = []

    share_again = dice.choice((0.0, 0.15, 0.3))

    def next_op() -> Op:
        # Made again, by whomever, is what a lost answer leads to.
        again = bool(ops) and dice.random() < share_again
        op = attrs.evolve(dice.choice(ops), client=dice.choice(ops).client) if again else draw_op(dice)
        ops.append(op)
        return op

    lost = 0
    share_of_time = dice.choice((0.05, 0.1, 0.3))
    for _ in range(length):
        if dice.random() < share_of_time:
            steps.append(Step("time", seconds=dice.choice(pauses)))
            continue
        way = dice.choice(ways) if ways and dice.random() < 0.5 else "call"
        if way in ("cancelled", "cut"):
            lost += 1
            way = way if lost <= _MOST_LOST else "call"
        number = {"at once": dice.randint(2, 4), "cut": 2}.get(way, 1)
        steps.append(Step(way, tuple(next_op() for _ in range(number)), turns=dice.randrange(6)))
    return steps


async def shrunk(
    program: Program, fails: Callable[[Program], Awaitable[str | None]], why: str, tries: int
) -> tuple[Program, str]:
    """The shortest program found that still goes wrong, and how it does."""
    size = len(program) // 2
    while size and tries > 0:
        start = 0
        while start < len(program) and tries > 0:
            shorter = [*program[:start], *program[start + size :]]
            tries -= 1
            still = await fails(shorter) if shorter else None
            if still is None:
                start += size
            else:
                program, why = shorter, still
        size = size // 2
    return program, why


def told(program: Program) -> str:
    """A program as lines to read."""
    return "\n".join(f"  {step}" for step in program)
