"""A short time of what others may write; ``hatch run fuzz`` makes it longer."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import attrs
import fuzzing
import pytest
from flowcraft_core.durable import worker as worker_module
from fuzz_kinds import KINDS
from fuzzing import Counts, Fuzzed, fuzz

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="its memory is asked of the resource module")


def test_whatever_is_written_comes_to_an_end_and_runs_beside_it_complete() -> None:
    """In a process of its own, whose memory is its own."""
    command = [sys.executable, str(Path(__file__).parent), "--seconds", "10", "--seed", "11", "--json"]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=500, check=False)
    told = json.loads(ended.stdout.splitlines()[-1])
    assert (told["ok"], ended.returncode) == (True, 0), json.dumps({**told, "by_kind": "…"}) + ended.stderr[-2000:]
    assert (told["ended_workers"], told["unended"], told["wrong"]) == (0, 0, [])
    assert told["kinds"] == len(KINDS) >= 25
    assert told["peak_mib"] < 400
    assert told["healthy"] >= 10
    for kind in KINDS:
        counts = told["by_kind"][kind.name]
        assert kind.gives == "ends" or counts[kind.gives] > 0, kind.name


async def test_a_worker_that_ends_and_what_goes_on_for_ever_are_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fails(self: worker_module.Worker) -> None:
        raise ValueError("a row that cannot be read")

    monkeypatch.setattr(fuzzing, "_PATIENCE", 400.0)
    monkeypatch.setattr(worker_module.Worker, "_receive", fails)
    done = await fuzz(tmp_path / "file", seconds=0.1, seed=1, only=["message.not_json"], workers=1)
    assert done.ended_workers > 0
    assert done.unended
    assert not done.told()["ok"]


def test_what_is_not_as_it_should_be_is_not_ok() -> None:
    good = Fuzzed(seed=0, by_kind={"message.not_json": Counts(written=2, dead=1)}, healthy=3, peak_mib=200)
    assert good.told()["ok"]
    faults: tuple[dict[str, Any], ...] = (
        {"ended_workers": 1},
        {"unended": ["x"]},
        {"wrong": ["x"]},
        {"peak_mib": 400},
        {"healthy": 0},
        {"by_kind": {}},
        {"by_kind": {"message.not_json": Counts(written=2, failed=1)}},
    )
    for wrong in faults:
        assert not attrs.evolve(good, **wrong).told()["ok"], wrong
