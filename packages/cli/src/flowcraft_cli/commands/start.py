"""``flowcraft start``: begins a run on a backend, for workers that are there or come later."""

from __future__ import annotations

from typing import Any

import click

from ..command import App, Commands
from ..exits import Answer
from ..loading import load_flow
from ..places import place
from ..values import TIME, input_option, read_context, read_tags, require_flow, tags_option
from ..waiting import wait_for


def register(main: Commands) -> None:
    """Add the command."""
    main.command(
        "start",
        settings=("backend", "flows", "serializer", "codec"),
        examples="""
            flowcraft start app:flow --input '{"cities": ["Oslo"]}'
            flowcraft start letters --id nightly-2026-05-01 --tag kind=nightly
            flowcraft start letters --wait --timeout 10m
            flowcraft start letters --queue urgent
        """,
    )(start)


@click.argument("flow", required=False)
@input_option
@click.option("--id", "run_id", metavar="RUN", help="The run's id. One that is there already is not started again.")
@tags_option
@click.option("--delay", type=TIME, metavar="TIME", help="How long before its first step, such as 20m.")
@click.option("--run-timeout", type=TIME, metavar="TIME", help="How long until the run fails if it has not ended.")
@click.option("--queue", metavar="QUEUE", help="The queue whose workers run it, but for nodes that name another.")
@click.option("--wait", is_flag=True, help="Wait until it has ended.")
@click.option("--timeout", type=TIME, metavar="TIME", help="With --wait: for how long; the run goes on.")
async def start(
    app: App,
    flow: str | None,
    input_: str | None,
    run_id: str | None,
    tags: tuple[str, ...],
    delay: str | None,
    run_timeout: str | None,
    queue: str | None,
    wait: bool,
    timeout: str | None,
) -> Any:
    """Start a run on the backend; workers do the rest."""
    found, context, labels = load_flow(flow, app.settings), read_context(input_), read_tags(tags)
    async with place(app, [found.source], creates=True) as here:
        started = await here.client.start(
            found.id, context, run_id=run_id, delay=delay or 0.0, tags=labels, timeout=run_timeout, queue=queue
        )
        app.out.note("started" if started.created else "it was there already")
        if not started.same:
            require_flow(started.run_id, (await here.client.status(started.run_id)).blueprint_id, found.id)
            app.out.note("it was started with another input: give another id to start what you meant")
        app.out.say(started.run_id)
        fields = {"run_id": started.run_id, "created": started.created, "same": started.same, "flow": found.id}
        if not wait:
            return fields
        answer = await wait_for(app, here.client, started.run_id, timeout)
        return Answer({**fields, **answer.fields}, answer.code)
