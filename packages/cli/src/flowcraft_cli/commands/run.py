"""``flowcraft run``: a run from its start to its end, in this process or on a backend, to look on."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import click
from flowcraft_core import FlowRuntime, Serializer
from flowcraft_core.durable import Worker
from flowcraft_core.durations import parse_seconds
from flowcraft_core.graph.queues import queues_of
from flowcraft_core.queues import DEFAULT_QUEUE

from .. import logs
from ..command import App, Commands
from ..exits import Answer, Exit
from ..following import follow
from ..live import Progress
from ..loading import Flow, load_flow
from ..places import own, place
from ..values import TIME, input_option, read_context, read_tags, require_flow, tags_option
from ..waiting import tell_result

_SETTINGS = ("backend", "flows", "serializer", "codec", "concurrency", "visibility", "log_level", "log_format")


def register(main: Commands) -> None:
    """Add the command."""
    main.command(
        "run",
        settings=_SETTINGS,
        examples="""
            flowcraft run app:flow --input '{"cities": ["Oslo"]}'
            flowcraft run app:flow --backend sqlite:///runs.db --id first     killed, run it again: it goes on
        """,
    )(run)


@click.argument("flow", required=False)
@input_option
@click.option("--id", "run_id", metavar="RUN", help="The run's id. On a backend, one that is there already goes on.")
@tags_option
@click.option(
    "--timeout", type=TIME, metavar="TIME", help="For how long, such as 10m: then a run in this process fails."
)
@click.option("--in-process", is_flag=True, help="Without a backend, whatever the settings say: nothing is stored.")
async def run(
    app: App,
    flow: str | None,
    input_: str | None,
    run_id: str | None,
    tags: tuple[str, ...],
    timeout: str | None,
    in_process: bool,
) -> Answer:
    """Run a flow and look on.

    Without a backend it runs in this process, and is gone with it. With one it is stored, and this process works on it
    beside whatever workers there are.
    """
    found, context, labels = load_flow(flow, app.settings), read_context(input_), read_tags(tags)
    if timeout is not None:
        parse_seconds("--timeout", timeout, zero=True)
    serializer = own(app, "serializer", Serializer)
    options = {} if serializer is None else {"serializer": serializer}
    if in_process or app.settings["backend"] is None:
        if labels:
            raise click.UsageError("--tag needs a backend: tags are for finding stored runs")
        progress = Progress(found.id, app.out)
        runtime = found.runtime(**options, events=progress)
        with progress.shown() as console:
            logs.set_up(app.settings, level="warning", console=console)
            result = await runtime.run(found.id, context, run_id=run_id, concurrency=_concurrency(app), timeout=timeout)
        return tell_result(app, result)
    return await _on_backend(app, found, found.runtime(**options), context, run_id, labels, timeout)


def _concurrency(app: App) -> int | None:
    return None if app.settings.values["concurrency"].source == "default" else app.settings["concurrency"]


async def _on_backend(
    app: App,
    flow: Flow,
    runtime: FlowRuntime,
    context: dict[str, Any],
    run_id: str | None,
    tags: dict[str, str],
    timeout: str | None,
) -> Answer:
    logs.set_up(app.settings, level="warning")
    async with place(app, [flow.source], creates=True) as here:
        started = await here.client.start(flow.id, context, run_id=run_id, tags=tags)
        app.out.note(f"run {started.run_id} {'started' if started.created else 'was there already, and goes on'}")
        if not started.same:
            require_flow(started.run_id, (await here.client.status(started.run_id)).blueprint_id, flow.id)
            app.out.note("it was started with another input: give another id to run what you meant")
        worker = Worker(
            here.backend,
            runtime,
            concurrency=app.settings["concurrency"],
            visibility=app.settings["visibility"],
            codec=here.codec,
            grace=1.0,
            reconcile_interval=1.0,  # a reconciler says that a run only waits, and somebody waits for that here
            queues=(DEFAULT_QUEUE, *sorted(queues_of(runtime.catalogue.graphs, None).keys() - {DEFAULT_QUEUE})),
        )
        async with _working(worker):
            await follow(app, here.client, started.run_id, interval=0.1, timeout=timeout, until_waiting=True)
        answer = tell_result(app, await here.client.result(started.run_id))
        if answer.code is Exit.WAITING:
            described = await here.client.describe(started.run_id, values=False, limit=1)
            for wait in described.waits:
                app.out.say(f"  waits: flowcraft resume {started.run_id} {wait.key}")
        return answer


@contextlib.asynccontextmanager
async def _working(worker: Worker) -> Any:
    """Have a worker work within the block; if it ends before, so does the block."""
    inside = asyncio.current_task()
    assert inside is not None
    task = asyncio.ensure_future(worker.run())
    task.add_done_callback(lambda _: inside.cancel() if not leaving else None)
    leaving = False
    try:
        yield
    except asyncio.CancelledError:
        if task.done() and not task.cancelled() and task.exception() is not None:
            inside.uncancel()
            raise task.exception() from None  # type: ignore[misc]
        raise
    finally:
        leaving = True
        worker.stop()
        await asyncio.gather(task, return_exceptions=True)
