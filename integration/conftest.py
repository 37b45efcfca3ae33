"""What every integration test shares: its helpers' folders, which part is run, and that what failed once is shown."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from flowcraft_testkit.contracts import BackendContract

# The folders of helpers that tests import by plain name. Those of one cloud add their own.
for _folder in (Path(__file__).parent, Path(__file__).parents[1] / "scenarios"):
    if str(_folder) not in sys.path:
        sys.path.insert(0, str(_folder))

#: Of each failure the end: what was raised, and where.
_LONGEST = 4_000


def pytest_addoption(parser: pytest.Parser) -> None:
    """The contract of whole backends takes longest, so a part of it can be run by itself."""
    parser.addoption("--part", default="1/1", metavar="K/N", help="every Nth clause of whole backends, from the Kth on")


@pytest.fixture(autouse=True)
def ids_are_the_same_each_time() -> None:
    """Here they are not: servers keep what the tests before have stored."""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave the other parts out."""
    part, parts = map(int, config.getoption("part").split("/"))
    of_backends = [item for item in items if isinstance(item, pytest.Function) and _asks_a_backend(item)]
    clauses = sorted({item.originalname for item in of_backends})
    run_now = set(clauses[part - 1 :: parts])
    left_out = {item for item in of_backends if item.originalname not in run_now}
    items[:] = [item for item in items if item not in left_out]
    if left_out:
        config.hook.pytest_deselected(items=list(left_out))


def _asks_a_backend(item: pytest.Function) -> bool:
    return item.cls is not None and issubclass(item.cls, BackendContract)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Show why a test failed that was run again; by itself, only its name is told."""
    for report in terminalreporter.stats.get("rerun", []):
        terminalreporter.write_sep("_", f"run again: {report.nodeid} ({report.when})")
        terminalreporter.write_line(report.longreprtext[-_LONGEST:])
