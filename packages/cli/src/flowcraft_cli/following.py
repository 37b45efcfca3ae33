"""Follows a stored run: looks at it again and again, and shows what has changed."""

from __future__ import annotations

import asyncio
import time

from flowcraft_core.durable import Client, InstanceDescription, RunDescription
from flowcraft_core.durations import parse_seconds

from .command import App
from .live import Progress
from .output import brief, moment, one_line

_FINAL = ("completed", "failed", "cancelled")
# A look at a run with many facts takes long: it is given so many times that before the next one.
_SHARE = 5.0


async def follow(
    app: App,
    client: Client,
    run_id: str,
    *,
    interval: float = 0.5,
    timeout: str | None = None,
    until_waiting: bool = False,
    events: bool = False,
) -> None:
    """Show what happens in a run until it has ended.

    Args:
        app: Where it is shown.
        client: A client.
        run_id: The run.
        interval: Seconds between two looks.
        timeout: For how long.
        until_waiting: End also when only a resume goes on.
        events: With ``--json``, print a line for each thing that happens, before the last one.

    Raises:
        UnknownRunError: There is no such run.
        TimeoutError: It has not ended in time; it goes on.
    """
    end = None if timeout is None else time.monotonic() + parse_seconds("--timeout", timeout, zero=True)
    progress = Progress(run_id, app.out)
    told: dict[str, str] = {}
    with progress.shown():
        while True:
            begun = time.monotonic()
            found = await client.describe(run_id, values=False, limit=1_000)
            progress.take(found)
            _tell(app, found, told, events=events)
            if found.run.state in _FINAL or (until_waiting and _only_waits(found)):
                return
            now = time.monotonic()
            if end is not None and now >= end:
                raise TimeoutError(f"run {run_id!r} is still {found.run.state} after {timeout}")
            pause = max(interval, _SHARE * (now - begun))
            await asyncio.sleep(pause if end is None else min(pause, end - now))


def _tell(app: App, found: RunDescription, told: dict[str, str], *, events: bool) -> None:
    """A line for each instance that stands elsewhere than before."""
    for instance in found.instances:
        standing = _standing(instance)
        if told.get(instance.key) == standing or instance.state in ("pending", "dead", "unneeded"):
            continue
        told[instance.key] = standing
        when = instance.ended or instance.started or found.at
        error = str(instance.errors[0]) if instance.errors else ""
        if events:
            app.out.event(
                {"at": when, "run_id": found.run.run_id, "key": instance.key, "state": standing, "error": error}
            )
        if not app.out.is_terminal:
            app.out.say(f"{moment(when)}  {standing:9}  {one_line(instance.key)}  {brief(error)}".rstrip())


def _standing(instance: InstanceDescription) -> str:
    if instance.inside is not None and instance.state == "running":
        return f"{instance.inside.ended}/{instance.inside.scopes}"
    return instance.standing


def _only_waits(found: RunDescription) -> bool:
    """Whether nothing goes on by itself."""
    return bool(
        found.run.state == "awaiting"
        and found.waits
        and not found.under_way
        and all(wait.kind == "wait" and wait.due is None for wait in found.waits)
    )
