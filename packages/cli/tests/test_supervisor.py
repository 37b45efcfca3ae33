import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from flowcraft_cli import supervisor as module
from flowcraft_cli.supervisor import Supervisor

from .helpers import Commanding

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="it sends signals")


@pytest.fixture(autouse=True)
def _quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_LOOK", 0.02)
    monkeypatch.setattr(module, "_FIRST_PAUSE", 0.05)


def supervisor(code: str, *, number: int = 1, watched: Path | None = None, grace: float = 5.0) -> Supervisor:
    return Supervisor([sys.executable, "-c", code], dict(os.environ), number, grace, watched)


def test_what_cannot_be_used_ends_all_at_once() -> None:
    assert supervisor("import sys; sys.exit(2)", number=2).run() == 2


@pytest.mark.parametrize("end", ["os.kill(os.getpid(), signal.SIGKILL)", "os._exit(1)", "os._exit(0)"])
def test_a_process_that_ends_is_begun_again_however_it_ends(tmp_path: Path, end: str) -> None:
    """Nobody has had it stop: a step has ended it, or something that it calls."""
    marks = tmp_path / "marks"
    code = f"""
import os, pathlib, signal, time
marks = pathlib.Path({str(marks)!r})
is_first = not marks.exists()
with marks.open("a") as file:
    file.write("x")
if is_first:
    {end}
time.sleep(60)
"""
    looking_after = supervisor(code)

    def stop() -> None:
        _until(lambda: marks.exists() and marks.read_text() == "xx")
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=stop).start()
    assert (looking_after.run(), looking_after.restarts) == (0, 1)


@pytest.mark.parametrize(
    "end",
    [
        pytest.param("os._exit(75)", id="the process says so"),
        pytest.param("file.unlink(); os.kill(os.getpid(), signal.SIGKILL)", id="it is killed"),
    ],
)
def test_nothing_is_begun_on_an_empty_backend_in_the_place_of_one_that_is_gone(
    tmp_path: Path, end: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Who begins again would create a new file, as if nothing were wrong."""
    file, marks = tmp_path / "runs.db", tmp_path / "marks"
    code = f"""
import os, pathlib, signal, time
file, marks = pathlib.Path({str(file)!r}), pathlib.Path({str(marks)!r})
with marks.open("a") as written:
    written.write("x")
file.touch()
while not pathlib.Path({str(tmp_path / "seen")!r}).exists():
    time.sleep(0.02)
{end}
"""
    seen = 0

    def missing() -> str | None:
        nonlocal seen
        seen += file.exists()
        if seen > 3:
            (tmp_path / "seen").touch()
        return None if file.exists() else "there is no file"

    looking_after = Supervisor([sys.executable, "-c", code], dict(os.environ), 1, 5.0, missing=missing)
    assert (looking_after.run(), looking_after.restarts) == (5, 0)
    assert marks.read_text(encoding="utf-8") == "x"
    assert [record.event for record in caplog.records] == ["backend_gone"]  # type: ignore[attr-defined]


def test_what_is_created_only_now_is_not_missed(tmp_path: Path) -> None:
    """The first process may die before it has made the file: that is no loss."""
    file = tmp_path / "runs.db"
    code = f"import os, pathlib; pathlib.Path({str(tmp_path / 'marks')!r}).open('a').write('x')"
    looking_after = Supervisor(
        [sys.executable, "-c", code], dict(os.environ), 1, 5.0, missing=lambda: None if file.exists() else "none"
    )

    def stop() -> None:
        _until(lambda: (tmp_path / "marks").exists() and (tmp_path / "marks").read_text() == "xx")
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=stop).start()
    assert looking_after.run() == 0


def test_what_the_supervisor_says_is_in_the_log_in_its_format_and_once(cli: Commanding) -> None:
    """With ``--log-format json`` each line is an object, for machines: also that a process was killed."""
    with (cli.folder / "log").open("wb") as log:
        arguments = ["worker", "shop", "-b", cli.url, "-n", "2", "--poll", "1", "--log-format", "json"]
        program = subprocess.Popen([sys.executable, "-m", "flowcraft_cli", *arguments], stderr=log)

    def said(event: str) -> list[dict[str, object]]:
        lines = (cli.folder / "log").read_text(encoding="utf-8").splitlines()
        return [line for line in map(json.loads, lines) if line.get("event") == event]

    try:
        _until(lambda: len(said("worker_started")) == 2)
        os.kill(int(str(said("worker_started")[0]["pid"])), signal.SIGKILL)
        _until(lambda: len(said("worker_started")) == 3)
        program.terminate()
        assert program.wait(60) == 0
    finally:
        program.kill()
    (again,) = said("worker_begun_again")
    assert (again["level"], again["logger"]) == ("WARNING", "flowcraft.cli")
    assert "was ended by signal 9" in str(again["message"])
    assert len(said("workers_stopping")) == 1


def test_standard_input_of_a_process_ends_when_it_is_let_go() -> None:
    """So that it stops, too, when whoever looks after it is killed."""
    waiting = "import sys, signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); sys.stdin.read()"
    looking_after = supervisor(waiting, grace=0.2)
    _after(0.5, looking_after, signal.SIGTERM)
    _after(0.8, looking_after, signal.SIGTERM)
    assert looking_after.run() == 128 + signal.SIGTERM


def test_a_signal_is_passed_on_and_waited_for(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    code = f"""
import pathlib, signal, sys, time
def end(*_):
    time.sleep(0.2)
    pathlib.Path({str(mark)!r}).touch()
    sys.exit(0)
signal.signal(signal.SIGTERM, end)
time.sleep(60)
"""
    looking_after = supervisor(code)
    _after(1.5, looking_after, signal.SIGINT)
    assert looking_after.run() == 0
    assert mark.exists()


def test_all_begin_anew_when_code_changes(tmp_path: Path) -> None:
    source, marks = tmp_path / "code.py", tmp_path / "marks"
    source.write_text("1", encoding="utf-8")
    looking_after = supervisor(f"open({str(marks)!r}, 'a').write('x'); import time; time.sleep(60)", watched=tmp_path)

    def change() -> None:
        _until(lambda: marks.exists() and marks.read_text() == "x")
        source.write_text("22", encoding="utf-8")
        os.utime(source, (time.time() + 9, time.time() + 9))
        _until(lambda: marks.read_text() == "xx")
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=change).start()
    assert looking_after.run() == 0
    assert marks.read_text(encoding="utf-8") == "xx"


def test_a_worker_without_flows_says_so_once(cli: Commanding) -> None:
    for number in ("1", "3"):
        result = cli("worker", "-b", cli.url, "-n", number, code=2)
        assert result.stderr.count("say where the flows are") == 1


def _after(seconds: float, _: Supervisor, number: int) -> None:
    threading.Timer(seconds, os.kill, (os.getpid(), number)).start()


def _until(is_so: Callable[[], bool]) -> None:
    end = time.monotonic() + 30
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.02)
