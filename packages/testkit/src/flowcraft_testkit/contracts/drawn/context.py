"""Drawn calls of a context store."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from random import Random
from typing import Any

from flowcraft_core.ports import ContextStore, Fact, PositionedValue

from ..model import UNKNOWN, ContextModel, Model, Part
from ..troubled import TroubledClauses
from .clauses import Play
from .names import BODIES, some_names
from .program import Op, picker

_POSITIONS = ("1", "10", "2", "B", "a", "a ", "\uffee", "😀")


class DrawnContextClauses(TroubledClauses[ContextStore]):
    """Facts and values of two runs, under names that are almost the same."""

    def model(self, port: ContextStore) -> Model:
        """See ``DrawnClauses``."""
        return ContextModel(port.limits.staleness)

    def drawing(self, dice: Random) -> Callable[[Random], Op]:
        """See ``DrawnClauses``."""
        runs, names = some_names(dice, dice.randint(1, 3)), some_names(dice, dice.randint(2, 5))
        pick = picker(dice, ("put", "apply", "get", "values", "delete"))
        positions = dice.sample(_POSITIONS, dice.randint(2, 4))

        def some(dice: Random) -> tuple[str, ...]:
            return tuple(dice.sample(names, dice.randint(1, min(3, len(names)))))

        clients = dice.randint(1, 3)

        def draw(dice: Random) -> Op:
            client, run = dice.randrange(clients), dice.choice(runs)
            name = pick(dice)
            if name == "put":
                fact = Fact(dice.choice(BODIES), f"writer {dice.randrange(1_000)}", dice.choice(("", "job", *names)))
                return Op(client, name, (run, dice.choice(names), fact))
            if name == "apply":
                value = {n: PositionedValue(dice.choice(positions), dice.choice((None, *BODIES))) for n in some(dice)}
                return Op(client, name, (run, value))
            if name == "delete":
                both = dice.choice(((some(dice), ()), ((), some(dice)), (some(dice), some(dice))))
                return Op(client, name, (run, *both))
            return Op(client, name, (run, some(dice)))

        return draw

    async def carry_out(self, play: Play, op: Op) -> Any:
        """See ``DrawnClauses``."""
        store: ContextStore = play.ports[op.client]
        run, *args = op.args
        run_id = play.fresh + run
        if op.name == "delete":
            return await store.delete(run_id, keys=args[0], names=args[1])
        if op.name in ("get", "values"):
            return dict(await getattr(store, op.name)(run_id, args[0]))
        return await getattr(store, op.name)(run_id, *args)

    def parts(self, play: Play, op: Op, answer: Any, begun: float, ended: float) -> Iterable[Part]:
        """See ``DrawnClauses``."""
        run, *args = op.args

        def part(kind: str, key: str, name: str, given: Any = None, answer: Any = answer) -> Part:
            return Part((kind, run, key), name, given, op.client, answer, begun, ended)

        if op.name == "put":
            yield part("fact", args[0], "put", args[1])
        elif op.name == "apply":
            for name, value in args[0].items():
                yield part("value", name, "apply", value)
        elif op.name == "delete":
            for key in args[0]:
                yield part("fact", key, "delete")
            for name in args[1]:
                yield part("value", name, "delete")
        elif answer is not UNKNOWN:
            kind = "fact" if op.name == "get" else "value"
            for name in dict.fromkeys((*args[0], *answer)):
                yield part(kind, name, "read", answer=answer.get(name))

    async def look_at_all(self, play: Play) -> str | None:
        """See ``DrawnClauses``."""
        keys: dict[tuple[str, str], dict[str, None]] = {}
        for op in (op for step in play.program for op in step.ops):
            run, *args = op.args
            if op.name in ("put", "get", "delete"):
                asked = (args[0],) if op.name == "put" else args[0]
                keys.setdefault((run, "get"), {}).update(dict.fromkeys(asked))
            if op.name in ("apply", "values", "delete"):
                asked = args[1] if op.name == "delete" else args[0]
                keys.setdefault((run, "values"), {}).update(dict.fromkeys(asked))
        await self.pass_time(play.ports[0].limits.staleness)
        for (run, name), asked in keys.items():
            for client in range(len(play.ports)):
                op, begun = Op(client, name, (run, tuple(asked))), self.now()
                answer = await self.carry_out(play, op)
                if why := play.knowledge.take_in([*self.parts(play, op, answer, begun, self.now())]):
                    return f"{why}\n  at the end: {op}"
        return None
