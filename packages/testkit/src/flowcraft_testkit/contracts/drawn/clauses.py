"""The clauses on drawn programs that all ports have, and how a program is carried out."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from random import Random
from typing import Any, ClassVar, TypeVar

import attrs
from flowcraft_core.errors import FlowcraftError, TransientError

from ..clauses import needs
from ..contract import Contract
from ..model.knowledge import UNKNOWN, Knowledge, Model, Part
from .program import Op, Program, Step, Way, draw, shrunk, told

PortT = TypeVar("PortT")

_CLIENTS = 3
_EXAMPLES = "FLOWCRAFT_EXAMPLES"


@attrs.define(eq=False)
class Play:
    """One run of a program, on names of its own.

    Attributes:
        program: All of it.
        fresh: What tells the names of this run from those of others.
        ports: The clients' ports.
        knowledge: What is possible by now.
        memory: The port's clauses' own.
    """

    program: Program
    fresh: str
    ports: Sequence[Any]
    knowledge: Knowledge
    memory: Any = None


class DrawnClauses(Contract[PortT]):
    """Clauses on any calls whatever.

    What a call may answer is said by the port's model (``contracts.model``). A program that goes wrong is made shorter
    for as long as it does, and shown; the same programs are drawn on every run.

    Attributes:
        examples: How many programs each of these clauses draws; by default 25 where time can be skipped, and 4 where it
            has to be waited for. ``FLOWCRAFT_EXAMPLES=500`` in the environment asks for so many everywhere.
        length: Steps per program.
    """

    examples: ClassVar[int | None] = None
    length: ClassVar[int] = 25

    # --- what a port brings ---------------------------------------------------------------------------------------

    def model(self, port: PortT) -> Model:
        """What the port may answer."""
        raise NotImplementedError

    def drawing(self, dice: Random) -> Callable[[Random], Op]:
        """Choose what a program is about, and return what draws a call of it."""
        raise NotImplementedError

    async def carry_out(self, play: Play, op: Op) -> Any:
        """Make a call, and return its answer."""
        raise NotImplementedError

    def parts(self, play: Play, op: Op, answer: Any, begun: float, ended: float) -> Iterable[Part]:
        """What a call and its answer, or ``UNKNOWN``, say of each key."""
        raise NotImplementedError

    async def look_at_all(self, play: Play) -> str | None:
        """Compare all that stands in the end; what is wrong with it, in words."""
        raise NotImplementedError

    # --- the clauses ----------------------------------------------------------------------------------------------

    async def test_any_sequence_of_calls_does_what_the_port_says(self) -> None:
        """Whatever is called in whatever order, with whatever names: each answer is one that the port's model gives."""
        await self._try_programs("sequence", [])

    async def test_calls_at_once_are_as_if_made_one_after_the_other(self) -> None:
        """Each call is atomic on each key: there is an order that explains all answers, and all that is read after."""
        await self._try_programs("race", ["at once"])

    async def test_a_cancelled_call_is_made_whole_or_not_at_all(self) -> None:
        """Workers are stopped at any moment; what they were about is there or is not, and can be done again."""
        await self._try_programs("cancel", ["cancelled", "at once"])

    @needs("cuts")
    async def test_a_call_whose_connection_is_cut_says_so_and_can_be_made_again(self) -> None:
        """It raises ``TransientError``, whether it was carried out or not, and the client goes on with the next."""
        await self._try_programs("cut", ["cut"])

    async def _try_programs(self, kind: str, ways: Sequence[Way]) -> None:
        number = int(os.environ.get(_EXAMPLES, "0")) or self.examples or (25 if self.declared.skips_time else 4)
        pauses = [self.short * share for share in (0.5, 1.0, 1.6, 3.0)]
        for example in range(number):
            dice = Random(f"{self.contract} {kind} {example}")  # noqa: S311 - the same programs every time
            program = draw(dice, ways, self.length, self.drawing(dice), pauses)
            if why := await self._fails(program):
                tries = 100 if self.declared.skips_time else 10
                shortest, why = await shrunk(program, self._fails, why, tries)
                raise AssertionError(f"program {example} of {kind} goes wrong: {why}\n{told(shortest)}")

    # --- carrying out ---------------------------------------------------------------------------------------------

    async def _fails(self, program: Program) -> str | None:
        async with self.connect_many(_CLIENTS) as ports:
            play = Play(program, self.fresh("drawn"), ports, Knowledge(self.model(ports[0])))
            for step in program:
                if why := await self._step(play, step):
                    return f"{why}\n  at: {step}"
            return await self.look_at_all(play)

    async def _step(self, play: Play, step: Step) -> str | None:
        if step.way == "time":
            await self.pass_time(step.seconds)
            return None
        begun, before = self.now(), asyncio.all_tasks()
        tasks = [
            asyncio.ensure_future(later(place, partial(self.carry_out, play, op))) for place, op in enumerate(step.ops)
        ]
        if step.way in ("cancelled", "cut"):
            for _ in range(step.turns):
                await asyncio.sleep(0)
            if step.way == "cut":
                await self.trouble_maker.cut()
            else:
                tasks[0].cancel()
        answers = await asyncio.gather(*tasks, return_exceptions=True)
        if step.way == "cancelled" and (behind := asyncio.all_tasks() - before):
            # What a cancelled receive has taken is given back behind its back, as late as a busy machine comes to it.
            await asyncio.wait(behind, timeout=self.short)
        parts: list[Part] = []
        for op, answer in zip(step.ops, answers, strict=True):
            # Of calls at once one may meet another half way, and be worth another try.
            if (isinstance(answer, TransientError) and step.way in ("cut", "at once")) or (
                isinstance(answer, asyncio.CancelledError) and step.way == "cancelled"
            ):
                answer = UNKNOWN  # noqa: PLW2901
            elif isinstance(answer, (FlowcraftError, ValueError, asyncio.CancelledError)):
                return f"it raised {type(answer).__name__}: {str(answer)!a:.300}"
            elif isinstance(answer, BaseException):
                raise answer
            mine = self.parts(play, op, answer, begun, self.now())
            # A client that asks again of itself has been there twice, and others in between.
            parts += (part.asked_again() for part in mine) if step.way == "cut" else mine
        return play.knowledge.take_in(parts)

    @property
    def late(self) -> float:
        """By how much a time may come too late: on a clock of ours not at all, else as long as one is patient."""
        return 0.0 if self.declared.skips_time else self.patience

    @property
    def early(self) -> float:
        """By how much a time may come too early, for clocks of several machines and their rounding."""
        return 0.0 if self.declared.skips_time else 0.05


async def later(place: int, make: Callable[[], Any]) -> Any:
    """Make a call, some turns later than the others: so first steps of some calls meet second steps of others."""
    for _ in range(place % 3):
        await asyncio.sleep(0)
    return await make()
