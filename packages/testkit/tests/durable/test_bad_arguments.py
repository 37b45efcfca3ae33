"""What is given to a client that it cannot take is refused in words: nobody sees an error from inside of it."""

from __future__ import annotations

import inspect
import itertools
from collections.abc import AsyncIterator, Callable, Iterable
from typing import Any

import pytest
from flowcraft_core import ConfigurationError, FlowBuilder, FlowcraftError, create_flow
from flowcraft_core.durable import Client, SyncClient
from flowcraft_core.durable.scheduling.client import ScheduleClient
from flowcraft_testkit import InMemoryBackend

from .helpers import STRONG, place

#: What a program may have in its hands by mistake.
MISTAKES: tuple[Any, ...] = (
    None, 5, -1, 1.5, float("nan"), True, b"run", "", "run", "\ud800", "\0", "x" * 5_000, ":run", [1], ["a"], (), {},
    {1: 2}, {"a": 1}, {"\ud800": "a"}, {"x": object()}, {"x": "\ud800"}, {1, 2}, object(), int,
)  # fmt: skip

#: What each method is given, one of which is then a mistake.
CALLS: dict[str, dict[str, Any]] = {
    "start": {
        "flow": "line", "context": {"x": 1}, "run_id": None, "delay": 0.0, "tags": {"a": "b"}, "timeout": "1h",
        "queue": None, "connection": None,
    },
    "status": {"run_id": "run"},
    "result": {"run_id": "run", "lazy": False},
    "wait": {"run_id": "run", "timeout": 0.0, "poll": 1.0, "lazy": False},
    "describe": {"run_id": "run", "inside": "", "after": None, "limit": 10, "values": True},
    "runs": {
        "*": "failed", "newest_first": None, "limit": None, "links": False, "flow": "line", "tags": {"a": "b"},
        "created_since": 1, "created_until": None, "updated_since": None, "updated_until": None, "more": None,
    },
    "runs_page": {
        "*": "failed", "after": None, "newest_first": None, "limit": 10, "links": False, "flow": "line", "tags": None,
        "created_since": None, "more": None,
    },
    "workers": {"within": 5.0},
    "queues": {},
    "export": {"run_id": "run"},
    "footprint": {"run_id": "run"},
    "resume": {"run_id": "waits", "key": "w", "output": 1, "action": None, "early": False, "nonce": None},
    "cancel": {"run_id": "waits", "reason": None},
    "abandon": {"run_id": "run", "reason": None},
    "fork": {
        "run_id": "run", "*": "b", "new_run_id": None, "flow": None, "context": {"x": 1}, "new_idempotency_keys": False,
    },
    "redrive": {
        "run_id": "run", "new_run_id": None, "flow": None, "context": {"x": 1}, "new_idempotency_keys": False,
    },
    "purge": {"run_id": "gone", "damaged": False},
    "purge_older": {"age": "30d"},
    "dead_letters": {},
    "send_back": {"dead_letter_id": ":dead:1"},
    "drop_dead_letter": {"dead_letter_id": ":dead:1"},
}  # fmt: skip

OF_SCHEDULES: dict[str, dict[str, Any]] = {
    "make": {
        "schedule_id": "each", "flow": "line", "context": {"x": 1}, "replace": True, "cron": None, "timezone": None,
        "every": "1h", "missed": "latest", "grace": 5, "overlap": "start", "tags": {"a": "b"}, "timeout": None,
    },
    "edit": {
        "schedule_id": "each", "flow": "line", "context": {"x": 1}, "cron": None, "timezone": None, "every": "1h",
        "missed": "latest", "grace": 5, "overlap": "start", "tags": {"a": "b"}, "timeout": None, "more": None,
    },
    "pause": {"schedule_id": "each"},
    "resume": {"schedule_id": "each"},
    "trigger": {"schedule_id": "each", "run_id": None},
    "remove": {"schedule_id": "each"},
    "show": {"schedule_id": "each"},
    "list": {},
}  # fmt: skip

_METHODS = [*(("", name) for name in CALLS), *(("schedules", name) for name in OF_SCHEDULES)]

#: What is either said or not; anything can be output, and a nonce is compared alone.
_ANY = {
    *("lazy", "values", "links", "newest_first", "early", "output", "nonce", "damaged", "replace"),
    "new_idempotency_keys",
}


def fails(ctx: Any) -> None:
    raise ValueError("on purpose")


def _flows() -> tuple[FlowBuilder, FlowBuilder]:
    line = create_flow("line").node("a", lambda ctx: 1).node("b", fails).edge("a", "b")
    return line, create_flow("waits").wait("w")


async def _called(method: Callable[..., Any], given: dict[str, Any]) -> None:
    """Call a method, and use up what it gives."""
    named = {name: value for name, value in given.items() if name not in ("*", "more")}
    if given.get("more") is not None:
        named["nonsense"] = given["more"]
    several = [given["*"]] if "*" in given else []
    first = [named.pop("run_id")] if several and "run_id" in named else []
    answer = method(*first, *several, **named)
    if isinstance(answer, AsyncIterator):
        async for _ in answer:
            pass
    elif inspect.isawaitable(answer):
        await answer


async def _mistaken(method: Callable[..., Any], given: dict[str, Any], mistakes: Iterable[Any]) -> list[str]:
    """What has come of each mistake but a refusal in words; that some are taken for what they are not is no matter."""
    wrong = []
    for argument, mistake in itertools.product(given, mistakes):
        try:
            await _called(method, {**given, argument: mistake})
        except (FlowcraftError, TimeoutError):
            continue
        except Exception as error:
            wrong.append(f"{argument}={mistake!r:.30}: {type(error).__name__}: {error}")
        else:
            if type(mistake) is object and argument not in _ANY:
                wrong.append(f"{argument}={mistake!r:.30} is taken")
    return wrong


def test_the_methods_of_clients_are_all_here() -> None:
    for client, calls in ((Client, CALLS), (ScheduleClient, OF_SCHEDULES)):
        methods = {name for name, _ in inspect.getmembers(client, inspect.isfunction) if not name.startswith("_")}
        assert methods == set(calls)


@pytest.mark.parametrize(("of", "name"), _METHODS)
async def test_a_client_refuses_in_words_what_it_cannot_take(of: str, name: str) -> None:
    flow, waits = _flows()
    async with place(flow, waits) as here:
        await here.client.start(flow, run_id="run")
        await here.client.start(waits, run_id="waits")
        async with here.working():
            await here.client.wait("run", timeout=600)
            await here.clock.sleep(5)
        await here.client.schedules.make("each", flow, every="1h")
        client = here.client.schedules if of else here.client
        assert not await _mistaken(getattr(client, name), (OF_SCHEDULES if of else CALLS)[name], MISTAKES)


@pytest.mark.parametrize(("of", "name"), _METHODS)
async def test_so_does_a_client_for_code_that_is_not_async(of: str, name: str) -> None:
    flow, waits = _flows()
    with SyncClient(lambda: InMemoryBackend(weaknesses=STRONG), flows=[flow, waits]) as client:
        client.start(flow, run_id="run")
        client.start(waits, run_id="waits")
        client.schedules.make("each", flow, every="1h")
        method = getattr(client.schedules if of else client, name)
        given = dict((OF_SCHEDULES if of else CALLS)[name])
        given.pop("poll", None)
        assert not await _mistaken(method, given, [object(), [1], {1, 2}, b"run", "\ud800"])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda client: client.fork("run"), "Client.fork: name at least one instance to begin again from, by its key"),
        (lambda client: client.fork("run", 5), "Client.fork: each key must be text, not 5"),
        (lambda client: client.fork("run", "b", flow=5), "there is no flow 5: give a flow, its blueprint, or its id"),
        (lambda client: client.fork("run", "b", new_run_id=""), "run id '': use 1 to 300 characters"),
        (lambda client: client.redrive("run", new_run_id=""), "run id '': use 1 to 300 characters"),
        (lambda client: client.redrive("run", context=[1]), "the context values of a fork must be a dict of values"),
        (lambda client: client.start("line", tags=[1]), "Client.start: tags must be a dict of values by name, not [1]"),
        (lambda client: client.start("line", 5), "flow 'line': what it is started with must be a dict of values"),
        (lambda client: client.start(_flows()[0], 0), "flow 'line': what it is started with must be a dict of values"),
        (lambda client: client.cancel("run", reason=5), "Client.cancel: reason must be text, not 5"),
        (lambda client: client.describe("run", inside=5), "Client.describe: inside must be text, not 5"),
        (lambda client: client.resume("waits", 5), "Client.resume: key must be text, not 5"),
        (lambda client: client.schedules.edit("each", context=5), "schedule: context must be a dict of values by name"),
        (lambda client: client.schedules.edit("each", tags=None), "schedule: tags must be a dict of values by name"),
    ],
)
async def test_a_refusal_says_what_was_given_and_what_is_wanted(call: Callable[[Any], Any], message: str) -> None:
    flow, waits = _flows()
    async with place(flow, waits) as here:
        await here.client.start(flow, run_id="run")
        await here.client.start(waits, run_id="waits")
        await here.client.schedules.make("each", flow, every="1h")
        with pytest.raises(ConfigurationError) as caught:
            await call(here.client)
        assert str(caught.value).startswith(message)
