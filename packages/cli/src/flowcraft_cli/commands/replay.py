"""``flowcraft replay``: goes through a recorded run, and executes its steps again where they stood."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
import click
from flowcraft_core import FlowRuntime, Serializer
from flowcraft_core.durations import lasting
from flowcraft_core.errors import ResumeError
from flowcraft_core.graph.facts import Outcome, Suspension
from flowcraft_core.runtime import Recorded, Replay

from ..command import App, Commands
from ..debugging import Debugger, stopping_in
from ..exits import Answer, CommandError, Exit
from ..loading import load_flow
from ..output import brief, moment
from ..places import brought, own
from ..values import read_file

_WIDTHS = [19, 9, 24, 9]


def register(main: Commands) -> None:
    """Add the command."""
    main.command(
        "replay",
        settings=("flows", "serializer"),
        examples="""
            flowcraft replay run.json                              what happened, one thing after the other
            flowcraft replay run.json app:flow --execute           run each step again, and compare
            flowcraft replay run.json app:flow --break pay         stop in a step, with the input of then
            flowcraft replay run.json app:flow --step              ask at each
        """,
    )(replay)


@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.argument("flow", required=False)
@click.option("--execute", is_flag=True, help="Run each step again. What it does to the world it does again, too.")
@click.option("--only", multiple=True, metavar="NODE", help="Execute these only: a node, or an instance's key.")
@click.option("--break", "breaks", multiple=True, metavar="NODE", help="Execute these, and stop in them in a debugger.")
@click.option("--step", is_flag=True, help="Ask at each instance what to do.")
async def replay(
    app: App,
    file: Path,
    flow: str | None,
    execute: bool,
    only: tuple[str, ...],
    breaks: tuple[str, ...],
    step: bool,
) -> Answer:
    """Go through a recorded run on this machine.

    FILE is what `flowcraft export` has written; no backend is touched.

    Nothing is executed unless it is asked for. Then FLOW brings the steps, each gets the input and the context values
    of then, and what it gives is compared with what was recorded: exits with 1 if that differs.
    """
    executes = execute or only or breaks or step
    # What is only told needs the classes of its values, and no steps.
    runtime = _runtime(app, flow) if executes else FlowRuntime(serializer=brought(app).serializer)
    with _readable(file):
        replayed = Replay(read_file(file), runtime)
    app.out.note(
        f"run {replayed.run_id} of flow {replayed.blueprint_id}, {replayed.status}, {replayed.total} instances"
    )
    going = _Going(app, replayed, Debugger(), frozenset(only), frozenset(breaks), execute, step)
    app.out.heading(["ENDED", "STATE", "INSTANCE", "TIME", ""], _WIDTHS)
    through = iter(replayed)
    while not going.quits:
        with _readable(file):
            recorded = next(through, None)
        if recorded is None:
            break
        await going.at(recorded)
    for name in (*only, *breaks):
        if name not in going.seen:
            raise CommandError(f"nothing was recorded of a node or instance {name!r}", Exit.UNKNOWN)
    if going.executed:
        app.out.say(f"{going.executed} executed, {len(going.differing)} differ")
    fields = {
        "run_id": replayed.run_id,
        "flow": replayed.blueprint_id,
        "state": replayed.status,
        "instances": going.told,
        "executed": going.executed,
        "differing": going.differing,
    }
    return Answer(fields, Exit.FAILED if going.differing else Exit.OK)


@contextlib.contextmanager
def _readable(file: Path) -> Iterator[None]:
    """Say of a recording that cannot be read which file it is in; it is no run of which something was asked."""
    try:
        yield
    except ResumeError as error:
        raise CommandError(f"{file}: {error}") from error


def _runtime(app: App, flow: str | None) -> FlowRuntime:
    serializer = own(app, "serializer", Serializer)
    return load_flow(flow, app.settings).runtime(**({} if serializer is None else {"serializer": serializer}))


@attrs.define
class _Going:
    """Where the replay stands, and what it is to do."""

    app: App
    replay: Replay
    debugger: Debugger
    only: frozenset[str]
    breaks: frozenset[str]
    execute: bool
    step: bool
    quits: bool = False
    executed: int = 0
    seen: set[str] = attrs.field(factory=set)
    told: list[dict[str, Any]] = attrs.field(factory=list)
    differing: list[str] = attrs.field(factory=list)

    async def at(self, recorded: Recorded) -> None:
        """Tell of an instance, and execute it if that is asked for."""
        names = {recorded.key, recorded.node_id}
        self.seen |= names
        outcome = recorded.outcome
        state, took = outcome.state, lasting(max(0.0, outcome.ended - outcome.started))
        what = str(outcome.error) if outcome.error is not None else "" if outcome.output is None else outcome.output
        self.app.out.row([moment(outcome.ended), state, recorded.key, took, brief(what)], _WIDTHS)
        told: dict[str, Any] = {"key": recorded.key, "state": state, "input": recorded.input, "output": outcome.output}
        self.told.append(told)
        if not recorded.is_step:
            return
        stops = bool(names & self.breaks)
        runs = stops or bool(names & self.only) or (self.execute and not self.only)
        if self.step and not stops:
            runs, stops = self._ask(recorded, runs)
        if runs and not self.quits:
            told["again"] = await self._execute(recorded, stops)

    def _ask(self, recorded: Recorded, runs: bool) -> tuple[bool, bool]:
        """What is to be done at an instance: whether it is executed, and whether in the debugger."""
        self.app.out.say(f"  input {brief(recorded.input, 500)}")
        choice = click.prompt(
            "  [n]ext, [e]xecute, [b]reak in it, run [o]n, [q]uit",
            default="n",
            show_default=False,
            type=click.Choice(["n", "e", "b", "o", "q"]),
            show_choices=False,
            err=True,
        )
        self.quits = choice == "q"
        self.step = choice != "o"
        return choice in ("e", "b") or (choice == "o" and runs), choice == "b"

    async def _execute(self, recorded: Recorded, stops: bool) -> dict[str, Any]:
        around = stopping_in(self.debugger) if stops else None
        again = await self.replay.execute(recorded, around)
        if self.debugger.was_quit:
            raise click.exceptions.Abort
        self.executed += 1
        differences = _differences(recorded.outcome, again)
        if differences:
            self.differing.append(recorded.key)
        for name, (then, now) in differences.items():
            self.app.out.say(f"  {name}: was {brief(then, 200)}, is {brief(now, 200)}")
        return {name: {"was": then, "is": now} for name, (then, now) in differences.items()}


def _differences(then: Outcome, now: Outcome | Suspension) -> dict[str, tuple[Any, Any]]:
    """In what an outcome differs from the recorded one; a failed attempt that would be tried again is a failure."""
    error = None if now.error is None else (now.error.type, now.error.message)
    was = None if then.error is None else (then.error.type, then.error.message)
    if was != error:
        return {"error": (was, error)}
    if isinstance(now, Suspension):
        return {}
    if was is not None:
        return {} if then.taken.keys() == now.taken.keys() else {"edges": (then.taken, now.taken)}
    pairs = {
        "output": (then.output, now.output),
        "action": (then.action, now.action),
        "context": (then.sets or {}, now.sets or {}),
        "edges": (then.taken, now.taken),
    }
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}
