"""No expression of the hostile corpus gets anywhere, tried in a process with little memory and time."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

CORPUS = Path(__file__).with_name("hostile_expressions.py")
SECONDS_EACH = 0.25  # the slowest takes about a twentieth of this

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="limits memory as Linux does")


def tried(language: str = "") -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, str(CORPUS), language]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)


def outcomes(done: subprocess.CompletedProcess[str]) -> list[dict[str, Any]]:
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.fixture(scope="module")
def corpus() -> list[dict[str, Any]]:
    return outcomes(tried())


def test_the_corpus_is_large_and_varied(corpus: list[dict[str, Any]]) -> None:
    groups = Counter(case["group"] for case in corpus)
    assert len(corpus) >= 250, groups
    assert min(groups.values()) >= 4, groups


def test_every_hostile_expression_is_stopped_where_it_should_be(corpus: list[dict[str, Any]]) -> None:
    assert [case for case in corpus if case["actual"] != case["expected"]] == []


def test_no_hostile_expression_takes_long(corpus: list[dict[str, Any]]) -> None:
    assert [case for case in corpus if case["seconds"] > SECONDS_EACH] == []


def test_the_corpus_finds_a_language_that_lets_everything_through() -> None:
    found = outcomes(tried("permissive"))
    stopped = {"refused", "fails"}
    assert all(case["actual"] != case["expected"] for case in found if case["expected"] in stopped)


def test_the_limit_of_memory_holds() -> None:
    done = tried("greedy")
    assert done.returncode == 1
    assert "MemoryError" in done.stderr
