"""Scenario 69: steps of one name, and a deployment between a run's start and its end."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import expect
from backend import Backend
from durable_backend import Durable
from flowcraft_core import FlowBuilder, FlowcraftError, create_flow
from scenario import Scenario
from small_steps import AsyncStep, Context

OWN_FUNCTIONS = Scenario(
    id=69,
    title="Steps have one name, and the next deployment adds or moves nodes: each run goes on with its own functions",
)

#: Where each node's step posts to.
_PLACES = {"check": "audit", "charge": "billing", "ship": "depot"}


# --- functions that have one name -------------------------------------------------------------------------------------


def _post_to(place: str) -> AsyncStep:
    async def post(ctx: Context) -> str:
        return f"posted to {place}"

    return post


def _wrapped(place: str) -> AsyncStep:
    """As decorators make them that do not say what they wrap."""

    def decorate(step: AsyncStep) -> AsyncStep:
        async def wrapper(ctx: Context) -> Any:
            return await step(ctx)

        return wrapper

    return decorate(_post_to(place))


def _of_a_module(place: str) -> AsyncStep:
    """As modules have them, each of which calls its step ``run``."""
    module: dict[str, Any] = {"__name__": f"steps_of_{place}"}
    exec(f"async def run(ctx):\n    return 'posted to {place}'\n", module)  # noqa: S102 - a module of its own
    step: AsyncStep = module["run"]
    return step


class _Posting:
    def __init__(self, place: str) -> None:
        self.place = place

    async def post(self, ctx: Context) -> str:
        return f"posted to {self.place}"


def _method(place: str) -> AsyncStep:
    return _Posting(place).post


_MAKERS: tuple[Callable[[str], AsyncStep], ...] = (_post_to, _wrapped, _of_a_module, _method)


# --- two deployments --------------------------------------------------------------------------------------------------


def _flow(make: Callable[[str], AsyncStep], *nodes: str) -> FlowBuilder:
    """A wait, then nodes in a row, added in the order that is given and linked in that of their names."""
    flow = create_flow("order").wait("pause")
    for node in nodes:
        flow.node(node, make(_PLACES[node]))
    before = "pause"
    for node in sorted(nodes):
        flow.edge(before, node)
        before = node
    return flow


async def _go_on(backend: Backend, make: Callable[[str], AsyncStep], *deployments: tuple[str, ...]) -> None:
    """Start on the first deployment, and go on when the second has taken its place."""
    first, second = deployments
    run_id = f"{make.__name__} {'-'.join(first)}"
    run = await backend.launch(_flow(make, *first), run_id=run_id)
    expect.status(await run.result(), "awaiting")
    await run.restart()
    try:
        backend.deploy(_flow(make, *second))
        await run.restart()
        await run.resume("pause")
        if isinstance(backend, Durable):
            await backend.until_given_up(run_id)
        result = await run.result()
    except FlowcraftError as error:  # what is missing, or could be either of two, is refused by name
        expect.mentions(f"{run_id}: the refusal", str(error), "order")
        return
    if result.status == "failed":
        for each in result.errors:
            expect.mentions(f"{run_id}: the refusal", str(each), each.node_id)
        return
    expect.completed(result)
    for node in first:
        expect.equal(f"{run_id}: what {node!r} did", result.outputs[node], f"posted to {_PLACES[node]}")


@OWN_FUNCTIONS.check
async def with_a_node_before_them(backend: Backend) -> None:
    """A node with a function of that name is added before the others."""
    for make in _MAKERS:
        await _go_on(backend, make, ("charge", "ship"), ("check", "charge", "ship"))


@OWN_FUNCTIONS.check
async def in_another_order(backend: Backend) -> None:
    """The same nodes are added the other way round."""
    for make in _MAKERS:
        await _go_on(backend, make, ("check", "charge", "ship"), ("ship", "charge", "check"))


@OWN_FUNCTIONS.check
async def without_one_of_them(backend: Backend) -> None:
    """The first of them is gone: what has lost its function does not run with another's."""
    await _go_on(backend, _post_to, ("check", "charge", "ship"), ("charge", "ship"))


@OWN_FUNCTIONS.check
async def in_the_same_deployment(backend: Backend) -> None:
    """Without any other, each node has its own."""
    for make in _MAKERS:
        run = await backend.launch(_flow(make, "ship", "check", "charge"), run_id=f"same {make.__name__}")
        await run.result()
        await run.restart()
        await run.resume("pause")
        result = await run.result()
        expect.completed(result)
        for node, place in _PLACES.items():
            expect.equal(f"{make.__name__}: what {node!r} did", result.outputs[node], f"posted to {place}")
