"""``pytest --flowcraft-report FILE``: what a backend keeps of the contracts, clause by clause; and a table of it.

A pytest plugin. Whatever was asked for, the terminal says which clauses were skipped because the backend's author has
declared nothing of what they need. Under pytest-xdist each worker process reports what it has asked, and the report is
of all of them.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Generator, Iterable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import attrs
import pytest

if TYPE_CHECKING:
    from .contracts import Contract

#: ``excused``: it fails as its author said, by a strict xfail. ``undeclared`` and ``absent``: see ``Declared``.
#: ``skipped``: for another reason. ``not run``: it was not asked at all, for it was deselected, say.
Result: TypeAlias = Literal["passed", "failed", "excused", "undeclared", "absent", "skipped", "not run"]

FORMAT = 1
_OUTPUT = "flowcraft_conformance"
_COLUMNS: tuple[Result, ...] = ("passed", "failed", "excused", "absent", "undeclared", "skipped", "not run")


@attrs.define
class _Asked:
    result: Result = "not run"
    seconds: float = 0.0
    why: str | None = None

    def take(self, phase: pytest.TestReport) -> None:
        """Take in how setting up, asking or tearing down has ended; the first failure of the last try stands."""
        self.seconds += phase.duration
        if phase.when == "setup":  # some plugins try a test again that has failed
            self.result, self.why = "not run", None
        if self.result == "failed":
            return
        xfail = getattr(phase, "wasxfail", None)
        if phase.failed:
            self.result, self.why = "failed", _last_line(phase.longreprtext)
        elif xfail is not None:
            self.result, self.why = "excused", str(xfail).removeprefix("reason: ")
        elif phase.skipped:
            reason = phase.longrepr[2] if isinstance(phase.longrepr, tuple) else phase.longreprtext
            kind, _, capability = reason.removeprefix("Skipped: ").partition(": ")
            if kind == "undeclared":
                self.result, self.why = "undeclared", capability
            elif kind == "absent":
                self.result, self.why = "absent", capability
            else:
                self.result, self.why = "skipped", reason.removeprefix("Skipped: ")
        elif phase.when == "call":
            self.result = "passed"


class Conformance:
    """The plugin of one session: collects how the clauses of each contract class have ended."""

    def __init__(self, config: pytest.Config) -> None:
        path = config.getoption("--flowcraft-report")
        self._path = Path(path) if path else None
        self._output: dict[str, Any] | None = getattr(config, "workeroutput", None)  # in a process of pytest-xdist
        self._parts: list[dict[str, Any]] = []
        self._asked: dict[tuple[type[Contract[Any]], str], dict[str, _Asked]] = {}

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Know which contract classes there are, also where clauses of theirs are deselected."""
        for item in session.items:
            if (place := _place(item)) is not None:
                self._asked.setdefault(place[0], {})

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Take in a phase of a test."""
        phase = yield
        if (place := _place(item)) is not None:
            where, method = place
            self._asked.setdefault(where, {}).setdefault(method, _Asked()).take(phase)
        return phase

    def report(self) -> dict[str, Any]:
        """All of it, as JSON data."""
        mine = [self._contract(cls, variant, asked) for (cls, variant), asked in self._asked.items()]
        contracts = _merged([mine, *(part["contracts"] for part in self._parts)])
        totals = Counter(clause["result"] for each in contracts for clause in each["clauses"])
        return {
            "format": FORMAT,
            "testkit": version("flowcraft-testkit"),
            "totals": {column: totals[column] for column in _COLUMNS},
            "contracts": sorted(contracts, key=lambda each: (each["class"], each["variant"])),
        }

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """Take in what a process of pytest-xdist has asked; one that crashed has said nothing."""
        said = getattr(node, "workeroutput", {}).get(_OUTPUT)
        if said is not None:
            self._parts.append(json.loads(said))

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Say what was skipped because nothing was declared, and where the report is."""
        for contract in self.report()["contracts"]:
            if contract["beat"]:
                terminalreporter.write_line(f"flowcraft: {contract['class']}: {contract['beat']}")
            needed = Counter(str(each["why"]) for each in contract["clauses"] if each["result"] == "undeclared")
            if needed:
                said = ", ".join(f"{number} for {capability}" for capability, number in sorted(needed.items()))
                terminalreporter.write_line(
                    f"flowcraft: {contract['class']} skips undeclared clauses: {said}", yellow=True
                )
        if self._path is not None:
            terminalreporter.write_line(f"flowcraft: conformance report in {self._path}")

    def pytest_sessionfinish(self) -> None:
        """Write the report."""
        if self._output is not None:
            self._output[_OUTPUT] = json.dumps(self.report())
        elif self._path is not None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._path.write_text(json.dumps(self.report(), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")

    @staticmethod
    def _contract(kind: type[Contract[Any]], variant: str, asked: Mapping[str, _Asked]) -> dict[str, Any]:
        clauses = []
        for clause in kind.clauses():
            ended = asked.get(clause.method, _Asked())
            clauses.append(
                {
                    "id": clause.id,
                    "result": ended.result,
                    "needs": list(clause.needs),
                    "seconds": round(ended.seconds, 4),
                    "why": ended.why,
                }
            )
        said = attrs.asdict(kind.declared)
        told = getattr(kind, "told_of_beat", None)
        return {
            "class": kind.__name__,
            "module": kind.__module__,
            "variant": variant,
            "contract": kind.contract,
            "declared": said,
            "beat": told and told(),
            "clauses": clauses,
        }


def render(report: Mapping[str, Any]) -> str:
    """A report as a Markdown table, a row per contract class, for a backend's README.

    Args:
        report: What the file of ``--flowcraft-report`` holds.
    """
    used = [column for column in _COLUMNS if column == "passed" or report["totals"][column]]
    lines = [["contract", "clauses", *used]]
    notes: list[str] = []
    times = Counter(contract["contract"] for contract in report["contracts"])
    for contract in report["contracts"]:
        clauses: Sequence[Mapping[str, Any]] = contract["clauses"]
        counts = Counter(clause["result"] for clause in clauses)
        name = contract["contract"]
        if times[name] > 1:  # say which
            name += f" ({contract['class']}{contract['variant'] and ' ' + contract['variant']})"
        lines.append([name, str(len(clauses)), *(str(counts[column]) for column in used)])
        notes += [
            f"- `{clause['id']}`: {clause['result']}" + (f" ({clause['why']})" if clause["why"] else "")
            for clause in clauses
            if clause["result"] != "passed"
        ]
    header = [lines[0], ["---", *["---:"] * (len(lines[0]) - 1)]]
    table = "\n".join("| " + " | ".join(line) + " |" for line in [*header, *lines[1:]])
    return "\n\n".join([table, "\n".join(notes)]) if notes else table


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option."""
    parser.getgroup("flowcraft").addoption(
        "--flowcraft-report", metavar="FILE", help="write how each clause of each backend contract has ended, as JSON"
    )


def pytest_configure(config: pytest.Config) -> None:
    """Begin a session."""
    config.pluginmanager.register(Conformance(config), "flowcraft-conformance")


def _merged(parts: Iterable[Sequence[dict[str, Any]]]) -> list[dict[str, Any]]:
    """The contracts of several processes, each of which has asked some of the clauses."""
    merged: dict[tuple[str, str, str], dict[str, Any]] = {}
    for contract in (each for part in parts for each in part):
        known = merged.setdefault((contract["module"], contract["class"], contract["variant"]), contract)
        if known is not contract:
            known["clauses"] = [
                other if clause["result"] == "not run" else clause
                for clause, other in zip(known["clauses"], contract["clauses"], strict=True)
            ]
    return list(merged.values())


def _place(item: pytest.Item) -> tuple[tuple[type[Contract[Any]], str], str] | None:
    """The contract class that a test belongs to, with its parameters, and the clause; None for any other test."""
    if not isinstance(item, pytest.Function):
        return None
    cls: Any = item.cls
    if cls is None or not hasattr(cls, "clauses") or item.originalname not in getattr(cls, "_clauses", ()):
        return None
    return (cls, item.callspec.id if hasattr(item, "callspec") else ""), item.originalname


def _last_line(text: str) -> str:
    lines = [line for line in text.splitlines() if line.startswith("E ")] or text.splitlines()
    return lines[0].removeprefix("E").strip() if lines else ""


if __name__ == "__main__":
    sys.stdout.write(render(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))) + "\n")
