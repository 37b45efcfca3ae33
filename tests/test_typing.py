"""The samples of what type checkers say are read as they are meant."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent


def load_tool() -> Any:
    spec = importlib.util.spec_from_file_location("typing_test", ROOT / "tools" / "typing_test.py")
    assert spec is not None
    assert spec.loader is not None
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    return tool


def test_every_refused_sample_expects_something_and_no_accepted_one_does() -> None:
    tool = load_tool()
    folder = ROOT / "tests" / "typing"
    for file in sorted(folder.rglob("*.py")):
        wanted = tool.expected([file])
        assert bool(wanted["mypy"]) is ("refused" in file.parts), file
        assert wanted["mypy"].keys() == wanted["pyright"].keys()


def test_an_expectation_that_is_not_one_is_told(tmp_path: Path) -> None:
    sample = tmp_path / "sample.py"
    sample.write_text("n: int = ''  #: mypy=assignment\n", encoding="utf-8")
    with pytest.raises(SystemExit, match=r"sample.py:1: an expectation is written"):
        load_tool().expected([sample])


def test_what_only_follows_from_another_mistake_is_left_out() -> None:
    tool = load_tool()
    assert tool.without_consequences({"call-overload", "untyped-decorator"}) == {"call-overload"}
    assert tool.without_consequences({"reportUnknownMemberType"}) == {"reportUnknownMemberType"}
