"""What the pages on guarantees and on writing an adapter name, there is."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path

import pytest
from flowcraft_testkit.contracts import CONTRACTS
from flowcraft_testkit.mutants import MUTANTS

ROOT = Path(__file__).parents[4]
GUARANTEES = (ROOT / "docs" / "guarantees.md").read_text(encoding="utf-8")
ADAPTER = (ROOT / "docs" / "write-an-adapter.md").read_text(encoding="utf-8")
TEMPLATE = ROOT / "examples" / "adapter_template"

CLAUSES = {clause.id for contract in CONTRACTS.values() for clause in contract.clauses()}
PROMISES = re.split(r"^## (?=\d)", GUARANTEES, flags=re.MULTILINE)[1:]


def section(promise: str, kind: str) -> str:
    found = re.search(rf"^- {kind}: (.*?)(?=^- |\Z)", promise, re.MULTILINE | re.DOTALL)
    assert found is not None, f"no {kind.lower()} for {promise.splitlines()[0]}"
    return found[1]


def test_there_are_eleven_promises() -> None:
    assert [promise.partition(".")[0] for promise in PROMISES] == [str(number) for number in range(1, 12)]


@pytest.mark.parametrize("promise", PROMISES, ids=lambda promise: promise.splitlines()[0])
def test_each_promise_names_clauses_tests_and_mutants_that_there_are(promise: str) -> None:
    clauses = re.findall(r"`([a-z]+/[a-z0-9_]+)`", section(promise, "Clauses"))
    mutants = re.findall(r"`([a-z]+\.[A-Za-z]+)`", section(promise, "Mutants"))
    assert len(clauses) >= 3
    assert [clause for clause in clauses if clause not in CLAUSES] == []
    assert len(mutants) >= 4
    assert [mutant for mutant in mutants if mutant not in {each.name for each in MUTANTS}] == []
    assert re.search(r"\]\(\.\./\S+\.py\)", section(promise, "Tests"))


@pytest.mark.parametrize("promise", PROMISES, ids=lambda promise: promise.splitlines()[0])
def test_a_mutant_of_a_promise_is_caught_by_a_clause_of_it(promise: str) -> None:
    """At least one: others are caught by what comes first on their way."""
    clauses = set(re.findall(r"`([a-z]+/[a-z0-9_]+)`", section(promise, "Clauses")))
    named = set(re.findall(r"`([a-z]+\.[A-Za-z]+)`", section(promise, "Mutants")))
    caught = [mutant.name for mutant in MUTANTS if mutant.name in named and mutant.clause in clauses]
    assert len(caught) >= 3


@pytest.mark.parametrize("page", [GUARANTEES, ADAPTER], ids=["guarantees", "write-an-adapter"])
def test_links_lead_somewhere(page: str) -> None:
    links = re.findall(r"\]\(([^)#:]+)\)", page)
    assert links
    assert [link for link in links if not (ROOT / "docs" / link).exists()] == []


def test_the_code_on_the_page_is_the_templates() -> None:
    blocks = re.findall(r"^```python\n# (\S+)\n(.*?)^```$", ADAPTER, re.MULTILINE | re.DOTALL)
    assert len(blocks) >= 8
    for path, code in blocks:
        source = (TEMPLATE / path).read_text(encoding="utf-8")
        assert textwrap.indent(textwrap.dedent(code), "    " * _depth(code)) in source, f"{path} has no such lines"


def test_the_template_is_small() -> None:
    lines = [
        line
        for path in (TEMPLATE / "directory_backend").glob("*.py")
        for line in path.read_text(encoding="utf-8").splitlines()
        if line.strip()
    ]
    assert len(lines) < 400


def test_the_table_on_the_page_has_every_clause() -> None:
    for name, contract in CONTRACTS.items():
        assert re.search(rf"^\| {name} \| {len(contract.clauses())} \|", ADAPTER, re.MULTILINE)


def _depth(code: str) -> int:
    return min((len(line) - len(line.lstrip())) // 4 for line in code.splitlines() if line.strip())
