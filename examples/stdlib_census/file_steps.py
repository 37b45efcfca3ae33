"""The steps that one file goes through.

A plain ``def`` is for what reads or computes: it runs in a thread. An ``async def`` is for what is done in no time.
What a step hands on is plain JSON data.
"""

from __future__ import annotations

import heapq
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any, TypeAlias

import measure
from flowcraft_core import NodeContext, NodeResult, SyncNodeContext

Data: TypeAlias = dict[str, Any]

#: How long the report's lists are.
TOP = 10


def hiccups(path: str) -> bool:
    """Whether the first attempt at reading a file fails.

    The disk under this example is sound, so an unreliable one is simulated: about one file in 25 cannot be read at the
    first attempt. Which ones rests on nothing but their path, so it is the same in every process and on every run.
    """
    return zlib.crc32(path.encode()) % 25 == 0


def read(ctx: SyncNodeContext[Data, Any]) -> Data:
    """Read a file. Bytes that are no text are a fact about the file, not a failure that another attempt could mend."""
    path = ctx.input["path"]
    if ctx.attempt == 1 and hiccups(path):
        raise OSError(f"the (simulated) disk did not answer: {path}")
    source = Path(ctx.input["root"], path).read_bytes()
    try:
        return {"path": path, "text": measure.decode(source)}
    except (SyntaxError, ValueError) as error:
        return {"path": path, "problem": f"{type(error).__name__}: {error}"}


def parse(ctx: SyncNodeContext[Data, Any]) -> Data | NodeResult[Data]:
    """Parse a file's text, or send the file down the other branch."""
    file = ctx.input
    if "problem" in file:
        return NodeResult(file, action="unreadable")
    try:
        return {"path": file["path"], **measure.outline(file["text"])}
    except (SyntaxError, ValueError) as error:
        problem = f"{type(error).__name__}: {error}"
        return NodeResult({"path": file["path"], "problem": problem}, action="unreadable")


async def unreadable(ctx: NodeContext[Data, Any]) -> Data:
    """Note a file that is not Python of this version; the library has a few, to test its own tools with."""
    ctx.logger.info("%s: %s", ctx.input["path"], ctx.input["problem"])
    return ctx.input


async def size(ctx: NodeContext[Data, Any]) -> Data:
    """Count the lines."""
    return {"path": ctx.input["path"], **measure.size(ctx.input["text"])}


async def structure(ctx: NodeContext[Data, Any]) -> Data:
    """Count functions, classes and branches, and pick the functions with most branches."""
    definitions: list[Data] = ctx.input["definitions"]
    functions = [{"path": ctx.input["path"], **found} for found in definitions if found["kind"] == "function"]
    return {
        "functions": len(functions),
        "classes": len(definitions) - len(functions),
        "branches": ctx.input["branches"] + sum(found["branches"] for found in definitions),
        # No file can have more than TOP among the TOP of all, so these are enough.
        "branchiest": top(functions, "branches"),
    }


async def imports(ctx: NodeContext[Data, Any]) -> list[str]:
    """Say what the file imports, by absolute names."""
    return measure.imported_names(ctx.input["path"], ctx.input["imports"])


async def record(ctx: NodeContext[Data, Any]) -> Data:
    """Join what came: the three measures, or the note that the file is unreadable."""
    arrived = ctx.input
    if "unreadable" in arrived:
        return {**arrived["unreadable"]}
    return {**arrived["size"], **arrived["structure"], "imports": arrived["imports"]}


def top(rows: Iterable[Data], by: str) -> list[Data]:
    """The greatest rows; of equals, the first ones given, so that nothing rests on chance."""
    return heapq.nlargest(TOP, rows, key=lambda row: row[by])
