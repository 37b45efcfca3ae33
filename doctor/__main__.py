"""``python doctor --json``: set-ups broken on purpose, on every backend, and whether the doctor names each rightly.

Those of PostgreSQL, AWS and Azure are on a server and emulators, which install themselves.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import importlib
import json
import os
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import attrs
import sqlite_breakages
from breakage import Breakage, wrong_about, wrong_about_health
from flowcraft_core.ports import Backend

_INTEGRATION = Path(__file__).resolve().parent.parent / "integration"


@attrs.frozen(kw_only=True)
class BreakageSet:
    """The breakages of one backend.

    Attributes:
        breakages: All of them.
        healthy: Gives a backend that is set up as it should be.
        ground: Opens what all of them are made on, such as emulators.
        place: Of that, gives what one of them gets.
    """

    breakages: list[Breakage]
    healthy: Callable[[Any], AbstractAsyncContextManager[Backend]]
    ground: Callable[[], AbstractAsyncContextManager[Any]]
    place: Callable[[Any], AbstractAsyncContextManager[Any]]


@contextlib.asynccontextmanager
async def _folder(ground: object = None) -> AsyncIterator[Path]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.chmod(folder, 0o755)  # noqa: S103 - other users may enter
        yield folder


def _sqlite() -> BreakageSet:
    return BreakageSet(
        breakages=sqlite_breakages.BREAKAGES.all, healthy=sqlite_breakages.healthy, ground=_folder, place=_folder
    )


def _on_emulators(cloud: str) -> BreakageSet:
    sys.path[:0] = [str(_INTEGRATION / cloud), str(_INTEGRATION)]
    module = importlib.import_module(f"{cloud}_breakages")
    return BreakageSet(breakages=module.BREAKAGES.all, healthy=module.healthy, ground=module.ground, place=module.place)


_SETS: Mapping[str, Callable[[], BreakageSet]] = {
    "sqlite": _sqlite,
    "postgres": lambda: _on_emulators("postgres"),
    "aws": lambda: _on_emulators("aws"),
    "azure": lambda: _on_emulators("azure"),
}


async def _asked(these: BreakageSet) -> tuple[bool, list[str]]:
    """Whether the healthy one has no findings, and what is wrong."""
    async with these.ground() as ground:
        async with these.place(ground) as place, these.healthy(place) as backend:
            wrong = [what] if (what := await wrong_about_health(backend)) else []
        is_healthy = not wrong
        for breakage in these.breakages:
            async with these.place(ground) as place:
                try:
                    what = await wrong_about(breakage, place)
                except Exception as error:
                    what = f"{breakage.name}: {type(error).__name__}: {error}"
            wrong += [what] if what else []
    return is_healthy, wrong


def main() -> int:
    """Run the command; its exit code is 1 if the doctor is wrong about something."""
    parser = argparse.ArgumentParser(prog="doctor-test", description=__doc__)
    parser.add_argument("--backend", choices=sorted(_SETS), action="append", help="only this one; all by default")
    parser.add_argument("--json", action="store_true", help="print one JSON object, on one line")
    options = parser.parse_args()
    by_backend: dict[str, dict[str, Any]] = {}
    wrong: list[str] = []
    for name in options.backend or _SETS:
        these = _SETS[name]()
        is_healthy, what = asyncio.run(_asked(these))
        mistaken = len(what) - (not is_healthy)
        number = len(these.breakages)
        by_backend[name] = {"healthy": is_healthy, "breakages": number, "right": number - mistaken}
        wrong += [f"{name}: {each}" for each in what]
    total = sum(each["breakages"] for each in by_backend.values())
    told = {"ok": not wrong, "breakages": total, "by_backend": by_backend, "wrong": wrong}
    if options.json:
        print(json.dumps(told))
    else:
        for name, each in by_backend.items():
            print(f"{name}: {each['right']} of {each['breakages']} breakages named rightly")
        print("\n".join(wrong) or "and nothing found on what is healthy")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
