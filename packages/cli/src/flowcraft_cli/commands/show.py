"""``flowcraft show`` and ``tail``: a run's inside, once and as it goes on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import attrs
import click
from flowcraft_core.durable import InstanceDescription, RunDescription, Stopped
from flowcraft_core.durations import lasting

from ..command import App, Commands
from ..exits import Answer
from ..following import follow
from ..output import brief, moment, one_line
from ..places import place
from ..values import TIME
from ..waiting import tell_result

_HERE = ("backend", "serializer", "codec")
_WIDTHS = [9, 28, 8, 9]
# What the client calls otherwise than all commands do.
_NAMES = {"blueprint_id": "flow"}


def register(main: Commands) -> None:
    """Add the commands."""
    main.command(
        "show",
        settings=_HERE,
        examples="""
            flowcraft show RUN
            flowcraft show RUN --inside pages          the items of a batch
            flowcraft show RUN --inside 'pages[17]'    what is inside one of them
            flowcraft show RUN --json | jq .instances
        """,
    )(show)
    main.command(
        "tail",
        settings=_HERE,
        examples="""
            flowcraft tail RUN
            flowcraft tail RUN --timeout 10m && echo it has completed
        """,
    )(tail)


@click.argument("run")
@click.option("--inside", default="", metavar="KEY", help="Open this loop, batch, subflow, pass or item.")
@click.option("--after", metavar="CURSOR", help="The page after the one that ended with this cursor.")
@click.option("--limit", "-L", type=click.IntRange(1, 1000), default=100, help="At most so many; 100 by default.")
@click.option("--no-values", is_flag=True, help="Leave inputs and outputs out.")
async def show(app: App, run: str, inside: str, after: str | None, limit: int, no_values: bool) -> dict[str, Any]:
    """Show a RUN's inside.

    What is done, under way, waiting and failed, with inputs, outputs, times and errors. Loops, batches and subflows
    are folded; --inside opens them.
    """
    async with place(app) as here:
        found = await here.client.describe(run, inside=inside, after=after, limit=limit, values=not no_values)
    for line in _told(found):
        app.out.say(line)
    app.out.heading(["STATE", "INSTANCE", "ATTEMPTS", "TIME", ""], _WIDTHS)
    for instance in found.instances:
        app.out.row(_row(instance, found.at), _WIDTHS)
    for wait in found.waits:
        due = f", goes on at {moment(wait.due)}" if wait.due is not None else ""
        due += f", reminded {wait.reminded} times" if wait.reminded else ""
        app.out.say(f"waits  {one_line(wait.key)} ({wait.kind}{due}){f': {brief(wait.reason)}' if wait.reason else ''}")
    for passed in found.passed_on:
        app.out.say(f"passed on since {moment(passed.since)}  {passed.node_id}: {brief(passed.reason, 300)}")
    for queue in found.unserved:
        app.out.say(f"no worker serves queue {queue}: start one with flowcraft worker --queue {queue}")
    if found.cursor is not None:
        app.out.note(f"there are {found.total}; more with --after {found.cursor}")
    run_says = {_NAMES.get(name, name): value for name, value in attrs.asdict(found.run, recurse=False).items()}
    return {**attrs.asdict(found, recurse=False), "run": run_says}


def _told(found: RunDescription) -> Iterator[str]:
    run = found.run
    yield f"run       {one_line(run.run_id)}"
    yield f"flow      {one_line(run.blueprint_id)}"
    yield f"state     {run.state}{f': {brief(run.reason, 500)}' if run.reason else ''}"
    yield f"started   {moment(run.created)}"
    yield f"updated   {moment(run.updated)}, {lasting(max(0.0, run.updated - run.created))} later"
    if found.deadline is not None:
        yield f"deadline  {moment(found.deadline)}"
    if run.tags:
        yield one_line(f"tags      {' '.join(f'{name}={value}' for name, value in sorted(run.tags.items()))}")
    if run.redrive_of:
        yield one_line(f"fork of   {run.redrive_of}")
    if run.redriven_as:
        yield one_line(f"redriven  as {run.redriven_as}")
    if found.inside:
        yield one_line(f"inside    {found.inside}")
    yield f"instances {', '.join(f'{count} {state}' for state, count in found.counts.items()) or 'none'}"
    if found.stopped is not None:
        yield f"stopped   {_stopped(found.stopped)}"
    for error in found.errors:
        yield f"error     {brief(str(error), 1_000)}"


def _stopped(stopped: Stopped) -> str:
    """What is undone of a run."""
    said = [f"at {moment(stopped.at)}, to be {stopped.state}", f"{stopped.undone} undone"]
    if stopped.failed:
        keys = ", ".join(undone.key for undone in stopped.failed)
        said.append(f"{len(stopped.failed)} could not be: {brief(keys, 200)}")
    if stopped.next:
        said.append(f"next {brief(', '.join(stopped.next), 200)}")
    if stopped.abandoned is not None:
        said.append(f"the rest was abandoned: {brief(stopped.abandoned, 200)}")
    return "; ".join(said)


def _row(instance: InstanceDescription, now: float) -> list[str]:
    end = instance.ended if instance.ended is not None else now
    took = "-" if instance.started is None else lasting(max(0.0, end - instance.started))
    return [instance.standing, instance.key, str(instance.attempts), took, _detail(instance)]


def _detail(instance: InstanceDescription) -> str:
    """What people want to know of an instance in its state."""
    if instance.inside is not None and instance.state != "done":
        return f"{instance.inside.ended} of {instance.inside.scopes} ended"
    if instance.errors:
        return brief(str(instance.errors[0]), 200)
    if instance.undone is not None:
        return "undone" if instance.undone.error is None else brief(f"not undone: {instance.undone.error}", 200)
    if instance.under_way is not None:
        way = instance.under_way
        far = "" if way.fraction is None else f", {way.fraction:.0%}"
        return f"since {moment(way.since)} on {way.worker[:8]}{far}{f', {brief(way.message)}' if way.message else ''}"
    if instance.passed_on is not None:
        return brief(instance.passed_on.reason, 200)
    if instance.unserved:
        return f"no worker serves queue {instance.queue}"
    if instance.state in ("waiting", "sleeping", "retrying"):
        return "until resumed" if instance.due is None else f"until {moment(instance.due)}"
    via = f"via {instance.via} " if instance.via else ""
    action = f"({instance.action}) " if instance.action else ""
    return f"{via}{action}{'' if instance.output is None else brief(instance.output)}".rstrip()


@click.argument("run")
@click.option("--timeout", type=TIME, metavar="TIME", help="For how long to follow it.")
@click.option("--interval", type=click.FloatRange(0.05), default=0.5, help="Seconds between two looks; 0.5 by default.")
async def tail(app: App, run: str, timeout: str | None, interval: float) -> Answer:
    """Follow a RUN until it has ended.

    A tree on a terminal, else a line for each thing that happens; with --json an object for each, and the last line as
    always. Exits as the run has ended.
    """
    async with place(app) as here:
        await follow(app, here.client, run, interval=interval, timeout=timeout, events=True)
        return tell_result(app, await here.client.result(run))
