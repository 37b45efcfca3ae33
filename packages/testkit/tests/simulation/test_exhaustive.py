"""Every crash, and many orders of two workers' requests; the command tries more of them."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest
from flowcraft_core.ports import Fact
from flowcraft_testkit.memory import InMemoryContextStore
from flowcraft_testkit.simulation import SCENARIOS, Faults, crashes, interleavings, simulate
from flowcraft_testkit.simulation.__main__ import main
from flowcraft_testkit.simulation.exhaustive import again

#: In the tests one of so many requests is a crash point, and so many orders of each scenario are tried.
STRIDE = 6
BUDGET = 6


@pytest.mark.parametrize("name", SCENARIOS)
def test_no_crash_at_any_request_breaks_a_promise(name: str) -> None:
    # Of the small one that once lost a run at two of its requests, each is tried.
    done = crashes(SCENARIOS[name], stride=1 if name == "doubly" else STRIDE)
    assert done.crash_points >= 6
    assert not done.violations, str(done.violations[0])


@pytest.mark.parametrize("name", SCENARIOS)
def test_no_order_of_two_workers_breaks_a_promise(name: str) -> None:
    done = interleavings(SCENARIOS[name], budget=BUDGET)
    assert BUDGET / 2 < done.interleavings <= BUDGET < done.of_interleavings
    assert not done.violations, str(done.violations[0])


def test_all_orders_with_two_changes_are_tried_if_the_budget_allows() -> None:
    few = interleavings(SCENARIOS["failure"], budget=10**6)
    assert few.interleavings == few.of_interleavings > 100
    assert not few.violations


def test_a_write_that_looks_first_and_then_writes_is_found_by_some_order(monkeypatch: pytest.MonkeyPatch) -> None:
    async def put(self: Any, run_id: str, key: str, fact: Fact) -> Fact | None:
        request, facts, writer = self._connection.request, self._facts, self._connection
        standing: Fact | None = (await request(facts.read, run_id, [key], writer)).get(key)
        return standing or await request(facts.write_if, run_id, key, fact, lambda _: True, writer)

    monkeypatch.setattr(InMemoryContextStore, "put", put)
    found = interleavings(SCENARIOS["chain"], budget=100).violations
    assert any("was changed after it was stored" in problem for problem in found[0].problems)
    # In the plain order, in which nobody looks between the two, it is not.
    assert not simulate(SCENARIOS["chain"], seeds=3, faults=Faults.none()).violations
    assert again(SCENARIOS["chain"], found[0].seed).violations == found[0].problems


# --- the command ------------------------------------------------------------------------------------------------------


def test_the_command_counts_schedules_faults_and_violations(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--seeds", "26", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["schedules"], told["scenarios"], told["violations"]) == (26, len(SCENARIOS), 0)
    assert told["faults"]
    assert told["schedules_per_s"] > 0


def test_the_command_uses_processes() -> None:
    command = [sys.executable, "-m", "flowcraft_testkit.simulation", "--seeds", "26", "--jobs", "2", "--json"]
    done = subprocess.run(command, capture_output=True, check=True, text=True)
    assert json.loads(done.stdout)["schedules"] == 26


def test_the_command_draws_new_seeds_and_says_which(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--fresh", "2", "--scenario", "chain", "--json"]) == 0
    said = capsys.readouterr()
    first, after = json.loads(said.out)["seeds"]
    assert after == first + 2
    assert said.err == f"seeds {first} to {after - 1}\n"


def test_the_command_tries_every_crash(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--exhaustive", "--scenario", "failure", "--budget", "20", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["crash_points"] > 25
    assert told["interleavings"] > 10
    assert told["violations"] == 0


def test_the_command_takes_every_so_manieth_crash(capsys: pytest.CaptureFixture[str]) -> None:
    told = []
    for stride in ("1", "3"):
        assert main(["--exhaustive", "--scenario", "wait", "--budget", "1", "--stride", stride, "--json"]) == 0
        told.append(json.loads(capsys.readouterr().out)["crash_points"])
    assert told[1] < told[0] / 2


@pytest.mark.parametrize("seed", ["7", "7:worker-1.4", "@worker.3:crash after", "@client.2:unanswered", "~2.0,9.0"])
def test_the_command_shows_one_schedule(seed: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--replay", f"chain:{seed}"]) == 0
    assert "nothing went wrong" in capsys.readouterr().out


def test_the_command_names_the_scenarios_that_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--replay", "nonsense:7"]) == 2
    assert "there is no scenario 'nonsense'; there are: chain, if_else" in capsys.readouterr().err
