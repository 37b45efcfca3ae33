"""Drawn calls of a job queue."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from random import Random
from typing import Any

import attrs
from flowcraft_core.ports import Delivery, JobQueue, Message

from ..hostile import TEXTS
from ..model import UNKNOWN, Held, MessageModel, Model, Part
from ..troubled import TroubledClauses
from .clauses import Play
from .program import Op, picker


@attrs.define(eq=False)
class _Memory:
    """What a program has come to know.

    Attributes:
        numbers: What the model calls deliveries.
        held: The deliveries of each client, the newest last, each with its number.
        chosen: What an operation that is under way is about, by the operation's identity.
        sent: The bodies that were sent.
    """

    numbers: Iterator[int] = attrs.field(factory=lambda: itertools.count(1))
    held: dict[int, list[_Held]] = attrs.field(factory=lambda: defaultdict(list))
    chosen: dict[int, list[_Held]] = attrs.field(factory=dict)
    sent: set[str] = attrs.field(factory=set)


@attrs.define(eq=False)
class _Held:
    delivery: Delivery
    number: int


class DrawnMessageClauses(TroubledClauses[JobQueue]):
    """Messages of any text, held, extended, released and acknowledged by whomever, in time and late."""

    def model(self, port: JobQueue) -> Model:
        """See ``DrawnClauses``."""
        return MessageModel(self.early, self.late, port.limits.max_visibility)

    @property
    def _visibilities(self) -> tuple[float, ...]:
        return (self.short, self.short * 1.6, self.short * 3)

    @property
    def _delays(self) -> tuple[float, ...]:
        return (0.0, 0.0, 0.0, self.short / 2, self.short * 1.6)

    def drawing(self, dice: Random) -> Callable[[Random], Op]:
        """See ``DrawnClauses``."""
        numbers = itertools.count()
        pick = picker(dice, ("send", "receive", "extend", "acknowledge", "release"))
        visibilities = dice.sample(self._visibilities, dice.randint(1, 3))

        def draw(dice: Random) -> Op:
            client = dice.choice((0, 0, 0, 1))
            name = "receive" if dice.random() < 0.3 else pick(dice)
            if name == "send":
                bodies = tuple((dice.choice(TEXTS), next(numbers)) for _ in range(dice.randint(1, 3)))
                return Op(client, name, (bodies, dice.choice(self._delays)))
            if name == "receive":
                return Op(client, name, (dice.randint(1, 4), dice.choice(visibilities)))
            # Which of the client's deliveries so far, the newest first.
            places = tuple(dice.sample(range(4), dice.randint(1, 3)))
            return Op(client, name, (places, dice.choice(visibilities)))

        return draw

    async def carry_out(self, play: Play, op: Op) -> Any:
        """See ``DrawnClauses``."""
        queue: JobQueue = play.ports[op.client]
        memory = _memory(play)
        if op.name == "send":
            bodies = [body for body in _bodies(play, op) if body not in memory.sent]
            memory.sent.update(bodies)
            memory.chosen[id(op)] = [_Held(Delivery(body, 0, None), 0) for body in bodies]
            return await queue.send([Message(body, play.fresh) for body in bodies], delay=op.args[1])
        if op.name == "receive":
            return list(await queue.receive(max_messages=op.args[0], wait=0, visibility=op.args[1]))
        busy = {each.number for chosen in memory.chosen.values() for each in chosen}
        free = [each for each in reversed(memory.held[op.client]) if each.number not in busy]
        memory.chosen[id(op)] = chosen = [free[place] for place in op.args[0] if place < len(free)]
        deliveries = [each.delivery for each in chosen]
        if op.name == "extend":
            return list(await queue.extend(deliveries, op.args[1]))
        return await getattr(queue, op.name)(deliveries)

    def parts(self, play: Play, op: Op, answer: Any, begun: float, ended: float) -> Iterable[Part]:
        """See ``DrawnClauses``."""
        memory = _memory(play)
        visibility = op.args[1]

        def part(body: str, given: Any, answer: Any) -> Part:
            return Part(body, op.name, given, op.client, answer, begun, ended)

        if op.name == "receive":
            if answer is UNKNOWN:
                for body in (body for step in play.program for each in step.ops for body in _bodies(play, each)):
                    yield part(body, Held(visibility=visibility), UNKNOWN)
                return
            for delivery in answer:
                if play.fresh in delivery.body:  # else another program has left it
                    number = next(memory.numbers)
                    memory.held[op.client].append(_Held(delivery, number))
                    yield part(delivery.body, Held(0, number, visibility), delivery.count)
            return
        chosen = memory.chosen.pop(id(op), [])  # none, if it was cancelled before it began
        for place, each in enumerate(chosen):
            body, number = each.delivery.body, next(memory.numbers)
            if op.name == "send":
                yield part(body, op.args[1], answer)
            elif op.name != "extend":
                yield part(body, Held(each.number), answer)
            elif answer is UNKNOWN:
                yield part(body, Held(each.number, number, visibility), UNKNOWN)
            else:
                new = answer[place] if place < len(answer) else None
                told = "another message" if new is not None and new.body != body else new and new.count
                yield part(body, Held(each.number, number, visibility), told)
                if new is not None:
                    each.delivery, each.number = new, number

    async def look_at_all(self, play: Play) -> str | None:
        """See ``DrawnClauses``."""
        memory, queue = _memory(play), play.ports[0]
        await self.pass_time(max(self._visibilities) + max(self._delays) + self.early)
        wrong: list[str] = []

        async def have_come() -> bool:
            for name in ("receive", "acknowledge"):
                left = len(memory.held[0])
                op = Op(0, name, (queue.limits.max_receive if name == "receive" else tuple(range(left)), self.short))
                begun = self.now()
                answer = await self.carry_out(play, op)
                wrong.extend(filter(None, [play.knowledge.take_in([*self.parts(play, op, answer, begun, self.now())])]))
            return bool(wrong) or not self._missing(play)

        memory.held.clear()
        for _ in range(4):
            try:
                await self.until(have_come)
            except AssertionError:
                return f"in the end these do not come any more: {self._missing(play)!a}"
            if wrong:
                return f"{wrong[0]}\n  when all that was left was received"
        return None

    def _missing(self, play: Play) -> list[str]:
        return [body for body in sorted(_memory(play).sent) if None not in play.knowledge.possible(body)]


def _memory(play: Play) -> _Memory:
    if play.memory is None:
        play.memory = _Memory()
    memory: _Memory = play.memory
    return memory


def _bodies(play: Play, op: Op) -> list[str]:
    """The bodies that are sent: whatever stands at either end must arrive."""
    return [f"{text}{play.fresh}-{number}{text}" for text, number in op.args[0]] if op.name == "send" else []
