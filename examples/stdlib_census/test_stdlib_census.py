"""The example on a part of the library, and on a small library of its own that has everything that can happen."""

import importlib
import io
import json
import sysconfig
from pathlib import Path
from typing import Any

import census
import flow
import measure
import plain
import pytest
from file_steps import hiccups
from flowcraft_core import BaseNode, FlowRuntime, RunResult
from progress import Bar, Watch
from rich.console import Console

STDLIB = sysconfig.get_path("stdlib")
SOURCE = """\
# A comment.
import os.path, sys

from . import sibling
from .deep.er import thing as other
from json import *


class Shape:
    def area(self):
        if self.round:
            return [side for side in self.sides if side]

        def inner():
            while True:
                pass
        return inner


try:
    async def later():
        async for _ in []:
            match _:
                case 1: ...
                case _: ...
except OSError:
    pass
"""


@pytest.fixture
def library(tmp_path: Path) -> str:
    """A library in which files do not parse, are no text, import each other, are tests, and are not to be counted."""
    shaky = next(name for name in map("shaky{}.py".format, range(1000)) if hiccups(name))
    files = {
        shaky: b"import base\n",
        "base.py": b"",
        "pack/__init__.py": b"from . import inside\nimport sys\n",
        "pack/inside.py": b"from .. import base\nimport base, pack\n\ndef f():\n    if base:\n        pass\n",
        "pack/test/test_it.py": b"import base, unittest\n",
        "latin.py": "# coding: latin-1\nname = 'K\xf6ln'\n".encode("latin-1"),
        "bad_syntax.py": b"print 'hello'\n",
        "bad_bytes.py": b"name = '\xff'\n",
        "bad_coding.py": b"# coding: no-such-thing\n",
        "null.py": b"\x00\n",
        "site-packages/other.py": b"import base\n",
        "notes.txt": b"",
    }
    for name, source in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(source)
    return str(tmp_path)


def run(root: str, limit: int | None = None) -> RunResult:
    return FlowRuntime([flow.census]).run_sync(flow.census, {"root": root, "limit": limit})


# --- the flow and the plain loop --------------------------------------------------------------------------------------


def test_the_flow_and_a_plain_loop_agree_on_files_of_the_library() -> None:
    paths = plain.files_under(STDLIB, 150)
    result = run(STDLIB, 150)
    assert result.status == "completed"
    assert result.outputs["report"] == plain.figures(STDLIB, paths)
    assert result.outputs["report"]["files"] == 150


def test_the_flow_and_a_plain_loop_agree_on_whatever_a_file_may_be(library: str) -> None:
    report = run(library).outputs["report"]
    assert report == plain.figures(library, plain.files_under(library))
    assert [row["path"] for row in report["unreadable"]] == [
        "bad_bytes.py",
        "bad_coding.py",
        "bad_syntax.py",
        "null.py",
    ]
    assert (report["files"], report["functions"], report["branches"]) == (10, 1, 1)
    assert report["most_imported"][0] == {"module": "base", "files": 3}
    assert report["ranking"][0]["module"] == "base"
    assert {row["module"] for row in report["ranking"]} == {"base", "latin", "pack", "pack.inside", shaky_of(library)}


def shaky_of(library: str) -> str:
    return next(path.stem for path in Path(library).glob("shaky*.py"))


def test_they_agree_on_an_empty_library(tmp_path: Path) -> None:
    report = run(str(tmp_path)).outputs["report"]
    assert report == plain.figures(str(tmp_path), [])
    assert (report["files"], report["passes"]) == (0, 1)


def test_every_difference_is_told_from_inside() -> None:
    ours = {"files": 3, "rows": [{"name": "a"}, {"name": "b"}], "same": None}
    theirs = {"files": 3, "rows": [{"name": "a"}, {"name": "c"}], "same": None}
    assert list(plain.differences(ours, theirs)) == [
        "report.rows[1].name differs: 'b' by the flow, 'c' by the plain loop"
    ]
    assert list(plain.differences(ours, ours)) == []
    assert len(list(plain.differences({"a": 1}, {"b": 1}))) == 1
    assert len(list(plain.differences([1], [1, 2]))) == 1


# --- what the engine is made to do ------------------------------------------------------------------------------------


def test_a_run_uses_every_construct(library: str) -> None:
    result = run(library)
    attempts = {entry.key: entry.attempts for entry in result.trace}
    places = {path: f"files[{index}]" for index, path in enumerate(plain.files_under(library))}
    steps = {
        path: {key.removeprefix(f"{place}/") for key in attempts if key.startswith(f"{place}/")}
        for path, place in places.items()
    }

    assert steps["base.py"] == {"read", "parse", "size", "structure", "imports", "record"}
    assert steps["bad_syntax.py"] == steps["bad_bytes.py"] == {"read", "parse", "unreadable", "record"}

    assert {"rank/link", "rank/podium", "totals", "report"} <= attempts.keys()
    passes = result.outputs["report"]["passes"]
    assert [key for key in attempts if key.endswith("].spread")] == [f"rank/settle[{n}].spread" for n in range(passes)]
    assert 1 < passes < 100

    retried = {key for key, count in attempts.items() if count > 1}
    assert retried == {f"{places[path]}/read" for path in places if hiccups(path)}
    assert len(retried) == plain.hiccups_among(list(places)) > 0
    assert all(attempts[key] == 2 for key in retried)

    assert result.steps == 4 * 4 + 6 * 6 + 1 + 1 + 1 + 1 + passes + 1  # list, totals, report; link, passes, podium


def test_steps_hand_on_plain_json(library: str) -> None:
    result = run(library)
    facts = json.loads(result.state)
    assert "$type" not in result.state
    assert json.loads(json.dumps(result.outputs)) == result.outputs
    assert len(facts["outcomes"]) == len(result.trace)


def test_another_process_finds_every_step_by_import() -> None:
    for built in (flow.census, flow.one_file, flow.ranking):
        assert built.to_blueprint().to_json()
        for implementation in built.implementations.values():
            step: Any = implementation.step
            assert not isinstance(step, BaseNode)
            assert getattr(importlib.import_module(step.__module__), step.__name__) is step


# --- the program ------------------------------------------------------------------------------------------------------


def last_line(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(capsys.readouterr().out.splitlines()[-1])
    return answer


def test_the_program_reports_and_agrees(capsys: pytest.CaptureFixture[str]) -> None:
    assert census.main(["--files", "100", "--in-process"]) == 0
    captured = capsys.readouterr()
    assert "figures equal a plain loop over the same 100 files" in captured.out
    assert "Longest modules" in captured.out
    assert "steps (nodes) per second" in captured.out
    assert captured.err.splitlines() == [f"{done} of 100 files" for done in (25, 50, 75, 100)]


def test_the_last_line_can_be_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert census.main(["--files", "100", "--in-process", "--json"]) == 0
    answer = last_line(capsys)
    assert answer.keys() >= {"ok", "files", "steps", "seconds", "steps_per_s", "retried", "run_id", "status"}
    assert (answer["ok"], answer["mode"], answer["files"]) == (True, "in-process", 100)
    assert answer["status"] == "completed"
    assert answer["retried"] == plain.hiccups_among(plain.files_under(STDLIB, 100)) > 0


def test_a_planted_difference_is_found(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    honest = plain.figures
    monkeypatch.setattr(plain, "figures", lambda root, paths: honest(root, paths[:-1]))
    assert census.main(["--files", "20", "--in-process", "--json"]) == 1
    answer = last_line(capsys)
    assert (answer["ok"], answer["status"]) == (False, "completed")
    assert "report.files differs: 20 by the flow, 19 by the plain loop" in answer["problems"]


def test_a_lost_retry_is_found(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("file_steps.hiccups", lambda path: False)
    assert census.main(["--files", "100", "--in-process", "--json"]) == 1
    assert [problem.split(":")[0] for problem in last_line(capsys)["problems"]] == ["report.retried differs"]


def test_a_failed_run_is_no_success(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(source: bytes) -> str:
        raise OSError("the disk has gone")

    monkeypatch.setattr(measure, "decode", broken)
    assert census.main(["--files", "5", "--in-process", "--json"]) == 1
    answer = last_line(capsys)
    assert (answer["ok"], answer["status"]) == (False, "failed")
    assert "the disk has gone after 3 attempts" in answer["problems"][0]


def test_a_library_without_files_is_no_success(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(sysconfig, "get_path", lambda name: str(tmp_path))
    assert census.main(["--in-process", "--json"]) == 1
    assert last_line(capsys)["problems"] == [f"there are no .py files under {tmp_path}"]


@pytest.mark.parametrize("number", ["0", "-3", "all"])
def test_the_number_of_files_is_a_number_from_one_on(number: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        census.main(["--files", number])
    assert f"'{number}' is not a whole number from 1 on" in capsys.readouterr().err


def test_a_terminal_gets_a_live_bar(library: str) -> None:
    screen = io.StringIO()
    with Bar(10, Console(file=screen, force_terminal=True, width=100)) as bar:
        watch = Watch(bar)
        result = FlowRuntime([flow.census], events=watch).run_sync(flow.census, {"root": library})
    retries, passes = plain.hiccups_among(plain.files_under(library)), result.outputs["report"]["passes"]
    assert watch.counts == (10, result.steps, retries, passes)
    assert "/10" in screen.getvalue()
    assert "files\n" not in screen.getvalue()


# --- measuring --------------------------------------------------------------------------------------------------------


def test_an_outline_holds_definitions_branches_and_imports() -> None:
    outline = measure.outline(SOURCE)
    assert [(d["kind"], d["name"], d["line"], d["lines"], d["branches"]) for d in outline["definitions"]] == [
        ("class", "Shape", 9, 9, 0),
        ("function", "Shape.area", 10, 8, 1),
        ("function", "Shape.area.inner", 14, 3, 1),
        ("function", "later", 21, 5, 3),
    ]
    assert outline["branches"] == 1
    assert measure.imported_names("pack/module.py", outline["imports"]) == [
        "json", "os.path", "pack.deep.er.thing", "pack.sibling", "sys",
    ]  # fmt: skip
    assert "pack.sub.sibling" in measure.imported_names("pack/sub/__init__.py", outline["imports"])


def test_lines_are_code_comments_or_blank() -> None:
    assert measure.size(SOURCE) == {"lines": 27, "code": 20, "comments": 1, "blank": 6}
    assert measure.size("") == {"lines": 0, "code": 0, "comments": 0, "blank": 0}
    assert measure.size("x\n\n") == {"lines": 2, "code": 1, "comments": 0, "blank": 1}


@pytest.mark.parametrize(("path", "name"), [("a.py", "a"), ("a/__init__.py", "a"), ("a/b.py", "a.b")])
def test_a_path_gives_the_name_of_a_module(path: str, name: str) -> None:
    assert measure.module_name(path) == name


def test_a_relative_import_beyond_the_top_gives_no_name() -> None:
    assert measure.imported_names("a.py", [{"level": 3, "module": "", "names": ["*"]}]) == []
