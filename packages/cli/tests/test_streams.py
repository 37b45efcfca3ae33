"""What commands do where a standard stream is closed, full or of another encoding, and with odd characters."""

import json
import shutil
import subprocess
import sys

import pytest
from flowcraft_cli.output import Output, one_line

from .helpers import Commanding

pytestmark = pytest.mark.skipif(shutil.which("bash") is None, reason="a shell closes the streams")

LONG = """
from flowcraft_core import create_flow

def step(ctx):
    print(".", end="")
    return "x" * 100

flow = create_flow("long").node("n", step)
"""


def shell(cli: Commanding, command: str, code: int = 0) -> subprocess.CompletedProcess[str]:
    """Call it in a shell, on the backend."""
    program = f"export FLOWCRAFT_BACKEND={cli.url}; {sys.executable} -m flowcraft_cli {command}"
    done = subprocess.run(
        ["bash", "-c", program], capture_output=True, encoding="utf-8", errors="replace", check=False, cwd=cli.folder
    )
    assert done.returncode == code, (done.returncode, done.stderr)
    return done


@pytest.mark.parametrize("command", ["list", "show r", "config", "workers"])
def test_a_command_does_its_work_with_a_stream_closed(cli: Commanding, command: str) -> None:
    cli("start", "shop:order", "--id", "r", "-b", cli.url)
    assert "defect" not in shell(cli, f"{command} >&-").stderr
    if command == "workers":  # which has a note
        shell(cli, f"{command} 2>&-")


def test_who_cannot_be_asked_is_told_so_also_where_standard_input_is_closed(cli: Commanding) -> None:
    cli("start", "shop:order", "--id", "r", "-b", cli.url)
    assert "Nobody is here to answer: add --yes" in shell(cli, "purge r <&-", code=2).stderr
    assert "it is closed" in shell(cli, "start shop:order --input - <&-", code=2).stderr


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="it writes to a device that is full")
def test_a_note_that_cannot_be_written_changes_no_answer(cli: Commanding) -> None:
    for run, where in (("x", "2>&-"), ("y", "2>/dev/full")):
        assert shell(cli, f"start shop:order --id {run} {where}").stdout == f"{run}\n"
    assert "standard output cannot be written" in shell(cli, "--help >/dev/full", code=2).stderr


@pytest.mark.parametrize("command", ["show r", "tail r", "run long.py --in-process", "graph --run r --svg"])
def test_what_an_encoding_lacks_is_written_as_an_escape(
    cli: Commanding, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    cli.write("long.py", LONG)
    cli("run", "long.py", "--id", "r", "-b", cli.url)
    monkeypatch.setenv("PYTHONIOENCODING", "latin-1")
    assert "defect" not in shell(cli, command).stderr


def test_with_json_what_an_encoding_lacks_is_an_escape_of_json(
    cli: Commanding, monkeypatch: pytest.MonkeyPatch
) -> None:
    cli.write("long.py", LONG.replace('"x" * 100', '"caf\u00e9 \U0001f600"'))
    monkeypatch.setenv("PYTHONIOENCODING", "ascii")
    said = shell(cli, "run long.py --in-process --json").stdout
    assert said.isascii()
    assert json.loads(said)["outputs"] == {"n": "caf\u00e9 \U0001f600"}


def test_with_json_standard_output_has_nothing_of_what_steps_and_modules_print(cli: Commanding) -> None:
    cli.write("long.py", LONG + "print('loading', end='')")
    done = shell(cli, "run long.py --in-process --json")
    assert json.loads(done.stdout)["ok"]
    assert "loading" in done.stderr
    assert "." in shell(cli, "run long.py --in-process").stdout


def test_a_run_of_an_odd_id_is_one_line_of_a_list(cli: Commanding) -> None:
    odd = ["a\nb", "c\td", "\x1b[31me"]
    for run in odd:
        cli("start", "shop:order", "--id", run, "-t", "k=1\nstate  failed", "-b", cli.url)
    lines = cli("list", "-b", cli.url).stdout.splitlines()
    assert {line.split("\t")[0] for line in lines} == {r"a\nb", r"c\td", r"\x1b[31me"}
    assert {run["run_id"] for run in cli.said("list", "-b", cli.url)["runs"]} == set(odd)
    for run in odd:
        shown = cli("show", run, "-b", cli.url).stdout
        assert f"run       {one_line(run)}\n" in shown
        assert "state  failed\n" not in shown.replace(r"1\nstate  failed", "")


def test_a_terminal_gets_no_orders_of_what_is_said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(Output, "is_terminal", True)
    out = Output()
    out.say("\x1b]0;title\x07\tand\nmore")
    out.note("\x1b[31m")
    out.problem("\x1b[31m")
    said = capsys.readouterr()
    assert said.out == "\\x1b]0;title\\x07\tand\nmore\n"
    assert "\x1b[31mr" not in said.err
    assert said.err.count(r"\x1b[31m") == 2
