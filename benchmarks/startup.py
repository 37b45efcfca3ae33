"""``startup``: what it takes to import each distribution, and to come to the first step.

Each figure is of fresh processes, one after the other in turns, and the middle of them. What counts is the processor's
time, which other programs disturb least. An import is measured after what the distribution stands on has been imported
in the same process, its SDK among it, so that it is of ours alone; a start from the beginning of the process on.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import attrs

HELP = "what it takes to import each distribution, over its SDK, and to come to the first step; sizes of the wheels"
SHORT = (("--rounds", "5"),)

_HERE = Path(__file__).parent
_PACKAGES = Path(__file__).parents[1] / "packages"
# What was compiled is written down, as where programs are installed: else it is compiling that is measured.
_ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
_CORE = "import asyncio, attrs, typing_extensions"


@attrs.frozen
class Import:
    """An import that is measured.

    Attributes:
        what: What it is called.
        first: What is imported before, and not counted as ours.
        then: The import.
        most: What it may take at most, as a share of what was imported before.
    """

    what: str
    first: str
    then: str
    most: float


IMPORTS = (
    Import("flowcraft_core", _CORE, "import flowcraft_core", 0.1),
    Import("FlowRuntime", _CORE, "from flowcraft_core import FlowRuntime, create_flow", 0.9),
    Import("Client", _CORE, "from flowcraft_core.durable import Client", 1.6),
    Import("Worker", _CORE, "from flowcraft_core.durable import Worker", 2.2),
    Import("flowcraft_sqlite", f"{_CORE}, sqlite3", "from flowcraft_sqlite import SqliteBackend", 0.8),
    Import("flowcraft_postgres", f"{_CORE}, psycopg", "from flowcraft_postgres import PostgresBackend", 0.25),
    Import("flowcraft_aws", f"{_CORE}, boto3", "from flowcraft_aws import SqsAdapter", 0.5),
    Import(
        "flowcraft_azure",
        f"{_CORE}, aiohttp, azure.cosmos.aio, azure.storage.queue.aio, redis.asyncio",
        "from flowcraft_azure import AzureBackend",
        0.25,
    ),
    Import("flowcraft_ui", f"{_CORE}, jinja2, starlette.applications", "from flowcraft_ui import inspector", 0.8),
    Import("flowcraft_testkit", f"{_CORE}, pytest", "from flowcraft_testkit.memory import InMemoryBackend", 0.3),
    Import("flowcraft --help", "import attrs, click", "from flowcraft_cli.app import main; helped(main)", 0.6),
)

#: Programs, each with its floor: what it stands on, doing next to nothing; and how many times of that it may take.
STARTS = {"in process": ("in_process", "only_asyncio", 1.7), "on SQLite": ("on_sqlite", "only_sqlite", 4.2)}
STARTS["in Lambda"] = ("in_lambda", "only_clients", 1.6)

#: All that ``import flowcraft_core`` may load in a fresh interpreter, and for what.
JUSTIFIED = {
    "flowcraft_core": "the package",
    "flowcraft_core.on_demand": "fetches its names when they are asked for",
    "importlib": "which fetches them",
    "typing": "tells checkers apart, which read the imports",
    "collections.abc": "of the annotations of what fetches them",
}
#: What these bring with them.
_BROUGHT = "from __future__ import annotations; import importlib, typing, collections.abc"

_IMPORTING = """
import json, sys, time
def helped(main):
    main(["--help"], standalone_mode=False)
{first}
before = time.process_time()
known = set(sys.modules)
{then}
after = time.process_time()
print(json.dumps(dict(first=before, then=after - before, modules=sorted(set(sys.modules) - known))))
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command line may say."""
    parser.add_argument("--rounds", type=int, default=15, metavar="N", help="measure so often, take the middle")
    parser.add_argument("--no-wheels", action="store_true", help="build no wheels")


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Measure, print line by line, and give the figures."""
    unjustified = sorted(loaded_by_the_package() - JUSTIFIED.keys())
    print(f"import flowcraft_core loads nothing that it does not use: {not unjustified}, {unjustified}")
    told: dict[str, list[dict[str, Any]]] = {}
    for number in range(options.rounds + 1):
        for each in IMPORTS:
            figures = _import(each)
            if number:  # the first time, what was compiled is written down
                told.setdefault(each.what, []).append(figures)
        for program in dict.fromkeys(name for names in STARTS.values() for name in names[:2]):
            figures = _start(program)
            if number:
                told.setdefault(program, []).append(figures)
    imports = {each.what: _import_row(each, told[each.what]) for each in IMPORTS}
    starts = {
        what: _start_row(what, told[program], told[floor], most) for what, (program, floor, most) in STARTS.items()
    }
    slowest = _slowest(max(1, options.rounds // 3))
    wheels = {} if options.no_wheels else _wheels()
    return {
        "ok": not unjustified and all(row["ok"] for row in (*imports.values(), *starts.values())),
        "rounds": options.rounds,
        "unjustified": unjustified,
        "imports": imports,
        "starts": starts,
        "slowest_ms": slowest,
        "wheels": wheels,
    }


def loaded_by_the_package() -> set[str]:
    """The modules that ``import flowcraft_core`` loads in a fresh interpreter, beside what those it may load bring."""
    brought = set(_ask("-c", f"{_BROUGHT}\nimport json, sys; print(json.dumps(list(sys.modules)))"))
    loaded = _ask("-c", "import flowcraft_core, sys, json; print(json.dumps(list(sys.modules)))")
    return {name for name in loaded if name not in brought or name in JUSTIFIED}


def _ask(*arguments: str) -> Any:
    command = [sys.executable, *arguments]
    done = subprocess.run(command, cwd=_HERE, env=_ENVIRONMENT, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def _import(each: Import) -> dict[str, Any]:
    figures: dict[str, Any] = _ask("-c", _IMPORTING.format(first=each.first, then=each.then))
    return figures


def _import_row(each: Import, told: list[dict[str, Any]]) -> dict[str, Any]:
    first, then = (statistics.median(figures[phase] * 1000 for figures in told) for phase in ("first", "then"))
    ours = [name for name in told[0]["modules"] if name.startswith("flowcraft")]
    row = {
        "first": each.first,
        "first_ms": first,
        "then_ms": then,
        "min_ms": min(figures["then"] for figures in told) * 1000,
        "max_ms": max(figures["then"] for figures in told) * 1000,
        "share": then / first,
        "most": each.most,
        "modules": len(ours),
        "others": len(told[0]["modules"]) - len(ours),
        "ok": then / first <= each.most,
    }
    print(
        f"{each.what:<18} {then:>6.1f} ms over the {first:>5.0f} ms of what it stands on: {row['share']:.2f} of it, "
        f"{each.most:g} is allowed; {len(ours)} modules of ours, {row['others']} of others"
    )
    return row


def _start(program: str) -> dict[str, Any]:
    figures: dict[str, Any] = _ask("-m", f"starts.{program}")
    return figures


def _start_row(what: str, told: list[dict[str, Any]], floor: list[dict[str, Any]], most: float) -> dict[str, Any]:
    ours, least = (statistics.median(figures["processor"] * 1000 for figures in each) for each in (told, floor))
    until = "ready" if what == "in Lambda" else "the first step"
    print(
        f"{what}, until {until}: {ours:.0f} ms, {ours / least:.2f} of the floor's {least:.0f} ms; {most:g} is allowed"
    )
    return {
        "until": until,
        "ms": ours,
        "min_ms": min(figures["processor"] for figures in told) * 1000,
        "max_ms": max(figures["processor"] for figures in told) * 1000,
        "floor_ms": least,
        "to_floor": ours / least,
        "most": most,
        "modules": sum(name.startswith("flowcraft") for name in told[0]["modules"]),
        "ok": ours / least <= most,
    }


def _slowest(rounds: int) -> dict[str, float]:
    """The ten modules of ours that take longest by themselves, as ``-X importtime`` tells, for a run in process."""
    told: dict[str, list[float]] = {}
    for _ in range(rounds):
        command = [sys.executable, "-X", "importtime", "-m", "starts.in_process"]
        said = subprocess.run(command, cwd=_HERE, env=_ENVIRONMENT, capture_output=True, text=True, check=True).stderr
        for micros, name in re.findall(r"^import time: +(\d+) \| +\d+ \| *(flowcraft\S*)$", said, re.MULTILINE):
            told.setdefault(name, []).append(int(micros) / 1000)
    middle = {name: statistics.median(each) for name, each in told.items()}
    return dict(sorted(middle.items(), key=lambda item: -item[1])[:10])


def _wheels() -> dict[str, dict[str, Any]]:
    """The size of each distribution's wheel, and how many others it needs: by itself, and with what those need."""
    told: dict[str, dict[str, Any]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for package in sorted(project.parent for project in _PACKAGES.glob("*/pyproject.toml")):
            command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", folder]
            subprocess.run(command, cwd=package, capture_output=True, check=True)
            name = f"flowcraft-{package.name}"
            [wheel] = Path(folder).glob(f"flowcraft_{package.name}-*.whl")
            needed = _needed_by(name)
            told[name] = {"kib": wheel.stat().st_size / 1024, "needs": len(needed), "in_all": len(_closure(needed))}
            print(
                f"{name:<18} a wheel of {told[name]['kib']:.0f} KiB; needs {told[name]['needs']} distributions,"
                f" {told[name]['in_all']} with theirs"
            )
    return told


def _needed_by(name: str) -> set[str]:
    """The distributions that one needs on this machine, without extras."""
    try:
        requirements = importlib.metadata.requires(name) or []
    except importlib.metadata.PackageNotFoundError:
        return set()  # of another system or Python
    plain = (each for each in requirements if ";" not in each)
    return {re.sub(r"[-_.]+", "-", re.split(r"[^A-Za-z0-9._-]", each)[0]).lower() for each in plain}


def _closure(names: set[str]) -> set[str]:
    found: set[str] = set()
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += _needed_by(name)
    return found
