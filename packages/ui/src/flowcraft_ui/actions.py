"""What can be changed, each after a page that says what will happen and asks for it."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Literal, TypeAlias

import attrs
from flowcraft_core.errors import ConfigurationError, FlowcraftError
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from .guard import Refused, base_of
from .rendering import Desk, address
from .source import home_of

Fields: TypeAlias = Mapping[str, str]


@attrs.frozen
class Action:
    """Something that can be done.

    Attributes:
        title: What its page is called, and its button.
        says: What will happen, in a sentence.
        do: Does it, and gives the path and the query of the page to go on with.
        about: What it is done to.
        asks: The names of the fields that its page asks for.
        is_grave: Whether it ends or forgets something.
    """

    title: str
    says: str
    do: Callable[[Desk, Fields], Awaitable[tuple[str, dict[str, str]]]]
    about: Literal["run", "letter", "schedule"]
    asks: tuple[str, ...] = ()
    is_grave: bool = False


async def _cancel(desk: Desk, fields: Fields) -> tuple[str, dict[str, str]]:
    async with desk.source.changing() as client:
        await client.cancel(fields["id"], reason=fields.get("reason") or None)
    return "/run", {"id": fields["id"]}


async def _abandon(desk: Desk, fields: Fields) -> tuple[str, dict[str, str]]:
    async with desk.source.changing() as client:
        await client.abandon(fields["id"], reason=fields.get("reason") or None)
    return "/run", {"id": fields["id"]}


async def _redrive(desk: Desk, fields: Fields) -> tuple[str, dict[str, str]]:
    async with desk.source.changing() as client:
        started = await client.redrive(fields["id"])
    return "/run", {"id": started.run_id}


async def _fork(desk: Desk, fields: Fields) -> tuple[str, dict[str, str]]:
    async with desk.source.changing() as client:
        started = await client.fork(
            fields["id"],
            fields["key"],
            new_run_id=fields.get("new_id") or None,
            new_idempotency_keys=fields.get("new_keys") == "yes",
        )
    return "/run", {"id": started.run_id}


async def _resume(desk: Desk, fields: Fields) -> tuple[str, dict[str, str]]:
    output = _json(fields.get("output", ""))
    async with desk.source.changing() as client:
        await client.resume(fields["id"], fields["key"], output=output, action=fields.get("action") or None)
    return "/run", {"id": fields["id"], "inside": home_of(fields["key"])}


async def _pause_schedule(desk: Desk, fields: Fields) -> tuple[str, dict[str, str]]:
    async with desk.source.changing() as client:
        await client.schedules.pause(fields["id"])
    return "/schedules", {}


async def _resume_schedule(desk: Desk, fields: Fields) -> tuple[str, dict[str, str]]:
    async with desk.source.changing() as client:
        await client.schedules.resume(fields["id"])
    return "/schedules", {}


async def _trigger_schedule(desk: Desk, fields: Fields) -> tuple[str, dict[str, str]]:
    async with desk.source.changing() as client:
        started = await client.schedules.trigger(fields["id"])
    return "/run", {"id": started.run_id}


async def _send_back(desk: Desk, fields: Fields) -> tuple[str, dict[str, str]]:
    async with desk.source.changing() as client:
        await client.send_back(fields["id"])
    return "/dead-letters", {}


async def _drop(desk: Desk, fields: Fields) -> tuple[str, dict[str, str]]:
    async with desk.source.changing() as client:
        await client.drop_dead_letter(fields["id"])
    return "/dead-letters", {}


ACTIONS: Mapping[str, Action] = {
    "cancel": Action(
        "Cancel the run",
        "Nothing new starts in it, and steps under way are told. This cannot be undone.",
        _cancel,
        "run",
        ("reason",),
        is_grave=True,
    ),
    "abandon": Action(
        "Abandon the run's undos",
        "No undo begins any more, and the run ends; those under way come to their ends. What is left is not undone.",
        _abandon,
        "run",
        ("reason",),
        is_grave=True,
    ),
    "redrive": Action(
        "Redrive the run",
        "A new run begins, which keeps all that this one has done and tries again what has failed. A run is redriven"
        " once: if it was already, that run is shown.",
        _redrive,
        "run",
    ),
    "fork": Action(
        "Fork the run",
        "A new run begins, which keeps what this one has done, but for this instance and all that follows from it.",
        _fork,
        "run",
        ("new_id", "new_keys"),
    ),
    "resume": Action(
        "Resume the wait",
        "The wait ends with this, and the run goes on. This cannot be undone.",
        _resume,
        "run",
        ("output", "action"),
    ),
    "pause-schedule": Action(
        "Pause the schedule",
        "It starts nothing until it is resumed, and what passes meanwhile is not made up for.",
        _pause_schedule,
        "schedule",
    ),
    "resume-schedule": Action(
        "Resume the schedule", "It goes on with its times from now on.", _resume_schedule, "schedule"
    ),
    "trigger-schedule": Action(
        "Start a run now",
        "A run begins, as the schedule says that it is; its own times stay as they are.",
        _trigger_schedule,
        "schedule",
    ),
    "send-back": Action(
        "Send the letter back", "Its message goes to the queue again, and the letter goes.", _send_back, "letter"
    ),
    "drop": Action(
        "Drop the letter",
        "The letter goes for good, with its message. A run that it was for goes on by the reconciler.",
        _drop,
        "letter",
        is_grave=True,
    ),
}


async def act(desk: Desk, request: Request) -> Response:
    """Ask for an action, and do it."""
    if not desk.allow_writes:
        raise Refused(403, "this inspector only looks: start it with --allow-writes to have it change runs")
    name = request.query_params.get("what", "")
    action = ACTIONS.get(name)
    if action is None:
        raise Refused(404, "there is no such action")
    target = {field: request.query_params.get(field, "") for field in ("id", "key")}
    if request.method != "POST":
        return await _ask(desk, request, name, action, target, {}, None)
    fields = await desk.form(request)
    if fields.get("sure") != "yes":
        return await _ask(desk, request, name, action, target, fields, "Tick that you are sure.")
    try:
        path, query = await action.do(desk, {**fields, **target})
    except FlowcraftError as error:
        return await _ask(desk, request, name, action, target, fields, str(error))
    return RedirectResponse(address(base_of(request.scope), path, **query), 303)


async def _ask(
    desk: Desk,
    request: Request,
    name: str,
    action: Action,
    target: Fields,
    fields: Fields,
    problem: str | None,
) -> Response:
    choices = await _choices(desk, target) if "action" in action.asks else []
    return desk.page(
        request,
        "act.html",
        400 if problem else 200,
        name=name,
        action=action,
        target=target,
        fields=fields,
        problem=problem,
        choices=choices,
    )


async def _choices(desk: Desk, target: Fields) -> list[str]:
    """The actions that the ways on of a wait ask for."""
    found = await desk.source.instance(target["id"], target["key"])
    if found is None:
        return []
    level, instance = found
    actions = [way.action for way in level.ways if way.source == instance.node_id and way.action]
    return list(dict.fromkeys(actions))


def _refuse(constant: str) -> Any:
    raise ValueError(f"JSON has no {constant}")


def _json(text: str) -> Any:
    if not text.strip():
        return None
    try:
        return json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise ConfigurationError(
            f"the output is not JSON ({error}): write numbers and true as they are, text in double quotes"
        ) from None
