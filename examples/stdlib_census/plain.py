"""The same figures by a plain loop: the check on the flow.

Nothing is shared with the flow but the measuring of a single file. Which files there are, what becomes of those that
do not parse, how files add up and how modules rank is written here a second time, and differently where it can be.
"""

from __future__ import annotations

import zlib
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeAlias

import measure

Rows: TypeAlias = list[dict[str, Any]]

_WHOLE = 1_000_000_000_000
_COUNTED = ("lines", "code", "comments", "blank", "functions", "classes", "branches")


def files_under(root: str, limit: int | None = None) -> list[str]:
    """The paths of the library's files from its root, sorted; not more than ``limit``."""
    installed = {"site-packages", "dist-packages", "__pycache__"}
    paths = [path.relative_to(root) for path in Path(root).rglob("*.py") if path.is_file()]
    return sorted(path.as_posix() for path in paths if installed.isdisjoint(path.parts))[:limit]


def hiccups_among(paths: list[str]) -> int:
    """How many of these files the simulated disk does not give at the first attempt."""
    return sum(1 for path in paths if zlib.crc32(path.encode()) % 25 == 0)


def figures(root: str, paths: list[str]) -> dict[str, Any]:
    """What the flow's report must say about these files."""
    sums = dict.fromkeys(_COUNTED, 0)
    unreadable: Rows = []
    modules: Rows = []
    functions: Rows = []
    importers: dict[str, set[str]] = defaultdict(set)
    imports: dict[str, list[str]] = {}
    for path in paths:
        try:
            text = measure.decode((Path(root) / path).read_bytes())
            outline = measure.outline(text)
        except (SyntaxError, ValueError) as error:
            unreadable.append({"path": path, "problem": f"{type(error).__name__}: {error}"})
            continue
        size = measure.size(text)
        modules.append({"path": path, "lines": size["lines"]})
        sums["lines"] += size["lines"]
        sums["code"] += size["code"]
        sums["comments"] += size["comments"]
        sums["blank"] += size["blank"]
        sums["branches"] += outline["branches"]
        for definition in outline["definitions"]:
            sums["branches"] += definition["branches"]
            if definition["kind"] == "function":
                sums["functions"] += 1
                functions.append({"path": path, **definition})
            else:
                sums["classes"] += 1
        names = measure.imported_names(path, outline["imports"])
        for name in names:
            importers[name.split(".")[0]].add(path)
        if not measure.is_test(path):
            imports[measure.module_name(path)] = names
    ranks, passes = _ranks(imports)
    return {
        "files": len(paths),
        "unreadable": unreadable,
        **sums,
        "longest_modules": sorted(modules, key=lambda row: (-row["lines"], row["path"]))[:10],
        "branchiest_functions": sorted(functions, key=lambda row: -row["branches"])[:10],
        "most_imported": [
            {"module": name, "files": len(files)}
            for name, files in sorted(importers.items(), key=lambda item: (-len(item[1]), item[0]))[:10]
        ],
        "ranking": [
            {"module": name, "rank": rank}
            for name, rank in sorted(ranks.items(), key=lambda item: (-item[1], item[0]))[:10]
        ],
        "passes": passes,
    }


def _ranks(imports: dict[str, list[str]]) -> tuple[dict[str, int], int]:
    """The modules' ranks, and how many passes it took: seen from the imported module, where the flow sees the other."""
    importers: dict[str, list[str]] = {module: [] for module in imports}
    fan_out = dict.fromkeys(imports, 0)
    for module, names in imports.items():
        for target in {found for name in names for found in _longest_prefix(name, imports)} - {module}:
            importers[target].append(module)
            fan_out[module] += 1
    ranks = {module: _WHOLE // len(imports) for module in imports}
    passes, moved = 0, _WHOLE
    while moved > _WHOLE // 1_000_000 and passes < 100:
        before, passes = ranks, passes + 1
        ranks = {
            module: sum(before[source] * 85 // (fan_out[source] * 100) for source in sources)
            for module, sources in importers.items()
        }
        rest = _WHOLE - sum(ranks.values())
        ranks = {module: rank + rest // len(ranks) for module, rank in ranks.items()}
        moved = sum(abs(rank - before[module]) for module, rank in ranks.items())
    return ranks, passes


def _longest_prefix(name: str, modules: dict[str, list[str]]) -> list[str]:
    parts = name.split(".")
    prefixes = [".".join(parts[:length]) for length in range(len(parts), 0, -1)]
    return [prefix for prefix in prefixes if prefix in modules][:1]


def differences(
    ours: object, theirs: object, where: str = "report", by: tuple[str, str] = ("the flow", "the plain loop")
) -> Iterator[str]:
    """Say where two reports differ, as deep inside as can be told."""
    if isinstance(ours, dict) and isinstance(theirs, dict) and ours.keys() == theirs.keys():
        for name in ours:
            yield from differences(ours[name], theirs[name], f"{where}.{name}", by)
    elif isinstance(ours, list) and isinstance(theirs, list) and len(ours) == len(theirs):
        for index, (one, other) in enumerate(zip(ours, theirs, strict=True)):
            yield from differences(one, other, f"{where}[{index}]", by)
    elif ours != theirs:
        yield f"{where} differs: {ours!r} by {by[0]}, {theirs!r} by {by[1]}"
