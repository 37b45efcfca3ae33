"""The contracts bite: on each mutant the clause that is named for it fails, and on what is sound none does."""

from __future__ import annotations

import json
import re
from pathlib import Path

import attrs
import pytest
from flowcraft_core.durable import Client
from flowcraft_testkit.contracts import CONTRACTS, BackendContract, Clause
from flowcraft_testkit.mutants import MUTANTS, Mutant, is_asked, primary, try_clause
from flowcraft_testkit.mutants import __main__ as program
from flowcraft_testkit.mutants.mutant import clause_id, register, replaces

PAGE = Path(__file__).parents[4] / "docs" / "conformance" / "mutants.md"
ALL = [clause for contract in CONTRACTS.values() for clause in contract.clauses()]
# What memory has not got, processes and a URL, is shown to bite where it is: in the tests of SQLite's backend.
CLAUSES = [clause for clause in ALL if is_asked(clause)]
HARMLESS = Mutant(name="harmless", defect="Does nothing wrong.", clause=CLAUSES[0].id)


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_mutant_fails_the_clause_that_is_named_for_it(mutant: Mutant) -> None:
    assert try_clause(primary(mutant), mutant).why is not None


@pytest.mark.parametrize("clause", CLAUSES, ids=lambda clause: clause.id)
def test_what_is_sound_keeps_every_clause(clause: Clause) -> None:
    assert try_clause(clause).why is None


@pytest.mark.parametrize("name", ["queue", "context", "status", "coordination"])
def test_every_clause_of_a_port_is_named_for_a_mutant(name: str) -> None:
    named = {mutant.clause for mutant in MUTANTS}
    mine = [clause.id for clause in CLAUSES if clause.id.startswith(f"{name}/")]
    assert mine
    assert [clause for clause in mine if clause not in named] == []


def test_every_clause_is_asked_of_what_is_in_memory_but_those_on_processes_and_urls() -> None:
    assert {clause.needs for clause in ALL if clause not in CLAUSES} == {
        ("processes",),
        ("processes", "notices_death"),
        ("by_url",),
    }


# --- the list ---------------------------------------------------------------------------------------------------------


def test_there_are_mutants_of_each_port_and_program() -> None:
    kinds = {mutant.name.partition(".")[0] for mutant in MUTANTS}
    ports = {"queue", "context", "status", "coordination", "backend", "transactional", "queues", "starts"}
    programs = {"engine", "handler", "worker", "client", "reconciler", "storage", "builder", "step", "export", "purge"}
    programs |= {"gather", "reducer", "result"}
    seen = {"telling", "tracing", "describe", "scheduling", "queueing", "fork", "limiting", "undo"}
    seen |= {"staleness", "surrounding"}
    assert kinds == ports | programs | seen
    assert sum(mutant.name.partition(".")[0] not in ports for mutant in MUTANTS) >= 40


def test_a_mutant_says_what_it_gets_wrong() -> None:
    assert all(mutant.defect.endswith(".") for mutant in MUTANTS)
    with pytest.raises(ValueError, match="does not say"):
        register(attrs.evolve(HARMLESS, defect=""))
    with pytest.raises(ValueError, match="two mutants called"):
        register(MUTANTS[0])


def test_a_mutant_takes_what_the_original_takes() -> None:
    """Else it would be caught for a slip of its own, and not for its defect."""

    async def forgetful(original: object, self: object) -> None:
        """Does not know what it is to cancel."""

    decorate = replaces((Client, "cancel"), caught_by=BackendContract.test_a_cancelled_run_starts_nothing_new, name="x")
    with pytest.raises(TypeError, match=r"the mutant x does not take what Client\.cancel takes"):
        decorate(forgetful)
    assert all(mutant.name != "x" for mutant in MUTANTS)


def test_what_is_no_clause_cannot_be_named() -> None:
    async def test_nothing(self: object) -> None: ...

    with pytest.raises(LookupError, match="no clause"):
        clause_id(test_nothing)


def test_an_override_is_not_left_behind() -> None:
    mutant = next(mutant for mutant in MUTANTS if mutant.patches)
    before = [vars(owner).get(name) for owner, name, _ in mutant.patches]
    try_clause(primary(mutant), mutant)
    assert [vars(owner).get(name) for owner, name, _ in mutant.patches] == before


# --- the program ------------------------------------------------------------------------------------------------------


def test_the_program_prints_what_caught_each(capsys: pytest.CaptureFixture[str]) -> None:
    assert program.main(["--json", "--jobs", "1", "OpenedTwice", "UsedInAnyLoop"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert (printed["total"], printed["killed"]) == (2, 2)
    assert [mutant["name"] for mutant in printed["mutants"]] == ["backend.OpenedTwice", "backend.UsedInAnyLoop"]
    assert printed["mutants"][0]["clause"] == clause_id(BackendContract.test_opening_twice_is_refused)
    assert all(mutant["defect"] and mutant["failure"] for mutant in printed["mutants"])


def test_the_program_fails_where_a_mutant_survives(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(program, "failures", lambda place, full=False: {})
    monkeypatch.setattr(program, "ProcessPoolExecutor", Here)
    assert program.main(["OpenedTwice"]) == 1
    assert "SURVIVED backend.OpenedTwice" in capsys.readouterr().out


def test_a_mutant_without_a_defect_survives() -> None:
    assert try_clause(primary(HARMLESS), HARMLESS).why is None


class Here:
    """A pool that works in this process."""

    def __init__(self, jobs: int) -> None:
        self.map = map

    def __enter__(self) -> Here:
        return self

    def __exit__(self, *error: object) -> None: ...


# --- the page ---------------------------------------------------------------------------------------------------------


def test_the_page_is_about_these_mutants() -> None:
    """`python -m flowcraft_testkit.mutants --full` writes it."""
    page = PAGE.read_text(encoding="utf-8")
    sections = re.findall(r"^## (\S+)\n\n(.+)\n\n- \*\*`(.+)`\*\*$", page, re.MULTILINE)
    assert sections == [(mutant.name, mutant.defect, mutant.clause) for mutant in MUTANTS]
    known = {clause.id for clause in CLAUSES} | {"none"}
    assert set(re.findall(r"^- (?:\*\*)?`(.+?)`", page, re.MULTILINE)) <= known


def test_every_clause_is_tripped_by_a_mutant() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert page.endswith("## Clauses that no mutant trips\n\n- `none`\n")
