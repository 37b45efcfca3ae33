"""Drawn calls of a coordination store."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from random import Random
from typing import Any

from flowcraft_core.ports import CoordinationStore

from ..model import UNKNOWN, HintModel, Model, Part
from ..troubled import TroubledClauses
from .clauses import Play
from .names import some_names
from .program import Op, picker

_LONG = 600.0
_BY_KIND = {
    "counter": ("increment", "get", "delete"),
    "lease": ("set_if_absent", "get", "extend_ttl", "delete"),
    "set": ("add_members", "members", "delete"),
}


class DrawnHintClauses(TroubledClauses[CoordinationStore]):
    """Counters, leases and sets, each under names that are almost the same."""

    def model(self, port: CoordinationStore) -> Model:
        """See ``DrawnClauses``."""
        return HintModel(self.early, self.late)

    def drawing(self, dice: Random) -> Callable[[Random], Op]:
        """See ``DrawnClauses``."""
        names = some_names(dice, dice.randint(1, 5))
        of_one_kind = dice.random() < 0.6
        kinds = dict.fromkeys(names, dice.choice(list(_BY_KIND)))
        kinds = kinds if of_one_kind else {name: dice.choice(list(_BY_KIND)) for name in names}
        pickers = {kind: picker(dice, calls) for kind, calls in _BY_KIND.items()}
        ttls = dice.sample((self.short, self.short * 1.6, self.short * 3, _LONG), dice.randint(1, 3))
        values = dice.sample(["me", "you", names[0]], dice.randint(1, 3))

        clients = dice.randint(1, 3)

        def draw(dice: Random) -> Op:
            client, key, ttl = dice.randrange(clients), dice.choice(names), dice.choice(ttls)
            kind = kinds[key]
            name = pickers[kind](dice)
            if name == "increment":
                return Op(client, name, (key, ttl))
            if name in ("set_if_absent", "extend_ttl"):
                return Op(client, name, (key, (dice.choice(values), ttl)))
            if name == "add_members":
                return Op(client, name, (key, (tuple(dice.sample(["a", "A", "b", *names], dice.randint(1, 3))), ttl)))
            if name == "delete":
                return Op(client, name, (key, dice.choice((None, *values)) if kind == "lease" else None))
            return Op(client, name, (key, None))

        return draw

    async def carry_out(self, play: Play, op: Op) -> Any:
        """See ``DrawnClauses``."""
        store: CoordinationStore = play.ports[op.client]
        key, given = play.fresh + op.args[0], op.args[1]
        if op.name == "increment":
            return await store.increment(key, ttl=given)
        if op.name == "set_if_absent":
            return await store.set_if_absent(key, given[0], ttl=given[1])
        if op.name == "extend_ttl":
            return await store.extend_ttl(key, given[0], ttl=given[1])
        if op.name == "add_members":
            return await store.add_members(key, *given[0], ttl=given[1])
        if op.name == "delete":
            return await store.delete(key, value=given)
        return await getattr(store, op.name)(key)

    def parts(self, play: Play, op: Op, answer: Any, begun: float, ended: float) -> Iterable[Part]:
        """See ``DrawnClauses``."""
        if answer is not UNKNOWN or op.name not in ("get", "members"):
            yield Part(op.args[0], op.name, op.args[1], op.client, answer, begun, ended)

    async def look_at_all(self, play: Play) -> str | None:
        """See ``DrawnClauses``."""
        ops = [op for step in play.program for op in step.ops]
        sets = {op.args[0] for op in ops if op.name in ("add_members", "members")}
        for key in dict.fromkeys(op.args[0] for op in ops):
            for client in range(len(play.ports)):
                look, begun = Op(client, "members" if key in sets else "get", (key, None)), self.now()
                if key not in sets and all(op.name == "delete" for op in ops if op.args[0] == key):
                    continue  # it may be a set's
                answer = await self.carry_out(play, look)
                if why := play.knowledge.take_in([*self.parts(play, look, answer, begun, self.now())]):
                    return f"{why}\n  at the end: {look}"
        return None
