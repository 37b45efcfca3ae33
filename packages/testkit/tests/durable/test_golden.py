"""What earlier formats have stored is read, and the runs in it are brought to their ends."""

from __future__ import annotations

import asyncio
import json
import re
from typing import Any

import pytest
from flowcraft_core import FlowRuntime
from flowcraft_core.durable import Client, Worker
from flowcraft_core.durable.storage import READABLE_FORMATS
from flowcraft_core.jobs import READABLE_FORMATS as READABLE_JOBS
from flowcraft_testkit import VirtualClock

from .golden_run import FOLDER, RUN, VALUES, flow, load, serializer, steps, write
from .helpers import left_of

FILES = sorted(FOLDER.glob("format-*.json"))
CONTENTS: list[dict[str, Any]] = [json.loads(file.read_text()) for file in FILES]
DAY = 86_400.0


def test_there_is_a_file_of_each_format_that_is_read() -> None:
    assert {int(file.stem.removeprefix("format-")) for file in FILES} == READABLE_FORMATS | READABLE_JOBS


@pytest.mark.parametrize("data", CONTENTS, ids=[file.stem for file in FILES])
async def test_a_run_of_an_earlier_release_is_read_and_ended(data: dict[str, Any]) -> None:
    clock = VirtualClock(data["time"])
    backend = await load(data, clock)
    client = Client(backend, serializer=serializer(), clock=clock)
    so_far = await client.result(RUN)
    assert so_far.outputs["values"] == VALUES
    assert {name: type(value) for name, value in so_far.outputs["values"].items()} == {
        name: type(value) for name, value in VALUES.items()
    }
    assert so_far.context == {"kept": VALUES, "name": "set"}
    assert len(so_far.outputs["long"]) == 300
    runtime = FlowRuntime([flow()], registry=steps(), serializer=serializer(), clock=clock)
    worker = Worker(backend, runtime, poll=600.0, visibility=3600.0)
    working = asyncio.ensure_future(worker.run())
    await client.resume(RUN, "call/ask", output="answer")
    result = await client.wait(RUN, timeout=50 * DAY, poll=60.0)
    worker.stop()
    await working
    await client.purge(RUN)
    assert left_of(backend, RUN) == set()
    await backend.close()
    end = result.outputs["end"]
    assert result.status == "completed", result.reason
    assert {name: end[name] for name in end if name not in ("values", "long")} == {
        "each": [2, 3, 4],
        "again": 4,
        "call": "answer",
        "flaky": "at last",
        "first": [1, 2, 3],
        "yes": 1,
        "rest": None,
    }


async def test_the_present_format_is_what_the_newest_file_holds() -> None:
    """Else it has changed: give it the next number, and write its file."""

    def shape(body: str) -> Any:
        return sorted(json.loads(body))

    def key(fact: list[str]) -> str:
        return re.sub(":chunk:[0-9a-f]{32}:", ":chunk:...:", fact[1])

    newest = CONTENTS[-1]
    now = await write()
    assert sorted(map(key, now["facts"])) == sorted(map(key, newest["facts"]))
    assert sorted(map(shape, now["messages"])) == sorted(map(shape, newest["messages"]))
    assert sorted(now["status"]) == sorted(newest["status"])
