"""`breakpoint()` in steps: a real child process, with what somebody would type."""

from __future__ import annotations

import bdb
import contextvars
import subprocess
import sys
import textwrap
import threading
from pathlib import Path
from typing import Any

import pytest
from flowcraft_core import Flow, FlowRuntime, RetryPolicy, StepEndedError, SyncNodeContext, create_flow
from flowcraft_core.inline import InlineThreads

BUILT = """
from flowcraft_core import FlowRuntime, create_flow

def fetch(ctx):
    return 20

def total(ctx):
    price = ctx.input + 1
    {stop}
    return price

flow = create_flow("f").node("fetch", fetch).node("total", total, timeout=0.001).edge("fetch", "total")
"""

DECORATED = """
from flowcraft_core import Flow, FlowRuntime

flow = Flow("f")

@flow.step
def fetch() -> int:
    return 20

@flow.step(timeout=0.001)
def total(fetched: int = fetch.output) -> int:
    price = fetched + 1
    {stop}
    return price
"""

RUN = """
print("gave", FlowRuntime([flow], debug=True).run_sync(flow).raise_for_status().outputs["total"])
"""

STEPPED = """
import asyncio

async def main():
    async with FlowRuntime([flow]).stepping(flow) as run:
        async for step in run:
            print(step)

asyncio.run(main())
"""

TYPED = "p 'thread', __import__('threading').current_thread() is __import__('threading').main_thread()\n"


def typed(folder: Path, program: str, lines: str, *python: str) -> str:
    """What a program says to somebody who types these lines."""
    path = folder / "program.py"
    path.write_text(textwrap.dedent(program), encoding="utf-8")
    command = [sys.executable, *python, str(path)]
    done = subprocess.run(command, input=lines, capture_output=True, text=True, timeout=60, check=False)
    assert "Traceback" not in done.stderr, done.stderr
    return done.stdout


@pytest.mark.parametrize("flow", [BUILT, DECORATED])
@pytest.mark.parametrize(("way", "said"), [(RUN, "gave 42"), (STEPPED, "total completed: 20 -> 42")])
def test_a_breakpoint_in_a_plain_step_has_the_main_thread(tmp_path: Path, flow: str, way: str, said: str) -> None:
    lines = f"p 'price is', price\n{TYPED}!price = 42\nn\nc\n"
    out = typed(tmp_path, flow.format(stop="breakpoint()") + way, lines)
    assert "('price is', 21)" in out
    assert "('thread', True)" in out
    assert "return price" in out  # where `n` has led
    assert said in out


@pytest.mark.parametrize("flow", [BUILT, DECORATED])
def test_python_m_pdb_stops_in_a_plain_step(tmp_path: Path, flow: str) -> None:
    program = flow.format(stop="pass  # here") + RUN
    line = next(number for number, text in enumerate(program.splitlines(), 1) if text.endswith("# here"))
    out = typed(tmp_path, program, f"b {line}\nc\np 'price is', price\n{TYPED}c\nq\n", "-m", "pdb")
    assert "('price is', 21)" in out
    assert "('thread', True)" in out
    assert "gave 21" in out


def test_who_quits_the_debugger_ends_the_run_and_is_not_asked_again(tmp_path: Path) -> None:
    program = BUILT.replace("timeout=0.001", "retries=5").format(stop="breakpoint()") + (
        "result = FlowRuntime([flow], debug=True).run_sync(flow)\n"
        "print('ended', result.status, result.errors[0].type, result.errors[0].attempts)\n"
    )
    path = tmp_path / "program.py"
    path.write_text(program, encoding="utf-8")
    command = [sys.executable, str(path)]
    done = subprocess.run(command, input="q\n", capture_output=True, text=True, timeout=60, check=False)
    assert "ended failed BdbQuit 1" in done.stdout


def test_only_who_quits_is_not_asked_again() -> None:
    def quits(ctx: SyncNodeContext[Any, Any]) -> None:
        raise (bdb.BdbQuit if ctx.params["quits"] else ValueError)

    for is_quit, attempts in ((True, 1), (False, 2)):
        flow = create_flow("f").node(
            "a", quits, params={"quits": is_quit}, retries=RetryPolicy(max_attempts=2, delay=0)
        )
        assert FlowRuntime([flow]).run_sync(flow).errors[0].attempts == attempts


class TestInlineThreads:
    async def test_a_step_is_called_here_with_context_variables_of_its_own(self) -> None:
        variable = contextvars.ContextVar("variable", default="outside")

        def look() -> tuple[str, threading.Thread]:
            seen = variable.get()
            variable.set("inside")
            return seen, threading.current_thread()

        variable.set("here")
        assert await InlineThreads().run(look) == ("here", threading.current_thread())
        assert variable.get() == "here"

    async def test_what_is_raised_comes_as_from_a_thread(self) -> None:
        def fail(error: BaseException) -> None:
            raise error

        with pytest.raises(KeyError):
            await InlineThreads().run(lambda: fail(KeyError("k")))
        for error in (StopIteration(), SystemExit(3), KeyboardInterrupt()):
            with pytest.raises(StepEndedError, match=type(error).__name__) as raised:
                await InlineThreads().run(lambda error=error: fail(error))  # type: ignore[misc]
            assert raised.value.__cause__ is error

    def test_a_runtime_that_debugs_runs_plain_steps_one_at_a_time_in_the_thread_of_its_loop(self) -> None:
        flow, threads = Flow("f"), set[str]()

        @flow.step
        def numbers() -> list[int]:
            return [1, 2, 3]

        @flow.batch(over=numbers.output)
        def look(number: int) -> int:
            threads.add(threading.current_thread().name)
            return number

        assert FlowRuntime([flow], debug=True).run_sync(flow).outputs["look"] == [1, 2, 3]
        assert threads == {threading.main_thread().name}
