"""examples/azure against the emulators, as its README prints it."""

from __future__ import annotations

import asyncio
import base64
import importlib.util
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import azure.functions as func
import pytest
from azure_emulators import Emulators
from places import Place

_FOLDER = Path(__file__).parents[2] / "examples" / "azure"
_PARCEL = ("Bahnhofplatz 1, Bern, CH", "pot=450", "tea=100x2")
_LABEL = "completed: Bahnhofplatz 1, Bern, CH / 2.60"


async def _start(program: str, environment: dict[str, str], *arguments: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, program, *arguments),
        cwd=_FOLDER,
        env={**os.environ, **environment},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )


async def _output(program: str, environment: dict[str, str], *arguments: str) -> str:
    process = await _start(program, environment, *arguments)
    output, _ = await asyncio.wait_for(process.communicate(), 120)
    assert process.returncode == 0, output.decode()
    return output.decode()


@pytest.mark.parametrize("redis", [True, False], ids=["with Redis", "without Redis"])
async def test_a_parcel_is_sent_as_the_readme_prints_it(emulators: Emulators, redis: bool) -> None:
    """Set up twice, a worker, a start, a look of the reconciler, and the worker ends well."""
    place = Place(emulators)
    environment = place.environment()
    if not redis:
        environment["REDIS_CONNECTION_STRING"] = ""
    for _ in range(2):
        said = await _output("set_up.py", environment)
        assert said == f"queue {place.name} and database {place.name} are there\n"
    worker = await _start("worker.py", environment)
    said = await _output("start.py", environment, *_PARCEL)
    assert said.splitlines()[1:] == [_LABEL]
    assert await _output("reconcile.py", environment) == "reconciled 0 of 0 stalled runs, 0 failed\n"
    worker.terminate()
    output, _ = await asyncio.wait_for(worker.communicate(), 60)
    assert (worker.returncode, output.decode()) == (0, "working on parcels; Ctrl-C ends it\n")
    await place.remove()


@pytest.fixture
def function_app(place: Place, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """The example's app, loaded as the host does."""
    for name, value in place.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.syspath_prepend(str(_FOLDER))
    spec = importlib.util.spec_from_file_location("azure_example_function_app", _FOLDER / "function_app.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    yield module
    for name in ("parcels", "parcel_place"):
        sys.modules.pop(name, None)


def _functions(module: ModuleType) -> dict[str, Any]:
    return {function.get_function_name(): function for function in module.app.get_functions()}


async def test_the_functions_app_does_a_whole_run(place: Place, function_app: ModuleType) -> None:
    """An HTTP request starts it, queue messages bring it on, and a timer that comes late does no harm."""
    functions = _functions(function_app)
    request = func.HttpRequest(
        method="POST",
        url="/api/parcels",
        body=json.dumps({"address": _PARCEL[0], "items": [{"name": "pot", "grams": 650, "count": 1}]}).encode(),
    )
    answer = await functions["send"].get_user_function()(request)
    run_id = json.loads(answer.get_body())["run"]
    adapter = await function_app.handlers.adapter()
    async with place.emulators.queue_client(place.name) as queue:
        while (await adapter.client.status(run_id)).state == "running":
            async for message in queue.receive_messages(max_messages=16):
                received = func.QueueMessage(
                    id=message.id, body=base64.b64decode(message.content), pop_receipt=message.pop_receipt
                )
                await functions["work"].get_user_function()(received)
                await queue.delete_message(message)
    assert (await adapter.client.result(run_id)).outputs["label"] == _LABEL.removeprefix("completed: ")

    class Late(func.TimerRequest):
        @property
        def past_due(self) -> bool:
            return True

    await functions["reconcile"].get_user_function()(Late())
    await function_app.handlers.close()


async def test_the_functions_are_bound_as_host_json_and_the_library_expect(function_app: ModuleType) -> None:
    """Both queues by the setting, the messages in base64, and as many tries as the engine allows."""
    bindings = {
        name: [binding.get_dict_repr() for binding in function.get_bindings()]
        for name, function in _functions(function_app).items()
    }
    assert [bindings[name][0]["queueName"] for name in ("work", "work_on_poison")] == [
        "%FLOWCRAFT_QUEUE%",
        "%FLOWCRAFT_QUEUE%-poison",
    ]
    host = json.loads((_FOLDER / "host.json").read_text(encoding="utf-8"))
    queues = host["extensions"]["queues"]
    assert (queues["messageEncoding"], queues["maxDequeueCount"]) == ("base64", 5)
    assert host["functionTimeout"] == "00:05:00"
