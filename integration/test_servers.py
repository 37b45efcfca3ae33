"""Emulators as processes: they answer, they end, and one that cannot start says why."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from servers import EmulatorError, Server, answers_http, answers_tcp, served

_SERVES = (
    "from http.server import SimpleHTTPRequestHandler, test; import sys;"
    " test(SimpleHTTPRequestHandler, port=int(sys.argv[1]), bind='127.0.0.1')"
)


def _python(program: str, *arguments: str) -> list[str]:
    return [sys.executable, "-c", program, *arguments]


def test_a_server_answers_inside_the_block_and_not_after() -> None:
    with served("files", lambda port: _python(_SERVES, str(port)), answers_http("/")) as server:
        assert server.url == f"http://127.0.0.1:{server.port}"
        assert answers_tcp(server)
    _until(lambda: not answers_tcp(server))


def test_one_that_ends_shows_the_end_of_its_log() -> None:
    program = "print('x' * 9_000 + ' no jar found'); raise SystemExit(3)"
    with (
        pytest.raises(EmulatorError, match=r"the emulator broken ended with code 3(.|\n)*no jar found"),
        served("broken", lambda _: _python(program), answers_tcp),
    ):
        raise AssertionError("it never answered")


def test_one_that_does_not_answer_in_time_is_ended() -> None:
    program = "import os, time; print(os.getpid(), flush=True); time.sleep(600)"
    with (
        pytest.raises(EmulatorError, match="did not answer within 2 s") as caught,
        served("slow", lambda _: _python(program), answers_tcp, deadline=2.0),
    ):
        raise AssertionError("it never answered")
    ended = int(str(caught.value).split()[-1])
    _until(lambda: not _lives(ended))


def test_a_server_ends_with_the_process_that_started_it(tmp_path: Path) -> None:
    """Also if that is killed, and can do nothing about it."""
    starts = (
        f"import sys, time; sys.path.insert(0, {str(Path(__file__).parent)!r})\n"
        "from servers import served, answers_tcp\n"
        f"with served('files', lambda port: [sys.executable, '-c', {_SERVES!r}, str(port)], answers_tcp) as server:\n"
        "    print(server.port, flush=True)\n"
        "    time.sleep(600)\n"
    )
    starter = subprocess.Popen(_python(starts), stdout=subprocess.PIPE, text=True, cwd=tmp_path)
    assert starter.stdout is not None
    server = Server("files", "127.0.0.1", int(starter.stdout.readline()))
    assert answers_tcp(server)
    starter.send_signal(signal.SIGKILL)
    starter.wait()
    starter.stdout.close()
    _until(lambda: not answers_tcp(server))


def _until(has_ended: Callable[[], bool]) -> None:
    """Return once a server has ended: it was told to, and takes a moment."""
    end = time.monotonic() + 30
    while not has_ended():
        assert time.monotonic() < end, "the server lives on"
        time.sleep(0.05)


def _lives(process_id: int) -> bool:
    """Whether a process is there, and is more than an entry that nobody has collected."""
    state = subprocess.run(["ps", "-o", "stat=", "-p", str(process_id)], capture_output=True, text=True, check=False)
    return bool(state.stdout.strip()) and not state.stdout.startswith("Z")
