"""Runs the workflows of Temporal: on its test server where that can be had, else each by hand."""

import asyncio
import contextlib
import importlib
import inspect
import sys
import uuid
from collections.abc import Callable, Iterator
from typing import Any

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

_servers: list[WorkflowEnvironment] = []
_loop = asyncio.new_event_loop()


@contextlib.contextmanager
def session() -> Iterator[str]:
    """How the flows are run."""
    try:
        server = _loop.run_until_complete(WorkflowEnvironment.start_local())
    except RuntimeError as error:
        _act_for_the_server()
        yield f"by hand, since there is no server: {error}"
    else:
        _servers.append(server)
        yield "on a development server of their own"
        _loop.run_until_complete(server.shutdown())


def run(name: str, given: Any, answer: Any) -> Any:
    """What a workflow gives."""
    module = importlib.import_module(name)
    return _loop.run_until_complete((_on_server if _servers else _by_hand)(module, name.capitalize(), given, answer))


async def _on_server(module: Any, name: str, given: Any, answer: Any) -> Any:
    client = _servers[0].client
    members = vars(module).values()
    workflows = [one for one in members if inspect.isclass(one) and hasattr(one, "__temporal_workflow_definition")]
    activities = [one for one in members if hasattr(one, "__temporal_activity_definition")]
    settings: dict[str, Any] = {"workflows": workflows, "activities": activities}
    async with Worker(client, task_queue=name, workflow_runner=UnsandboxedWorkflowRunner(), **settings):
        main = getattr(module, name)
        handle = await client.start_workflow(main.run, given, id=str(uuid.uuid4()), task_queue=name)
        if answer is not None:
            await handle.signal("answer", module.Answer(**answer))
        return await handle.result()


# --- without a server -------------------------------------------------------------------------------------------------


async def _by_hand(module: Any, name: str, given: Any, answer: Any) -> Any:
    instance = getattr(module, name)()
    running = asyncio.ensure_future(instance.run(given))
    if answer is not None:
        instance.answer(module.Answer(**answer))
    return await running


def _act_for_the_server() -> None:
    """Lets workflows call activities and one another, and wait, without anything that makes them durable."""
    for stand_in in (execute_activity, execute_child_workflow, wait_condition):
        setattr(workflow, stand_in.__name__, stand_in)


async def execute_activity(activity: Any, given: Any, *, start_to_close_timeout: Any, retry_policy: Any = None) -> Any:
    """Calls it, as often as it may be tried."""
    attempts = 1 if retry_policy is None else retry_policy.maximum_attempts
    for left in reversed(range(attempts)):
        try:
            return await asyncio.wait_for(activity(given), start_to_close_timeout.total_seconds())
        except Exception as error:
            if left:
                continue
            name = activity.__name__
            raise ActivityError(
                "Activity task failed",
                scheduled_event_id=0,
                started_event_id=0,
                identity="",
                activity_type=name,
                activity_id=name,
                retry_state=None,
            ) from ApplicationError(str(error), type=type(error).__name__)
    raise AssertionError("it is tried at least once")


async def execute_child_workflow(run: Any, given: Any) -> Any:
    """Calls it."""
    owner = getattr(sys.modules[run.__module__], run.__qualname__.partition(".")[0])
    return await owner().run(given)


async def wait_condition(holds: Callable[[], bool], *, timeout: Any) -> None:
    """Looks now and then."""
    async with asyncio.timeout(timeout.total_seconds()):
        while not holds():  # noqa: ASYNC110 - whatever it looks at
            await asyncio.sleep(0.02)
