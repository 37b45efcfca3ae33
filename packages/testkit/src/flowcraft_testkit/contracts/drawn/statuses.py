"""Drawn calls of a status store."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from random import Random
from typing import Any, get_args

import attrs
from flowcraft_core.ports import FinalState, RunStatus, State, StatusStore

from ..hostile import TEXTS
from ..model import UNKNOWN, Model, Part, StatusModel
from ..troubled import TroubledClauses
from .clauses import Play
from .names import some_names
from .program import Op, picker

_NOW = 1_700_000_000.123457
_TIMES = (_NOW, _NOW + 1, _NOW - 60, _NOW + 0.5)
_STATES: tuple[State, ...] = ("running", "running", "running", "awaiting", "dead", "failed", "schedule")


class DrawnStatusClauses(TroubledClauses[StatusStore]):
    """Statuses under run ids that are almost the same."""

    def model(self, port: StatusStore) -> Model:
        """See ``DrawnClauses``."""
        exact = self.declared.index_lag is not None and self.declared.index_lag == 0
        return StatusModel(0.0 if exact else 1.0)

    def drawing(self, dice: Random) -> Callable[[Random], Op]:
        """See ``DrawnClauses``."""
        runs = some_names(dice, dice.randint(1, 5))
        pick = picker(dice, ("create", "get", "touch", "finish", "delete", "find"))
        states: tuple[State, ...] = (*_STATES, *(_STATES[:1] * dice.choice((0, 10))))

        def status(dice: Random) -> RunStatus:
            state = dice.choice(states)
            return RunStatus(
                run_id="",
                state=state,
                blueprint_id=dice.choice(("flow", *runs)),
                created=dice.choice(_TIMES),
                updated=dice.choice(_TIMES),
                next_check=dice.choice((None, *_TIMES)),
                tags={name: dice.choice(TEXTS) for name in dice.sample(runs, dice.randint(0, min(2, len(runs))))},
                reason=dice.choice((None, *runs)),
                body=dice.choice(runs) if state == "dead" else None,
            )

        clients = dice.randint(1, 3)

        def draw(dice: Random) -> Op:
            client, run = dice.randrange(clients), dice.choice(runs)
            name = pick(dice)
            if name == "create":
                return Op(client, name, (run, status(dice)))
            if name == "touch":
                change: dict[str, Any] = {"at": dice.choice(_TIMES), "next_check": dice.choice((None, *_TIMES))}
                return Op(client, name, (run, {**change, "state": dice.choice((None, "running", "awaiting"))}))
            if name == "finish":
                change = {"at": dice.choice(_TIMES), "reason": dice.choice((None, *runs))}
                return Op(client, name, (run, {**change, "state": dice.choice(get_args(FinalState))}))
            if name == "find":
                query = {"state": dice.choice(get_args(State)), "due_before": dice.choice((None, *_TIMES))}
                return Op(client, name, ("", {**query, "limit": dice.choice((1, 2, 100))}))
            return Op(client, name, (run, None))

        return draw

    async def carry_out(self, play: Play, op: Op) -> Any:
        """See ``DrawnClauses``."""
        store: StatusStore = play.ports[op.client]
        run_id, given = play.fresh + op.args[0], op.args[1]
        if op.name == "create":
            return await store.create(attrs.evolve(given, run_id=run_id))
        if op.name == "find":
            return await self._found(store, play.fresh, **given)
        if op.name == "finish":
            return await store.finish(run_id, given["state"], at=given["at"], reason=given["reason"])
        if op.name == "touch":
            return await store.touch(run_id, **given)
        answer = await getattr(store, op.name)(run_id)
        return _named(answer, play.fresh) if op.name == "get" and answer else answer

    async def _found(
        self, store: StatusStore, fresh: str, *, state: State, due_before: float | None, limit: int
    ) -> dict[str, RunStatus]:
        """Those of this program on all pages."""
        found: dict[str, RunStatus] = {}
        cursor, cursors = None, set[str]()
        while True:
            page = await store.find(state=state, due_before=due_before, cursor=cursor, limit=limit)
            assert len(page.items) <= limit, f"a page of at most {limit} was to be found, and has {len(page.items)}"
            mine = [_named(status, fresh) for status in page.items if status.run_id.startswith(fresh)]
            found.update((status.run_id, status) for status in mine)
            cursor = page.cursor
            if cursor is None:
                return found
            assert cursor not in cursors, f"the pages of {state} runs go round in a circle at {cursor!a}"
            cursors.add(cursor)

    def parts(self, play: Play, op: Op, answer: Any, begun: float, ended: float) -> Iterable[Part]:
        """See ``DrawnClauses``."""
        run, given = op.args
        if op.name == "create":
            given = attrs.evolve(given, run_id=run)
        elif op.name == "touch":
            given = {"updated": given["at"], "next_check": given["next_check"]}
            given |= {"state": op.args[1]["state"]} if op.args[1]["state"] else {}
        elif op.name == "finish":
            given = {"updated": given["at"], "next_check": None, "state": given["state"], "reason": given["reason"]}
        if op.name != "find":
            if answer is not UNKNOWN or op.name != "get":
                yield Part(run, op.name, given, op.client, answer, begun, ended)
            return
        is_alone = all(len(step.ops) == 1 for step in play.program if any(each is op for each in step.ops))
        if answer is UNKNOWN or not is_alone:
            return  # what changes while the pages are turned may be on any of them, or on none
        asked = (given["state"], given["due_before"])
        for each in {*_runs(play), *answer}:
            yield Part(each, "find", asked, op.client, answer.get(each), begun, ended)

    async def look_at_all(self, play: Play) -> str | None:
        """See ``DrawnClauses``."""
        runs = _runs(play)
        for run in runs:
            for client in range(len(play.ports)):
                look, begun = Op(client, "get", (run, None)), self.now()
                answer = await self.carry_out(play, look)
                if why := play.knowledge.take_in([*self.parts(play, look, answer, begun, self.now())]):
                    return f"{why}\n  at the end: {look}"
        wrong = await self._list_all(play, runs)
        for run in runs:
            await play.ports[0].delete(play.fresh + run)
        return wrong

    async def _list_all(self, play: Play, runs: Iterable[str]) -> str | None:
        """An index may lag; in the end it shows what is."""
        wrong: list[str] = []

        async def is_right() -> bool:
            wrong.clear()
            for state in get_args(State):
                found = await self._found(play.ports[0], play.fresh, state=state, due_before=None, limit=2)
                for run in runs:
                    shown = [each if each is not None and each.state == state else None for each in possible[run]]
                    if found.get(run) not in shown:
                        wrong.append(f"{run!a} is found among the {state} as {found.get(run)!a}, and is {shown!a}")
            return not wrong

        possible = {run: play.knowledge.possible(run) for run in runs}
        try:
            await self.until(is_right)
        except AssertionError:
            return wrong[0]
        return None


def _named(status: RunStatus, fresh: str) -> RunStatus:
    return attrs.evolve(status, run_id=status.run_id.removeprefix(fresh), tags=dict(status.tags))


def _runs(play: Play) -> list[str]:
    return list(dict.fromkeys(op.args[0] for step in play.program for op in step.ops if op.name != "find"))
