"""Scenario 75, its second half: settings of zero, negative, NaN, which mean nothing."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import calling
from durable_backend import Durable
from flowcraft_core import FlowBuilder, FlowRuntime, RetryPolicy, create_flow
from flowcraft_core.durable.engine import Settings
from flowcraft_core.durable.reconciler import Reconciler
from in_process import InProcess
from small_steps import gives

_NAN, _INFINITE = math.nan, math.inf


def _one(**settings: Any) -> FlowBuilder:
    return create_flow("one").node("only", lambda ctx: 1, **settings)


def _retries(**settings: Any) -> FlowBuilder:
    return _one(retries=RetryPolicy(**{"max_attempts": 2, "delay": 0.0, **settings}))


def _waits(timeout: Any) -> FlowBuilder:
    return create_flow("waits").wait("only", timeout=timeout)


def _sleeps(duration: Any) -> FlowBuilder:
    return create_flow("sleeps").sleep("only", duration)


def _batch(**settings: Any) -> FlowBuilder:
    return create_flow("batch").node("list", gives([1])).batch("each", lambda ctx: 1, **settings).edge("list", "each")


#: Flows by what their messages must name, with values that it cannot have.
_FLOWS: tuple[tuple[str, Callable[[Any], FlowBuilder], tuple[Any, ...]], ...] = (
    ("timeout", lambda value: _one(timeout=value), (0, -1, _NAN, _INFINITE, "5s")),
    ("retries", lambda value: _one(retries=value), (-5, 2.5, _NAN)),
    ("max_attempts", lambda value: _retries(max_attempts=value), (0, -1, _NAN)),
    ("delay", lambda value: _retries(delay=value), (-1, _NAN)),
    ("backoff", lambda value: _retries(backoff=value), (-1, _NAN)),
    ("max_delay", lambda value: _retries(max_delay=value), (-1, _NAN)),
    ("jitter", lambda value: _retries(jitter=value), (-1, _NAN)),
    ("timeout", _waits, (-5, _NAN)),
    ("duration", _sleeps, (-1, _NAN)),
    ("timeout", lambda value: _batch(timeout=value), (0, -1, _NAN)),
    ("tolerated_failure_count", lambda value: _batch(tolerated_failure_count=value), (-1, _NAN)),
    ("tolerated_failure_percentage", lambda value: _batch(tolerated_failure_percentage=value), (-1, _NAN)),
)


async def _works_or_is_named(what: str, name: str, call: Callable[[], Awaitable[Any]]) -> str | None:
    """What is wrong with a setting: it must be refused by its name, or let a run complete."""
    try:
        async with asyncio.timeout(3.0):
            result = await call()
    except TimeoutError:
        return f"{what} hangs"
    except Exception as error:
        named = name.replace("_", "") in str(error).lower().replace("_", "").replace(" ", "")
        return None if named and len(str(error)) < 500 else f"{what}: {type(error).__name__}: {str(error)[:80]}"
    if result.status == "completed":
        return None
    return f"{what}: the run is {result.status}: {[str(error)[:80] for error in result.errors]}"


def _none_wrong(problems: list[str | None]) -> None:
    wrong = [problem for problem in problems if problem]
    if wrong:
        raise AssertionError("; ".join(wrong))


@calling.CALLS.check_in_process
async def settings_of_flows(backend: InProcess) -> None:
    """What a node, a construct or a policy cannot mean is refused where it is said."""

    async def run(make: Callable[[Any], FlowBuilder], value: Any) -> Any:
        return await backend.run(make(value))

    _none_wrong(
        [
            await _works_or_is_named(f"{name}={value!r}", name, lambda make=make, value=value: run(make, value))  # type: ignore[misc]
            for name, make, values in _FLOWS
            for value in values
        ]
    )


@calling.CALLS.check_in_process
async def settings_of_runtimes(backend: InProcess) -> None:
    """So is what a runtime, or a run, cannot mean."""

    async def threads(value: Any) -> Any:
        return await FlowRuntime([_one()], max_threads=value, clock=backend.clock).run("one")

    async def concurrency(value: Any) -> Any:
        return await FlowRuntime([_one()], clock=backend.clock).run("one", concurrency=value)

    async def timeout(value: Any) -> Any:
        return await FlowRuntime([_one()], clock=backend.clock).run("one", timeout=value)

    problems = [
        await _works_or_is_named(f"{name}={value!r}", name, lambda call=call, value=value: call(value))  # type: ignore[misc]
        for name, call, values in (
            ("max_threads", threads, (0, -1, _NAN)),
            ("concurrency", concurrency, (0, -1, _NAN)),
            ("timeout", timeout, (_NAN,)),
        )
        for value in values
    ]
    _none_wrong(problems)


#: Those of a worker, with values that it cannot have.
_WORKERS: Mapping[str, tuple[Any, ...]] = {
    "concurrency": (0, -1, _NAN),
    "prefetch": (-1, _NAN),
    "visibility": (0, -1, _NAN),
    "poll": (-1, _NAN),
    "grace": (-1, _NAN),
    "control_interval": (0, -1, _NAN),
    "reconcile_interval": (0, -1, _NAN),
}
_SETTINGS: Mapping[str, tuple[Any, ...]] = {
    "max_hold": (-1, _NAN),
    "max_steps": (0, -1, _NAN),
    "delivery_limit": (0, -1, _NAN),
}


@calling.CALLS.check_durable
async def settings_of_workers(backend: Durable) -> None:
    """So is what a worker, its job cycle, a reconciler or a start cannot mean."""
    backend.deploy(_one())
    client, ports = await backend.client(), await backend.ports()

    async def on_a_worker(**options: Any) -> Any:
        await backend.kill()
        await backend.hire(**options)
        started = await client.start("one")
        return await backend.run_of(started.run_id).result()

    async def reconciled(**options: Any) -> Any:
        await Reconciler(ports, clock=backend.clock, **options).run_once()
        return await on_a_worker()

    async def started(**options: Any) -> Any:
        await backend.kill()
        await backend.hire()
        return await backend.run_of((await client.start("one", **options)).run_id).result()

    calls: list[tuple[str, Any, Callable[..., Awaitable[Any]]]] = []
    calls += [(name, value, on_a_worker) for name, values in _WORKERS.items() for value in values]
    calls += [(name, value, reconciled) for name, value in (("interval", 0), ("interval", _NAN), ("revivals", -1))]
    calls += [(name, value, started) for name, value in (("delay", -1), ("delay", _NAN), ("timeout", _NAN))]
    problems = [
        await _works_or_is_named(f"{name}={value!r}", name, lambda n=name, v=value, c=call: c(**{n: v}))  # type: ignore[misc]
        for name, value, call in calls
    ]
    for name, values in _SETTINGS.items():
        for value in values:

            async def bounded(name: str = name, value: Any = value) -> Any:
                return await on_a_worker(settings=Settings(**{name: value}))

            problems.append(await _works_or_is_named(f"Settings({name}={value!r})", name, bounded))
    _none_wrong(problems)
