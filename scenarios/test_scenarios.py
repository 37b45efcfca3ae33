import json

import pytest
from backend import Backend
from carrying_out import carry_out_alone
from catalogue import BACKENDS, NUMBERS, SCENARIOS, in_order
from in_process import InProcess
from scenario import Scenario
from scenario_command import main

# On SQLite time is real, if twenty times as fast: minutes in all, for `hatch run scenarios` and not for a test.
QUICK = {name: make for name, make in BACKENDS.items() if name != "sqlite"}


@pytest.mark.parametrize("make", QUICK.values(), ids=QUICK)
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: str(scenario.id))
def test_a_scenario_holds(scenario: Scenario, make: type[Backend]) -> None:
    result = carry_out_alone(scenario, make)
    if result.status == "n/a":
        pytest.skip(result.why or "")
    assert result.status == "pass", f"{result.title}: {result.why}"


def test_every_scenario_is_there_once() -> None:
    assert [scenario.id for scenario in SCENARIOS] == list(NUMBERS)


def test_one_that_is_missing_or_doubled_is_an_error_and_no_smaller_list() -> None:
    with pytest.raises(LookupError, match=r"missing \[1\], more than once \[\], not on the list \[\]"):
        in_order(SCENARIOS[1:])
    with pytest.raises(LookupError, match=r"missing \[\], more than once \[2\], not on the list \[99\]"):
        in_order([*SCENARIOS, SCENARIOS[1], Scenario(id=99, title="made up")])


def test_a_scenario_is_checked_or_says_where_it_is_absent() -> None:
    for scenario in SCENARIOS:
        for name, make in BACKENDS.items():
            assert scenario.checks_on(make) or name in scenario.absent, (scenario.id, name)


async def _holds(backend: Backend) -> None:
    assert backend.name == "in-process"


async def _does_not_hold(backend: Backend) -> None:
    raise AssertionError("the join: 2, not 1")


async def _breaks(backend: Backend) -> None:
    raise LookupError("no such node")


def _planted() -> list[Scenario]:
    return [
        Scenario(id=1, title="holds", checks=[_holds, _holds]),
        Scenario(id=2, title="fails in two of its checks", checks=[_does_not_hold, _holds, _breaks]),
        Scenario(id=3, title="is absent", checks=[_breaks], absent={"in-process": "because"}),
        Scenario(id=4, title="is checked by nothing"),
    ]


def test_what_fails_is_reported_with_each_reason_and_fails_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--json", "--backend", "in-process"], _planted()) == 1
    printed = capsys.readouterr().out.splitlines()
    answer = json.loads(printed[-1])
    assert answer["ok"] is False
    assert [(row["id"], row["backend"], row["status"]) for row in answer["results"]] == [
        (1, "in-process", "pass"),
        (2, "in-process", "fail"),
        (3, "in-process", "n/a"),
        (4, "in-process", "fail"),
    ]
    assert [row["why"] for row in answer["results"]] == [
        None,
        "_does_not_hold: the join: 2, not 1; _breaks: LookupError: no such node",
        "because",
        "nothing checks it yet",
    ]
    assert printed[-2] == "4 scenarios: 1 pass, 2 fail, 1 n/a"


def test_what_is_asked_for_is_carried_out_and_nothing_else(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--json", "--only", "1,3", "--backend", "in-process"], _planted()) == 0
    answer = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert answer["ok"] is True
    assert [row["id"] for row in answer["results"]] == [1, 3]


def test_scenarios_are_asked_for_by_ranges_too(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--json", "--only", "1,3-4", "--backend", "in-process"], _planted()) == 1
    answer = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert [row["id"] for row in answer["results"]] == [1, 3, 4]


def test_a_step_that_ends_the_event_loop_fails_its_scenario_and_no_more() -> None:
    async def exits(backend: Backend) -> None:
        raise SystemExit("no licence")

    result = carry_out_alone(Scenario(id=1, title="exits", checks=[exits]), InProcess)
    assert (result.status, result.why) == ("fail", "exits: a step's SystemExit('no licence') has ended the program")


def test_without_json_the_last_line_is_the_count(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--only", "1", "--backend", "in-process"], _planted()) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "1 scenarios: 1 pass, 0 fail, 0 n/a"


@pytest.mark.parametrize(
    "arguments", [["--only", "99"], ["--only", "2-9"], ["--only", "3-2"], ["--only", "x"], ["--backend", "nowhere"]]
)
def test_what_there_is_not_is_refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(arguments, _planted())
    capsys.readouterr()


def test_each_check_has_a_backend_of_its_own() -> None:
    seen: list[Backend] = []

    async def look(backend: Backend) -> None:
        seen.append(backend)

    carry_out_alone(Scenario(id=1, title="twice", checks=[look, look]), InProcess)
    assert len({id(backend) for backend in seen}) == 2
