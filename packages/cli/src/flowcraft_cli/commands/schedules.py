"""``flowcraft schedules``: runs that start by themselves, at certain times."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any, TypeVar, get_args

import click
from flowcraft_core.durable import StoredSchedule, UnknownScheduleError
from flowcraft_core.durable.scheduling.revisions import schedule_at
from flowcraft_core.durations import lasting
from flowcraft_core.errors import ConfigurationError, SerializationError
from flowcraft_core.schedules import Missed, Overlap

from ..command import App, Commands
from ..exits import CommandError
from ..loading import load_flow
from ..output import brief, moment
from ..places import Place, place
from ..values import TIME, input_option, read_context, read_tags, require_flow, sure, tags_option, yes_option

T = TypeVar("T", bound=Callable[..., Any])

_HERE = ("backend", "serializer", "codec")
_WITH_FLOWS = ("backend", "flows", "serializer", "codec")
_WIDTHS = [24, 7, 20, 26, 19]


def register(main: Commands) -> None:
    """Add the commands."""
    group = main.group("schedules", help="Have runs start by themselves, at certain times.")(lambda: None)
    group.command(
        "make",
        settings=_WITH_FLOWS,
        examples="""
            flowcraft schedules make nightly app:report --cron '30 2 * * *' --timezone Europe/Oslo
            flowcraft schedules make often app:sync --every 10m --overlap skip --input '{"full": false}'
        """,
    )(make)
    group.command("list", settings=_HERE, examples="flowcraft schedules list")(list_schedules)
    group.command("show", settings=_HERE, examples="flowcraft schedules show nightly")(show)
    group.command(
        "edit",
        settings=_WITH_FLOWS,
        examples="""
            flowcraft schedules edit nightly --cron '0 4 * * *' --missed all
            flowcraft schedules edit nightly --to app:report   # the flow as it is now
        """,
    )(edit)
    group.command("pause", settings=_HERE, examples="flowcraft schedules pause nightly")(pause)
    group.command("resume", settings=_HERE, examples="flowcraft schedules resume nightly")(resume)
    group.command("trigger", settings=_HERE, examples="flowcraft schedules trigger nightly")(trigger)
    group.command("remove", settings=_HERE, examples="flowcraft schedules remove nightly --yes")(remove)


def _settings_options(function: T) -> T:
    for option in reversed(
        (
            click.option(
                "--cron", metavar="CRON", help="When: minute, hour, day of the month, month, day of the week."
            ),
            click.option("--timezone", metavar="ZONE", help="The time zone that --cron means; UTC by default."),
            click.option(
                "--every", type=TIME, metavar="TIME", help="Instead of --cron: how long from one run to the next."
            ),
            click.option(
                "--missed", type=click.Choice(get_args(Missed)), help="Which missed times are made up for; latest."
            ),
            click.option("--grace", type=TIME, metavar="TIME", help="How late a time may be that was not missed; 2m."),
            click.option(
                "--overlap", type=click.Choice(get_args(Overlap)), help="If the run before is still under way; start."
            ),
            click.option("--run-timeout", "timeout", type=TIME, metavar="TIME", help="How long each run may take."),
        )
    ):
        function = option(function)
    return function


def _said(settings: dict[str, Any], tags: tuple[str, ...]) -> dict[str, Any]:
    """What was said of a schedule; what was not is left to its default, or as it is."""
    said = {name: value for name, value in settings.items() if value is not None}
    return {**said, "tags": read_tags(tags)} if tags else said


@click.argument("schedule")
@click.argument("flow", required=False)
@_settings_options
@input_option
@tags_option
@click.option("--replace", is_flag=True, help="If there is one that says otherwise, replace what it says.")
async def make(
    app: App,
    schedule: str,
    flow: str | None,
    input_: str | None,
    tags: tuple[str, ...],
    replace: bool,
    **settings: Any,
) -> dict[str, Any]:
    """Make a SCHEDULE that starts runs of a FLOW, as it is now; made just so already, it is left as it is."""
    found, context = load_flow(flow, app.settings), read_context(input_)
    async with place(app, [found.source], creates=True) as here:
        try:
            made = await here.client.schedules.make(
                schedule, found.id, context, replace=replace, **_said(settings, tags)
            )
        except ConfigurationError as error:
            raise CommandError(str(error).replace("replace=True", "--replace")) from error
    _tell(app, made)
    return fields_of(made)


async def list_schedules(app: App) -> dict[str, Any]:
    """List schedules, with when each is due next."""
    found: list[StoredSchedule] = []
    unreadable: list[str] = []
    app.out.heading(["SCHEDULE", "STATE", "FLOW", "WHEN", "NEXT"], _WIDTHS)
    async with place(app) as here:
        async for one in _all(app, here, unreadable):
            cells = [one.schedule_id, one.state, one.flow, _when(one), moment(one.next_due)]
            app.out.row([brief(cell) for cell in cells], _WIDTHS)
            found.append(one)
    if not found and not unreadable:
        app.out.note("there are none")
    return {"schedules": [fields_of(one) for one in found], "unreadable": unreadable}


async def _all(app: App, here: Place, unreadable: list[str]) -> AsyncIterator[StoredSchedule]:
    """All schedules; one that cannot be read is told, and keeps no other from being listed."""
    listed: set[str] = set()
    try:
        async for one in here.client.schedules.list():
            listed.add(one.schedule_id)
            yield one
        return
    except SerializationError:
        pass  # which, and what there is beside it, the rest says one by one
    cursor: str | None = None
    while True:
        page = await here.backend.status.find(state="schedule", cursor=cursor)
        for schedule in [schedule_at(status.run_id) for status in page.items]:
            try:
                if schedule not in listed:
                    yield await here.client.schedules.show(schedule)
            except UnknownScheduleError:
                pass  # it has been removed
            except SerializationError as error:
                unreadable.append(schedule)
                app.out.problem(str(error))
        cursor = page.cursor
        if cursor is None:
            return


@click.argument("schedule")
async def show(app: App, schedule: str) -> dict[str, Any]:
    """Show what a SCHEDULE says, its next times, and the run that it started last."""
    async with place(app) as here:
        found = await here.client.schedules.show(schedule)
    _tell(app, found)
    return fields_of(found)


@click.argument("schedule")
@click.option("--to", "flow", metavar="FLOW", help="Start this flow, as it is now.")
@_settings_options
@input_option
@tags_option
async def edit(
    app: App, schedule: str, flow: str | None, input_: str | None, tags: tuple[str, ...], **settings: Any
) -> dict[str, Any]:
    """Change what a SCHEDULE says; what is not named stays as it is."""
    found = None if flow is None else load_flow(flow, app.settings)
    context = None if input_ is None else read_context(input_)
    async with place(app, [] if found is None else [found.source]) as here:
        edited = await here.client.schedules.edit(
            schedule, flow=None if found is None else found.id, context=context, **_said(settings, tags)
        )
    _tell(app, edited)
    return fields_of(edited)


@click.argument("schedule")
async def pause(app: App, schedule: str) -> dict[str, Any]:
    """Have a SCHEDULE start nothing until it is resumed."""
    async with place(app) as here:
        paused = await here.client.schedules.pause(schedule)
    app.out.say(f"{schedule} is paused")
    return fields_of(paused)


@click.argument("schedule")
async def resume(app: App, schedule: str) -> dict[str, Any]:
    """Have a paused SCHEDULE go on; what has passed meanwhile is not made up for."""
    async with place(app) as here:
        resumed = await here.client.schedules.resume(schedule)
    app.out.say(f"{schedule} goes on, next at {moment(resumed.next_due)}")
    return fields_of(resumed)


@click.argument("schedule")
@click.option("--id", "run_id", metavar="RUN", help="The run's id. One that is there already is not started again.")
async def trigger(app: App, schedule: str, run_id: str | None) -> dict[str, Any]:
    """Start a run of a SCHEDULE now, paused or not; its times stay as they are."""
    async with place(app) as here:
        started = await here.client.schedules.trigger(schedule, run_id=run_id)
        if not started.created:
            meant = (await here.client.schedules.show(schedule)).flow
            require_flow(started.run_id, (await here.client.status(started.run_id)).blueprint_id, meant)
    app.out.say(started.run_id)
    return {"schedule": schedule, "run_id": started.run_id, "created": started.created}


@click.argument("schedule")
@yes_option
async def remove(app: App, schedule: str, yes: bool) -> dict[str, Any]:
    """Remove a SCHEDULE; the runs that it has started stay."""
    async with place(app) as here:
        sure(f"Remove the schedule {schedule}?", yes)
        try:
            await here.client.schedules.show(schedule)
        except UnknownScheduleError:
            await here.client.schedules.remove(schedule)  # that it is removed may not be told everywhere
            raise
        await here.client.schedules.remove(schedule)
    app.out.say(f"removed {schedule}")
    return {"removed": schedule}


def fields_of(schedule: StoredSchedule) -> dict[str, Any]:
    """A schedule, for programs."""
    return {
        "schedule": schedule.schedule_id,
        "state": schedule.state,
        "flow": schedule.flow,
        "cron": schedule.cron,
        "timezone": schedule.timezone,
        "every": schedule.every,
        "missed": schedule.missed,
        "grace": schedule.grace,
        "overlap": schedule.overlap,
        "tags": dict(schedule.tags),
        "input": dict(schedule.context),
        "run_timeout": schedule.timeout,
        "revision": schedule.revision,
        "changed": schedule.changed,
        "last_due": schedule.last_due,
        "last_run": schedule.last_run,
        "upcoming": list(schedule.upcoming),
    }


def _when(schedule: StoredSchedule) -> str:
    if schedule.every is not None:
        return f"every {lasting(schedule.every)}"
    return f"{schedule.cron} {schedule.timezone}"


def _tell(app: App, schedule: StoredSchedule) -> None:
    tags = ", ".join(f"{name}={value}" for name, value in sorted(schedule.tags.items()))
    for name, value in (
        ("schedule", schedule.schedule_id),
        ("state", schedule.state),
        ("flow", schedule.flow),
        ("when", _when(schedule)),
        ("missed", f"{schedule.missed}, after {lasting(schedule.grace)}"),
        ("overlap", schedule.overlap),
        ("input", brief(dict(schedule.context)) if schedule.context else ""),
        ("tags", brief(tags)),
        ("limit", "" if schedule.timeout is None else lasting(schedule.timeout)),
        ("changed", moment(schedule.changed)),
        ("last", "" if schedule.last_due is None else moment(schedule.last_due)),
        ("last run", schedule.last_run or ""),
        ("next", ", ".join(moment(time) for time in schedule.upcoming[:3])),
    ):
        if value:
            app.out.say(f"{name:<9} {brief(value, 200)}")
