"""A folder of a user's own, with a flow in it, and the command in it."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from flowcraft_cli import main

from .helpers import FLOWS, Commanding

# All of them are loaded before a test is: each test has a list of modules of its own, and would load one of its own.
list(main.commands.values())


@pytest.fixture
def cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Commanding]:
    monkeypatch.chdir(tmp_path)
    for name in ("FLOWCRAFT_BACKEND", "FLOWCRAFT_FLOWS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(sys, "modules", dict(sys.modules))
    handlers, level = logging.root.handlers[:], logging.root.level
    (tmp_path / "shop.py").write_text(FLOWS, encoding="utf-8")
    yield Commanding(tmp_path)
    logging.root.handlers[:], logging.root.level = handlers, level
