"""What every integration test shares: where its helpers are found, and what becomes of what a failed attempt leaves."""

from __future__ import annotations

import sys
from collections.abc import Generator
from pathlib import Path

import pytest

# The folders of helpers that tests import by plain name. Those of one cloud add their own.
for _folder in (Path(__file__).parent, Path(__file__).parents[1] / "scenarios"):
    if str(_folder) not in sys.path:
        sys.path.insert(0, str(_folder))

_attempts_failed = 0


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Take note of an attempt that has failed, whether or not it is made again."""
    global _attempts_failed  # noqa: PLW0603 - hooks share nothing else
    _attempts_failed += report.outcome not in ("passed", "skipped")


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Blame no test for connections that an earlier one, which failed, could not close.

    They are found as garbage, at any time later. As long as no attempt has failed in this process, they are errors.
    """
    if _attempts_failed:
        item.add_marker(pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"))
    return (yield)
