"""A notebook, executed by a kernel as Jupyter has it: what flows and runs look like in it, and that a cell can be
interrupted."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any
from xml.etree import ElementTree as ET

import pytest

# They warn of what they do themselves, and of each other.
pytestmark = pytest.mark.filterwarnings("ignore")
_SVG = "{http://www.w3.org/2000/svg}"

FLOWS = """
import asyncio
from flowcraft_core import Flow, FlowRuntime, create_flow

async def pages(ctx):
    return [1, 2, 3]

async def count(ctx):
    await asyncio.sleep(0.3)
    return ctx.input

page = create_flow("page").node("read", count).node("check", count).edge("read", "check")
flow = create_flow("letters").node("pages", pages).batch("each", page).node("good", count).node("bad", count)
flow.edge("pages", "each").edge("each", "good", condition="true").edge("each", "bad", condition="false")
runtime = FlowRuntime([flow])
typed = Flow[int, int]("typed")

@typed.step
def double(number: int = typed.input) -> int:
    return 2 * number

typed.returns(double.output)
"""

STUCK = """
told = []

async def stuck(ctx):
    print("it is under way", flush=True)
    try:
        await asyncio.sleep(600)
    finally:
        told.append("stopped")

waiting = create_flow("waiting").node("stuck", stuck)
{how}
"""


@contextlib.asynccontextmanager
async def kernel() -> AsyncIterator[Any]:
    """A notebook without cells, and what executes the cells that are put to it."""
    from nbclient import NotebookClient
    from nbformat.v4 import new_notebook

    client = NotebookClient(
        new_notebook(),  # type: ignore[no-untyped-call]
        timeout=300,
        kernel_name="python3",
        allow_errors=True,
    )
    async with client.async_setup_kernel():
        yield client


async def execute(client: Any, source: str) -> list[dict[str, Any]]:
    """Run a cell; what it shows."""
    from nbformat.v4 import new_code_cell

    client.nb.cells.append(new_code_cell(source))  # type: ignore[no-untyped-call]
    cell = await client.async_execute_cell(client.nb.cells[-1], len(client.nb.cells) - 1)
    outputs: list[dict[str, Any]] = cell["outputs"]
    return outputs


def looked_at(output: dict[str, Any]) -> dict[str, set[str]]:
    """A picture's boxes by their labels, with the names by which they are styled; it must be XML."""
    root = ET.fromstring(output["data"]["image/svg+xml"])
    assert root.tag == f"{_SVG}svg"
    found: dict[str, set[str]] = {}
    for group in root.iter(f"{_SVG}g"):
        title, looks = group.find(f"{_SVG}title"), set(group.get("class", "").split())
        if title is not None and "fcp-way" not in looks:
            found[(title.text or "").partition("; ")[0]] = looks
    return found


async def test_flows_and_runs_show_themselves_and_progress_is_live() -> None:
    async with kernel() as client:
        assert await execute(client, FLOWS) == []
        (built,) = await execute(client, "flow")
        assert set(looked_at(built)) == {"pages", "each", "read", "check", "good", "bad"}
        (decorated,) = await execute(client, "typed")
        assert set(looked_at(decorated)) == {"double"}

        (run,) = await execute(client, "await runtime.run(flow)")
        states = {label: looks & {"fcp-done", "fcp-dead"} for label, looks in looked_at(run).items()}
        assert states == {
            **{label: {"fcp-done"} for label in ("pages", "each", "read", "check", "good")},
            "bad": {"fcp-dead"},
        }
        assert "3 items" in run["data"]["image/svg+xml"]

        for call in ("r = await runtime.run(flow, progress=True)", "r = runtime.run_sync(flow, progress=True)"):
            # The output of a display is replaced as it is drawn again: what is left is the end.
            (live,) = await execute(client, call)
            assert live["output_type"] == "display_data", live
            assert looked_at(live)["good"] >= {"fcp-done"}
            assert "completed" in live["data"]["text/plain"]


async def test_progress_is_drawn_again_while_a_run_is_under_way() -> None:
    watched = """
    from flowcraft_core.runtime.progress.notebook import NotebookDisplay
    drawn, update = [], NotebookDisplay._update
    def noted(self):
        update(self)
        drawn.append(self._drawn(self._run)["image/svg+xml"])
    NotebookDisplay._update = noted
    r = await runtime.run(flow, progress=True)
    print(len(drawn) > 2, any("fcp-running" in each for each in drawn[:-1]), "fcp-step fcp-running" in drawn[-1])
    """
    async with kernel() as client:
        await execute(client, FLOWS)
        outputs = await execute(client, "\n".join(line.removeprefix("    ") for line in watched.splitlines()))
        assert outputs[-1]["text"] == "True True False\n", outputs


@pytest.mark.parametrize(
    "how", ["await FlowRuntime([waiting]).run(waiting)", "FlowRuntime([waiting]).run_sync(waiting)"]
)
async def test_interrupting_a_cell_stops_the_run(how: str) -> None:
    async with kernel() as client:
        await execute(client, FLOWS)
        running = asyncio.ensure_future(execute(client, STUCK.format(how=how)))
        for _ in range(3_000):  # until the step says so, with a deadline
            if any("under way" in each.get("text", "") for each in client.nb.cells[-1].get("outputs", [])):
                break
            await asyncio.sleep(0.1)
        await client.km.interrupt_kernel()
        outputs = await asyncio.wait_for(running, 120)
        assert outputs[-1]["output_type"] == "error", outputs
        assert outputs[-1]["ename"] in ("KeyboardInterrupt", "CancelledError")
        (said,) = await execute(client, "print(told)")
        assert said["text"] == "['stopped']\n"
