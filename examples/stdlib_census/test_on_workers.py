"""The example on worker processes, one of which is killed; on a part of the library."""

import contextlib
import json
import os
import subprocess
import sys
import sysconfig
import time
from pathlib import Path
from typing import Any

import attrs
import census
import flow
import on_workers
import plain
import pytest
from flowcraft_core import FlowRuntime
from flowcraft_core.durable import StoredResult
from progress import Ledger

STDLIB = sysconfig.get_path("stdlib")


def is_alive(process_id: int) -> bool:
    with contextlib.suppress(ProcessLookupError):
        os.kill(process_id, 0)
        return True
    return False


def answer_of(output: str) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(output.splitlines()[-1])
    return answer


def test_a_killed_worker_changes_nothing_in_the_result(tmp_path: Path) -> None:
    database = tmp_path / "census.sqlite"
    command = [
        sys.executable,
        str(Path(census.__file__).parent),
        "--files",
        "240",
        "--json",
        "--database",
        str(database),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=90, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    answer = answer_of(done.stdout)
    assert (answer["ok"], answer["problems"], answer["mode"], answer["status"]) == (True, [], "durable", "completed")
    assert (answer["workers"], answer["files"], answer["equals_in_process"]) == (3, 240, True)
    assert answer["retried"] == plain.hiccups_among(plain.files_under(STDLIB, 240)) > 0
    assert 120 <= answer["files_when_killed"] < 240
    assert not is_alive(answer["killed"])
    assert f"killed worker {answer['killed']} with SIGKILL" in done.stderr
    assert "result equals the in-process run" in done.stdout
    with Ledger.open(str(database), answer["run_id"]) as ledger:
        counts = ledger.counts()
    assert (counts.files, counts.steps, counts.retries) == (240, answer["steps"], answer["retried"])


def test_a_worker_that_ends_by_itself_is_no_success(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    broken = tmp_path / "broken.py"
    broken.write_text("import sys\nsys.exit('no disk left')\n", encoding="utf-8")
    monkeypatch.setattr(on_workers, "_WORKER", str(broken))
    assert census.main(["--files", "3", "--json"]) == 1
    answer = answer_of(capsys.readouterr().out)
    assert (answer["ok"], answer["status"], answer["killed"]) == (False, "running", None)
    assert "ended with exit code 1; the workers said: no disk left" in answer["problems"][0]
    assert "the run ended before a worker was killed" in answer["problems"]


def test_a_run_in_which_nothing_was_killed_is_no_success(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(on_workers.Team, "kill_one", lambda team: 0)
    assert census.main(["--files", "5", "--json"]) == 1
    answer = answer_of(capsys.readouterr().out)
    assert answer["problems"] == ["the run ended before a worker was killed"]
    assert answer["equals_in_process"]


def test_the_processes_are_ended_whatever_happens(tmp_path: Path) -> None:
    processes: list[subprocess.Popen[bytes]] = []

    def break_off() -> None:
        with on_workers.team(str(tmp_path / "census.sqlite"), tmp_path) as started:
            processes.extend(started.processes)
            assert [process.poll() for process in processes] == [None] * on_workers.WORKERS
            raise RuntimeError("in between")

    with pytest.raises(RuntimeError, match="in between"):
        break_off()
    assert all(process.returncode is not None for process in processes)


def test_a_worker_ends_in_good_order_when_it_is_told_to(tmp_path: Path) -> None:
    path = tmp_path / "census.sqlite"
    with on_workers.team(str(path), tmp_path) as started:
        deadline = time.monotonic() + 20
        while not path.exists() and time.monotonic() < deadline:
            time.sleep(0.02)
        time.sleep(0.5)
    assert started.problems() == []


def test_what_differs_from_the_in_process_run_is_told() -> None:
    local = FlowRuntime([flow.census]).run_sync(flow.census, {"root": STDLIB, "limit": 5})
    same = StoredResult(
        run_id="r",
        status="completed",
        outputs=local.outputs,
        context=local.context,
        errors=(),
        reason=None,
        steps=local.steps,
    )
    retried = plain.hiccups_among(plain.files_under(STDLIB, 5))
    assert census.compare(same, retried, local) == []
    lost = attrs.evolve(same, steps=local.steps - 1)
    assert census.compare(lost, retried, local) == [
        f"result.steps differs: {local.steps - 1} by the workers, {local.steps} by the in-process run"
    ]
    wrong = attrs.evolve(same, context={**local.context, "limit": 6}, outputs={"report": None})
    assert [line.split(":")[0] for line in census.compare(wrong, retried, local)] == [
        "result.context.limit differs",
        "result.report differs",
    ]
