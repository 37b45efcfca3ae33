"""The steps that see the whole library: listing its files, adding up what was measured, ranking its modules."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Container
from pathlib import Path
from typing import Any

import measure
from file_steps import Data, top
from flowcraft_core import NodeContext, SyncNodeContext

#: What all ranks add up to. Ranks are whole numbers, whose sum is the same in whatever order they are added.
WHOLE = 10**12
#: The ranking has settled once a pass moves less than this in all.
SETTLED = WHOLE // 10**6
MOST_PASSES = 100


def list_files(ctx: SyncNodeContext[None, Any]) -> list[Data]:
    """List the ``.py`` files under the ``root`` that the context names, in order; not more than its ``limit``."""
    root: str = ctx.context.get("root")
    paths = []
    for folder, folders, files in os.walk(root):
        # What somebody installed is no part of the library.
        folders[:] = [name for name in folders if name not in ("site-packages", "dist-packages", "__pycache__")]
        found = [Path(folder, name) for name in files if name.endswith(".py")]
        paths += [file.relative_to(root).as_posix() for file in found if file.is_file()]
    return [{"root": root, "path": path} for path in sorted(paths)[: ctx.context.get("limit")]]


def totals(ctx: SyncNodeContext[list[Data], Any]) -> Data:
    """Add up what was measured, and find what stands out."""
    files = [file for file in ctx.input if "problem" not in file]
    importers = Counter(name for file in files for name in {name.partition(".")[0] for name in file["imports"]})
    return {
        "files": len(ctx.input),
        "unreadable": [file for file in ctx.input if "problem" in file],
        **{
            name: sum(file[name] for file in files)
            for name in ("lines", "code", "comments", "blank", "functions", "classes", "branches")
        },
        "longest_modules": top(({"path": file["path"], "lines": file["lines"]} for file in files), "lines"),
        "branchiest_functions": top((found for file in files for found in file["branchiest"]), "branches"),
        "most_imported": top(({"module": name, "files": importers[name]} for name in sorted(importers)), "files"),
    }


def link(ctx: SyncNodeContext[list[Data], Any]) -> Data:
    """Find out which module imports which. Tests have no say: they import what they test, not what they rest on."""
    imports = {
        measure.module_name(file["path"]): file["imports"]
        for file in ctx.input
        if "problem" not in file and not measure.is_test(file["path"])
    }
    links = {}
    for module, names in imports.items():
        targets = {target for name in names if (target := _nearest(name, imports))}
        links[module] = sorted(targets - {module})
    # Every pass needs the links and none changes them: a context value, rather than something to hand round the loop.
    ctx.context.set("links", links)
    return {"ranks": dict.fromkeys(links, WHOLE // max(1, len(links))), "moved": WHOLE, "passes": 0}


def _nearest(name: str, modules: Container[str]) -> str | None:
    """The module that an imported name is, or is in; None if that has no file here, such as ``sys``."""
    while name and name not in modules:
        name = name.rpartition(".")[0]
    return name or None


def spread(ctx: SyncNodeContext[Data, Any]) -> Data:
    """Make one pass of PageRank: a module hands 85 % of its rank to what it imports; what is left goes to all alike."""
    links: dict[str, list[str]] = ctx.context.get("links")
    before: dict[str, int] = ctx.input["ranks"]
    ranks = dict.fromkeys(links, 0)
    for module, targets in links.items():
        for target in targets:
            ranks[target] += before[module] * 85 // (100 * len(targets))
    left = WHOLE - sum(ranks.values())
    for module in ranks:
        ranks[module] += left // len(ranks)
    moved = sum(abs(ranks[module] - before[module]) for module in ranks)
    return {"ranks": ranks, "moved": moved, "passes": ctx.input["passes"] + 1}


async def podium(ctx: NodeContext[Data, Any]) -> Data:
    """Keep the modules on which the library rests most."""
    ranks = ctx.input["ranks"]
    rows = [{"module": module, "rank": ranks[module]} for module in sorted(ranks)]
    return {"ranking": top(rows, "rank"), "passes": ctx.input["passes"]}


async def report(ctx: NodeContext[Data, Any]) -> Data:
    """Put totals and ranking together."""
    return {**ctx.input["totals"], **ctx.input["rank"]}
