"""Every set-up that is broken on purpose is named rightly; what needs emulators is in ``integration``."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from breakage import Breakage, wrong_about, wrong_about_health
from flowcraft_sqlite.symptoms import SYMPTOMS
from sqlite_breakages import BREAKAGES, healthy


@pytest.fixture
def folder() -> Iterator[Path]:
    """One that other users may enter; pytest's own folders they may not."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder


@pytest.mark.parametrize("breakage", BREAKAGES.all, ids=lambda each: each.name)
async def test_it_is_named_rightly(breakage: Breakage, folder: Path) -> None:
    assert await wrong_about(breakage, folder) == ""


async def test_what_is_healthy_has_no_findings(folder: Path) -> None:
    async with healthy(folder) as backend:
        assert await wrong_about_health(backend) == ""


def test_every_finding_has_a_breakage() -> None:
    """But for what SQLite says of which nobody has thought."""
    shown = {breakage.code for breakage in BREAKAGES.all}
    assert {symptom.code for symptom in SYMPTOMS} - shown == {"SQLITE-UNUSABLE"}


def test_the_command_tells_in_one_line() -> None:
    program = [sys.executable, str(Path(__file__).parent), "--backend", "sqlite", "--json"]
    told = subprocess.run(program, capture_output=True, text=True, check=True, timeout=120).stdout
    (line,) = told.splitlines()
    answer = json.loads(line)
    assert answer["ok"] is True
    assert answer["breakages"] == len(BREAKAGES.all) >= 10
    assert answer["by_backend"]["sqlite"] == {
        "healthy": True,
        "breakages": len(BREAKAGES.all),
        "right": answer["breakages"],
    }
