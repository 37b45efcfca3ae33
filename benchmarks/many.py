"""``many``: a thousand runs up to a hundred thousand that are queued, wait or sleep; ten thousand at once."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import many_program
from many_program import PAGE, PAGES

HELP = "many runs on SQLite: what a worker, a reconciler's look and a page of a list cost, of how many there are"
SHORT = (("--sizes", "200,2000", "--at-once", "500"),)

#: How much more one run, or one page, of many may cost than of few; what a program may take, MiB, and a run that is
#: under way, KiB.
_MORE_REQUESTS, _MORE_TIME, _MOST_MIB, _MOST_KIB = 0.02, 0.5, 384.0, 64.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command line may say."""
    parser.add_argument("--sizes", default="1000,10000,100000", metavar="N,N", help="so many runs; %(default)s")
    parser.add_argument("--at-once", type=int, default=10_000, metavar="N", help="so many in one worker; %(default)s")


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Measure, print line by line, and give the figures."""
    print("half of the runs wait, half sleep; each program is a process of its own on one file of SQLite", flush=True)
    rows = [_row(int(size)) for size in options.sizes.split(",")]
    with tempfile.TemporaryDirectory() as folder:
        at_once = _said("at_once", Path(folder) / "runs.db", options.at_once)
    print(
        f"{options.at_once:,} at once in one worker: {at_once['kib_per_run']:.1f} KiB each, at most"
        f" {at_once['peak_mib']:.0f} MiB; {1e3 * at_once['cpu_seconds'] / options.at_once:.2f} ms of a processor each"
    )
    names = ("idle", "list_first", "list_last")
    dearer = {name: _more(rows, name, "requests") for name in names}
    dearer |= {name: _more(rows, name, "requests_per_run") for name in ("work", "look")}
    slower = {name: _more(rows, name, "list_cpu_seconds") for name in ("list_first", "list_last")}
    slower |= {name: _more(rows, name, "cpu_us_per_run") for name in ("work", "look")}
    most = max(program["peak_mib"] for row in rows for program in row["programs"].values())
    print(f"with the most runs, beside the fewest: requests {_shares(dearer)}; time {_shares(slower)}; {most:.0f} MiB")
    is_flat = max(dearer.values()) <= _MORE_REQUESTS and max(slower.values()) <= _MORE_TIME
    ok = is_flat and most <= _MOST_MIB and at_once["kib_per_run"] <= _MOST_KIB
    bounds = {"requests": _MORE_REQUESTS, "time": _MORE_TIME, "mib": _MOST_MIB, "kib_at_once": _MOST_KIB}
    figures: dict[str, Any] = {"more_requests": dearer, "more_time": slower, "most_mib": most}
    figures |= {"rows": rows, "at_once": {"runs": options.at_once, **at_once}, "page": PAGE, "pages": PAGES}
    return {"ok": ok, "bounds": bounds, **figures}


def _row(runs: int) -> dict[str, Any]:
    """What each program around so many runs says."""
    programs: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for name in ("fill", "work", "look", "idle", "list_first", "list_last"):
            said = programs[name] = _said(name, Path(folder) / "runs.db", runs)
            said["requests_per_run"], said["cpu_us_per_run"] = said["requests"] / runs, 1e6 * said["cpu_seconds"] / runs
    work, look, idle = (programs[name] for name in ("work", "look", "idle"))
    pages = [programs[name] for name in ("list_first", "list_last")]
    print(f"{runs:,} runs: a worker takes {_each(work)}; a reconciler's look {_each(look)}", flush=True)
    print(
        f"    a round in which none is due {idle['requests']:.0f} requests;"
        f" a page of {PAGE} of a list {', of the last ones '.join(_page(each) for each in pages)}",
        flush=True,
    )
    return {"runs": runs, "programs": programs}


def _each(said: dict[str, float]) -> str:
    figures = f"{said['requests_per_run']:.2f} requests and {said['cpu_us_per_run']:.0f} us of a processor for each"
    return f"{figures}, and {said['peak_mib']:.0f} MiB"


def _page(said: dict[str, float]) -> str:
    return f"{said['requests'] / PAGES:.1f} requests and {1e3 * said['list_cpu_seconds'] / PAGES:.1f} ms"


def _said(what: str, path: Path, runs: int) -> dict[str, float]:
    command = [sys.executable, str(Path(many_program.__file__)), what, str(path), str(runs)]
    said = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
    figures: dict[str, float] = json.loads(said.splitlines()[-1])
    return figures


def _more(rows: list[dict[str, Any]], name: str, figure: str) -> float:
    """How much more a figure of a program is with the most runs than with the fewest, as a share."""
    first, last = (rows[place]["programs"][name][figure] for place in (0, -1))
    return float(last / first - 1.0) if first else float(last > 0)


def _shares(shares: dict[str, float]) -> str:
    return ", ".join(f"{name} {share:+.0%}" for name, share in shares.items())
