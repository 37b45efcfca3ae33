import os
import signal
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
