"""What every integration test shares: where its helpers are found, and that whatever failed once is shown."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

# The folders of helpers that tests import by plain name. Those of one cloud add their own.
for _folder in (Path(__file__).parent, Path(__file__).parents[1] / "scenarios"):
    if str(_folder) not in sys.path:
        sys.path.insert(0, str(_folder))

#: Of each failure the end: what was raised, and where.
_LONGEST = 4_000


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Show why a test failed that was run again; by itself, only its name is told."""
    for report in terminalreporter.stats.get("rerun", []):
        terminalreporter.write_sep("_", f"run again: {report.nodeid} ({report.when})")
        terminalreporter.write_line(report.longreprtext[-_LONGEST:])
