"""Everything that is shown on one cloud's emulators: its tests, how the contracts ended, and the scenarios."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import attrs
import carrying_out
from backend import Backend
from catalogue import SCENARIOS
from flowcraft_testkit.contracts import CONTRACTS
from servers import flavour

_HERE = Path(__file__).parent
_PLUGIN = "flowcraft_testkit.report"

#: Seconds after which a test hangs: the longest takes two and a half minutes on a busy machine of two cores.
_HUNG = 450


def integrate(
    cloud: str,
    arguments: Sequence[str],
    backend: type[Backend],
    *,
    absent: Mapping[int, str] | None = None,
    more: Callable[[], dict[str, Any]] = dict,
) -> int:
    """Run what the command line asks for.

    Args:
        cloud: The folder of its tests.
        arguments: The command line.
        backend: What the scenarios are carried out on.
        absent: Scenarios that the cloud's emulators cannot show, with the reason.
        more: What else is measured, for the answer.

    Returns:
        The exit code: 0 if no test failed, no clause was skipped as undeclared, and no scenario failed.
    """
    options = _options(cloud, arguments)
    answer: dict[str, Any] = {"cloud": cloud, "emulators": flavour()}
    ok = True
    if not options.no_tests:
        answer |= _tests(cloud, options.jobs, options.part)
        ok = answer["tests_pass"] and not answer["clauses"]["undeclared"] and not answer["clauses"]["never_asked"]
    if not options.no_scenarios:
        answer["scenarios"] = _scenarios(backend, options.only, absent or {}, options.jobs)
        ok = ok and all(each["status"] != "fail" for each in answer["scenarios"])
    answer |= more()
    if options.json:
        print(json.dumps({"ok": ok, **answer}))
    return 0 if ok else 1


def _options(cloud: str, arguments: Sequence[str]) -> argparse.Namespace:
    known = [each.id for each in SCENARIOS]
    parser = argparse.ArgumentParser(prog=f"integration {cloud}", description="Everything that needs emulators.")
    parser.add_argument("--json", action="store_true", help="print one JSON object on the last line")
    parser.add_argument("--no-tests", action="store_true", help="carry out the scenarios only")
    parser.add_argument("--no-scenarios", action="store_true", help="run the tests only")
    parser.add_argument(
        "--part", default="1/1", metavar="K/N", help="ask whole backends every Nth clause only, from the Kth on"
    )
    carrying_out.add_only(parser, known)
    # Nearly all of their time is spent waiting for time to pass.
    carrying_out.add_jobs(parser, usual=6)
    return parser.parse_args(arguments)


def _tests(cloud: str, jobs: int, part: str) -> dict[str, Any]:
    """Run the tests, and say how each clause of the contracts has ended."""
    # Installed, the testkit's plugin is found by pytest itself; from an older installation it has to be named.
    found = any(each.value == _PLUGIN for each in entry_points(group="pytest11"))
    with tempfile.TemporaryDirectory() as folder:
        report, tests = Path(folder) / "report.json", Path(folder) / "tests.xml"
        shared = sorted(map(str, _HERE.glob("test_*.py")))
        command = [sys.executable, "-m", "pytest", str(_HERE / cloud), *shared, "-q", "-rsx"]
        command += [f"--flowcraft-report={report}", f"--junit-xml={tests}"]
        command += [f"--part={part}"]
        command += [f"--numprocesses={jobs}", "--dist=worksteal"]  # each with emulators of its own
        # Where time is real, a machine that is too busy is no fault of the product's.
        command += ["--reruns=1", "-rR", "--durations=20"]
        command += [f"--timeout={_HUNG}", "--timeout-method=thread"]  # its process is ended, and another goes on
        ended = subprocess.run([*command, *([] if found else ["-p", _PLUGIN])], cwd=_HERE.parent, check=False)
        said = json.loads(report.read_text(encoding="utf-8"))
        skipped = skipped_tests(tests, {contract["class"] for contract in said["contracts"]})
    by_result: dict[str, set[str]] = {}
    for contract in said["contracts"]:
        for clause in contract["clauses"]:
            by_result.setdefault(clause["result"], set()).add(clause["id"])
    passed = by_result.get("passed", set())
    asked = set().union(*by_result.values())
    return {
        "part": part,
        "tests_pass": ended.returncode == 0,
        "skipped": skipped,
        "clauses": {
            "asked": said["totals"],
            "passed": sorted(passed),
            "undeclared": sorted(by_result.get("undeclared", ())),
            "never_passed": sorted(asked - passed),
            "never_asked": sorted(
                {clause.id for contract in CONTRACTS.values() for clause in contract.clauses()} - asked
            ),
        },
        "contracts": [
            {
                "class": contract["class"],
                "contract": contract["contract"],
                **Counter(clause["result"] for clause in contract["clauses"]),
                "notes": {
                    clause["id"]: f"{clause['result']}: {clause['why']}"
                    for clause in contract["clauses"]
                    if clause["result"] != "passed"
                },
            }
            for contract in said["contracts"]
        ],
    }


def skipped_tests(report: Path, contracts: Collection[str]) -> list[dict[str, str]]:
    """The tests that this machine cannot carry out, and why.

    Args:
        report: The file of pytest's with how all of them have ended, as JUnit has it.
        contracts: The classes of contracts, of which each clause is told elsewhere.
    """
    skipped = [
        {"test": f"{test.get('classname')}::{test.get('name')}", "why": skip.get("message", "")}
        for test in ET.parse(report).iter("testcase")  # noqa: S314 - pytest's own
        for skip in test.iter("skipped")
        if skip.get("type") == "pytest.skip" and test.get("classname", "").rpartition(".")[2] not in contracts
    ]
    return sorted(skipped, key=lambda each: each["test"])


def _scenarios(backend: type[Backend], only: Sequence[int], absent: Mapping[int, str], jobs: int) -> list[Any]:
    results = carrying_out.shown(carrying_out.carry_out_at_once(only, [backend], jobs, absent=absent, once_more=True))
    return [attrs.asdict(result) for result in results]
