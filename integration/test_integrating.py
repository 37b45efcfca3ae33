"""The command that all clouds share says of each test that is left out why."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from integrating import skipped_tests

_TESTS = """
import pytest

class TestContract:
    def test_that_is_told_elsewhere(self): pytest.skip("not declared")

def test_that_passes(): pass

@pytest.mark.xfail(reason="known")
def test_that_fails(): assert False

@pytest.fixture
def pooler(): pytest.skip("no pooler here")

@pytest.mark.parametrize("number", [1, 2])
def test_behind_it(pooler, number): pass
"""


def test_what_is_left_out_is_told_with_its_reason(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text(_TESTS)
    report = tmp_path / "report.xml"
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:anyio", "-n", "2", f"--junit-xml={report}", "test_it.py"]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    assert skipped_tests(report, {"TestContract"}) == [
        {"test": f"test_it::test_behind_it[{number}]", "why": "no pooler here"} for number in (1, 2)
    ]
