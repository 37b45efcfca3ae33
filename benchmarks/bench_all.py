"""``all``: every benchmark in its short forms, each in a process of its own."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench_list import BENCHMARKS

HELP = "every benchmark in its short forms, one after the other"

#: What all of them may take together, on two processors, minutes.
_MINUTES = 40.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command line may say."""
    names = [benchmark.__name__ for benchmark in BENCHMARKS]
    parser.add_argument("--only", choices=names, nargs="+", default=names, help="only these")


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Run them, pass on what they print, and give each one's line."""
    told: dict[str, dict[str, Any]] = {}
    began = time.perf_counter()
    for benchmark in BENCHMARKS:
        for form in benchmark.SHORT if benchmark.__name__ in options.only else ():
            command = " ".join([benchmark.__name__, *form])
            print(f"=== {command}", flush=True)
            started = time.perf_counter()
            told[command] = {**_line([benchmark.__name__, *form]), "seconds": time.perf_counter() - started}
    minutes = (time.perf_counter() - began) / 60
    for command, answer in told.items():
        print(f"{'ok    ' if answer['ok'] else 'NOT OK'} {answer['seconds']:>6.0f} s  {command}")
    print(f"{minutes:.1f} minutes in all; {_MINUTES:g} are allowed")
    ok = minutes <= _MINUTES and all(answer["ok"] for answer in told.values())
    return {"ok": ok, "minutes": minutes, "bound_minutes": _MINUTES, "benchmarks": told}


def _line(arguments: Sequence[str]) -> dict[str, Any]:
    """What a benchmark says on its last line; the others are passed on."""
    command = [sys.executable, str(Path(__file__).parent), *arguments, "--json"]
    last = ""
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if last:
                print(last, flush=True)
            last = line.rstrip("\n")
    if not last.startswith("{"):
        print(last)
        return {"ok": False, "error": f"it ended with {process.returncode}, without a JSON object; above is why"}
    answer: dict[str, Any] = json.loads(last)
    return answer | {"ok": answer["ok"] and process.returncode == 0}
