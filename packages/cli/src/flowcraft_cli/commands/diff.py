"""``flowcraft diff``: in what two runs differ."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import click

from ..command import App, Commands
from ..exits import Answer, Exit
from ..output import brief
from ..places import place

# What is told of an outcome: when it was, and who has done it, differs always.
_COMPARED = ("output", "action", "error", "via", "attempts", "taken", "sets")


def register(main: Commands) -> None:
    """Add the command."""
    main.command(
        "diff",
        settings=("backend", "serializer", "codec"),
        examples="""
            flowcraft diff RUN OTHER
            flowcraft diff RUN "$(flowcraft redrive RUN)"
        """,
    )(diff)


@click.argument("run")
@click.argument("other")
async def diff(app: App, run: str, other: str) -> Answer:
    """Show in what a RUN and an OTHER differ.

    Blueprint, start, and instance by instance. Exits with 1 if they do.
    """
    async with place(app) as here:
        first, second = [json.loads(await here.client.export(each)) for each in (run, other)]
    found = [*_whole(first, second), *_instances(first["outcomes"], second["outcomes"])]
    for difference in found:
        app.out.say(f"{difference['at']}: {difference['what']}")
        for mark, value in (("-", difference["first"]), ("+", difference["second"])):
            app.out.say(f"  {mark} {brief(value, 200)}")
    if not found:
        app.out.say("they do not differ")
    return Answer({"differences": found}, Exit.FAILED if found else Exit.OK)


def _whole(first: Mapping[str, Any], second: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for name in ("blueprint", "blueprints", "context", "status", "claims"):
        if first[name] != second[name]:
            yield {"at": "run", "what": name, "first": first[name], "second": second[name]}


def _instances(first: Mapping[str, Any], second: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for key in dict.fromkeys((*first, *second)):
        one, two = first.get(key), second.get(key)
        if one is None or two is None:
            there, absent = _state(one), _state(two)
            yield {"at": key, "what": "outcome", "first": there, "second": absent}
            continue
        for name in _COMPARED:
            if _of(one, name) != _of(two, name):
                yield {"at": key, "what": name, "first": _of(one, name), "second": _of(two, name)}


def _state(outcome: Mapping[str, Any] | None) -> str:
    if outcome is None:
        return "none"
    return "failed" if outcome.get("error") else "completed"


def _of(outcome: Mapping[str, Any], name: str) -> Any:
    value = outcome.get(name)
    if name == "error" and isinstance(value, dict):
        return {part: value.get(part) for part in ("type", "message")}
    return value
