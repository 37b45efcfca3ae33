"""The command ``flowcraft`` against a cloud's emulators: each command that touches a backend, its effects looked up."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import attrs
from flowcraft_core.durable import Client
from flowcraft_core.ports import Backend, Message

T = TypeVar("T")

_PATIENCE = 120.0
_SETTINGS = {"POLL": "1", "VISIBILITY": "5", "GRACE": "5", "RECONCILE_INTERVAL": "2", "FLOWS": "flows.py"}
_FLOWS = """
from pathlib import Path

from flowcraft_core import create_flow

BROKEN = Path(__file__).parent / "broken"


async def first(ctx):
    return 20


async def brittle(ctx):
    if BROKEN.exists():
        raise ValueError("the disk is full")
    return ctx.input + 1


mending = create_flow("mending").node("first", first).node("brittle", brittle).edge("first", "brittle")
asking = create_flow("asking").node("first", first).wait("approve").node("after", brittle)
asking.edge("first", "approve").edge("approve", "after")
"""


@attrs.frozen
class Commanding:
    """The command in a folder, on a backend.

    Attributes:
        folder: The folder, with flows in it.
        environment: What leads it to the backend and its emulators.
    """

    folder: Path
    environment: Mapping[str, str]

    async def begin(self, *arguments: str, errors: Path | None = None) -> asyncio.subprocess.Process:
        """Call a command, and leave it running; its error stream goes to a file, if one is given."""
        settings = {f"FLOWCRAFT_{name}": value for name, value in _SETTINGS.items()}
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "flowcraft_cli", *arguments),
            cwd=self.folder,
            env={**self.environment, **settings, "PYTHONFAULTHANDLER": "1"},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE if errors is None else asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE if errors is None else _file(errors),
        )

    async def __call__(self, *arguments: str, code: int = 0) -> dict[str, Any]:
        """Call a command; what its last line says."""
        process = await self.begin(*arguments, "--json")
        talking = asyncio.ensure_future(process.communicate())
        ended, _ = await asyncio.wait([talking], timeout=_PATIENCE)
        if not ended:  # where it stands, it says by itself
            process.send_signal(signal.SIGABRT)
        printed, beside = await talking
        assert ended, f"`flowcraft {' '.join(arguments)}` does not end: {beside.decode()}"
        said: dict[str, Any] = json.loads(printed.decode().splitlines()[-1]) if printed else {}
        assert process.returncode == code, (arguments, process.returncode, said, beside.decode())
        assert said["ok"] is (code == 0)
        return said


async def commanded(folder: Path, url: str, environment: Mapping[str, str], make: Callable[[], Backend]) -> None:
    """Call each command that touches a backend, and ask a client what it has done.

    Args:
        folder: An empty folder.
        url: The backend's URL; what it names may be missing.
        environment: What leads to the emulators.
        make: Makes the same backend past the command.
    """
    (folder / "flows.py").write_text(_FLOWS, encoding="utf-8")
    call = Commanding(folder, {**environment, "FLOWCRAFT_BACKEND": url})
    assert (await call("provision"))["there"]
    assert (await call("provision"))["there"], "a second time it changes nothing"
    backend = make()
    await backend.open()
    try:
        client = Client(backend)
        # Into a file: a pipe that nobody reads holds up who writes.
        worker = await call.begin("worker", "--processes", "2", errors=(log := folder / "worker.log"))
        problem: Exception | None = None
        try:
            await _runs(call, client)
            await _mends(call, client, folder / "broken")
            await _letters(call, client, backend)
        except Exception as error:
            problem = error
        finally:
            worker.send_signal(signal.SIGTERM)
            await asyncio.wait_for(worker.wait(), _PATIENCE)
        if problem is not None:
            problem.add_note(f"the workers have said:\n{_text(log)}")
            raise problem
        assert worker.returncode == 0, _text(log)
        assert _text(log).count("has stopped") == 2, _text(log)
        assert len(_text(log).splitlines()) < 200, "SDKs tell of each request"
        assert (await call("purge", "bad", "--yes"))["purged"] == 1
        assert await backend.status.get("bad") is None
        assert (await call("list", "--limit", "0"))["runs"]
    finally:
        await backend.close()


async def _runs(call: Commanding, client: Client) -> None:
    assert (await call("start", "asking", "--id", "asked", "--tag", "kind=one"))["created"]
    await _until(lambda: client.describe("asked"), lambda found: found.waits)
    assert (await call("reconcile", "asked"))["waiting"] == 1
    (wait,) = (await call("waits", "asked"))["waits"]
    await call("resume", "asked", wait["key"], "--output", "41")
    assert (await client.wait("asked", timeout=_PATIENCE)).outputs["after"] == 42
    assert (await call("tail", "asked", "--timeout", "60s"))["state"] == "completed"
    shown = await call("show", "asked")
    assert {each["key"]: each["state"] for each in shown["instances"]} == dict.fromkeys(
        ("first", "approve", "after"), "done"
    )
    assert (await call("queues"))["queues"]
    workers = await _until(lambda: call("workers"), lambda said: len(said["workers"]) == 2)
    assert workers["workers"][0]["flows"]
    await call("start", "asking", "--id", "dropped")
    await call("cancel", "dropped", "--reason", "ordered twice")
    assert (await client.status("dropped")).reason == "ordered twice"
    listed = await _until(lambda: call("list", "--tag", "kind=one"), lambda said: said["runs"])
    assert [run["run_id"] for run in listed["runs"]] == ["asked"]


async def _mends(call: Commanding, client: Client, broken: Path) -> None:
    _break(broken)
    await call("start", "mending", "--id", "bad", "--wait", code=1)
    _mend(broken)
    await call("redrive", "bad", "--id", "mended", "--wait")
    assert (await client.status("bad")).redriven_as == "mended"
    await call("fork", "mended", "--from", "brittle", "--id", "forked", "--wait")
    assert (await client.result("forked")).outputs == {"first": 20, "brittle": 21}
    assert (await call("diff", "mended", "forked"))["differences"] == []
    assert (await call("cost", "mended"))["facts"]["outcomes"] == 2
    await call("export", "mended", "--output", "run.json")
    assert (await call("replay", "run.json", "mending", "--execute"))["executed"] == 2


def _file(path: Path) -> int:
    return os.open(path, os.O_WRONLY | os.O_CREAT)  # until this process ends


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def _break(broken: Path) -> None:
    broken.touch()


def _mend(broken: Path) -> None:
    broken.unlink()


async def _letters(call: Commanding, client: Client, backend: Backend) -> None:
    await backend.queue.send([Message("no job at all")])
    (first,) = await _until(client.dead_letters, lambda found: found)
    assert (await call("dead-letters", "show", first.run_id))["body"] == "no job at all"
    await call("dead-letters", "send-back", first.run_id)
    again = await _until(client.dead_letters, lambda found: found and found[0].run_id != first.run_id)
    await call("dead-letters", "drop", again[0].run_id, "--yes")
    await _until(client.dead_letters, lambda found: not found)


async def _until(question: Callable[[], Awaitable[T]], is_so: Callable[[T], object]) -> T:
    end = asyncio.get_running_loop().time() + _PATIENCE
    while not is_so(answer := await question()):
        assert asyncio.get_running_loop().time() < end, f"there is still {answer!r:.500}"
        await asyncio.sleep(0.2)
    return answer
