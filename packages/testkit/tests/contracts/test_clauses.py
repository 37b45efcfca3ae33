"""Clauses have ids, say what they need, and cannot be got rid of quietly; the report says how each has ended."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import attrs
import pytest
from flowcraft_testkit.contracts import (
    BackendContract,
    ContextStoreContract,
    Contract,
    CoordinationStoreContract,
    Declared,
    JobQueueContract,
    StatusStoreContract,
    excused,
)
from flowcraft_testkit.contracts.listing import listing
from flowcraft_testkit.report import render

pytest_plugins = ["pytester"]

CONTRACTS: list[type[Contract[Any]]] = [
    JobQueueContract,
    ContextStoreContract,
    StatusStoreContract,
    CoordinationStoreContract,
    BackendContract,
]
LISTED = Path(__file__).parents[4] / "docs" / "conformance" / "clauses.md"

MODULE = """
import pytest
from flowcraft_testkit import InMemoryBackend, VirtualClock
from flowcraft_testkit.contracts import BackendContract, CoordinationStoreContract, StatusStoreContract, excused, opened
from flowcraft_testkit.contracts.in_memory import InMemorySideDoor, InMemoryTrouble, declared


class Mine:
    @pytest.fixture
    def clock(self):
        return VirtualClock()

    @pytest.fixture
    def open_backend(self, clock):
        store = InMemoryBackend(clock=clock)
        return lambda: opened(store.connect())


class TestMine(Mine, {contract}):
    {body}
"""


# --- ids --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("contract", CONTRACTS)
def test_every_clause_has_an_id_and_a_promise(contract: type[Contract[Any]]) -> None:
    clauses = contract.clauses()
    assert [clause.method for clause in clauses] == sorted(name for name in dir(contract) if name.startswith("test_"))
    for clause in clauses:
        assert re.fullmatch(rf"{contract.contract}/[a-z0-9_]+", clause.id)
        assert clause.promise.endswith(".")
        assert set(clause.needs) <= set(attrs.fields_dict(Declared))
    assert len({clause.id for clause in clauses}) == len(clauses)


def test_the_listed_clauses_are_those_that_there_are() -> None:
    """Ids are for good: one that is missing was renamed. `python -m flowcraft_testkit.contracts` writes the list."""
    assert LISTED.read_text(encoding="utf-8") == listing(CONTRACTS)


# --- a clause cannot be got rid of ------------------------------------------------------------------------------------


def test_an_overridden_clause_is_refused() -> None:
    with pytest.raises(TypeError, match=r"Mine overrides the clause queue/deliveries_are_counted: .*excused"):

        class Mine(JobQueueContract):
            async def test_deliveries_are_counted(self) -> None: ...


def test_a_removed_clause_is_refused() -> None:
    with pytest.raises(TypeError, match="Mine removes the clause queue/deliveries_are_counted"):

        class Mine(JobQueueContract):
            test_deliveries_are_counted = None  # type: ignore[assignment]


def test_a_clause_that_another_base_overrides_is_refused() -> None:
    class Other:
        async def test_deliveries_are_counted(self) -> None: ...

    with pytest.raises(TypeError, match="Mine overrides"):

        class Mine(Other, JobQueueContract):
            pass


@pytest.mark.parametrize(
    "mark",
    [
        pytest.mark.skip(reason="why not"),
        pytest.mark.xfail(reason="not strict"),
        pytest.mark.xfail(strict=True, reason=" "),
        pytest.mark.xfail(strict=True),
    ],
)
def test_an_excuse_is_strict_and_has_a_reason(mark: pytest.MarkDecorator) -> None:
    async def test_deliveries_are_counted(self: Any) -> None: ...

    with pytest.raises(TypeError, match="overrides"):
        type("Mine", (JobQueueContract,), {"test_deliveries_are_counted": mark(test_deliveries_are_counted)})


def test_an_excused_clause_stays_what_it_is_for_others() -> None:
    original = JobQueueContract.test_deliveries_are_counted

    class Mine(JobQueueContract):
        test_deliveries_are_counted = excused(original, reason="it has no counts")  # type: ignore[assignment]

    assert JobQueueContract.test_deliveries_are_counted is original
    assert not getattr(original, "pytestmark", [])
    assert [clause.id for clause in Mine.clauses()] == [clause.id for clause in JobQueueContract.clauses()]


def test_clauses_of_ones_own_may_be_added() -> None:
    class Mine(JobQueueContract):
        async def test_mine(self) -> None: ...

    assert "queue/mine" not in [clause.id for clause in Mine.clauses()]


# --- a beat ---


def test_a_beat_below_one_is_refused() -> None:
    for beat in (0.5, 0.0, float("nan")):
        with pytest.raises(TypeError, match=r"Mine: beat is .*1 or more"):
            type("Mine", (BackendContract,), {"beat": beat})


def test_a_failure_names_the_beat_and_what_was_measured(pytester: pytest.Pytester) -> None:
    body = """
    @pytest.fixture
    def open_backend(self, clock):
        store = InMemoryBackend(clock=clock)

        class Slow:
            def __init__(self):
                self.backend = store.connect()

            async def __aenter__(self):
                await self.backend.open()
                put = self.backend.context.put

                async def slowly(*args):
                    await clock.sleep(0.75)
                    return await put(*args)

                self.backend.context.put = slowly
                self.backend.queue.send = None
                return self.backend

            async def __aexit__(self, *error): ...

        return Slow

    async def test_of_mine(self):
        async with self.programs():
            assert 1 == 2
    """
    result, report = _report(pytester, "-k", "of_mine or opening_twice", contract="BackendContract", body=body)
    told = "beat is 1 s, and a round of calls took up to 0.75 s of the backend's clock: too long for it, raise beat"
    result.stdout.fnmatch_lines([f"*{told}*", f"flowcraft: TestMine: {told}"])
    assert report["contracts"][0]["beat"] == told


# --- the report -------------------------------------------------------------------------------------------------------


def _report(pytester: pytest.Pytester, *options: str, contract: str, body: str) -> tuple[pytest.RunResult, Any]:
    pytester.makepyfile(MODULE.format(contract=contract, body=body))
    path = pytester.path / "reports" / "report.json"
    arguments = ("-p", "flowcraft_testkit.report", "-p", "no:cacheprovider", "-o", "asyncio_mode=auto")
    result = pytester.runpytest_subprocess(*arguments, f"--flowcraft-report={path}", *options)
    return result, json.loads(path.read_text(encoding="utf-8"))


DECLARES_NOTHING_ODD = """
    from flowcraft_testkit.contracts import Declared
    declared = Declared(
        skips_time=True, cuts=True, outages=True, refusals=True, processes=False, other_store=True, depth="each",
        newest_first=False,
    )

    @pytest.fixture
    def store(self, clock):
        return InMemoryBackend(clock=clock)

    @pytest.fixture
    def open_backend(self, store):
        return lambda: opened(store.connect())

    @pytest.fixture
    def trouble(self, store):
        return InMemoryTrouble(store)

    @pytest.fixture
    def open_other(self, clock):
        store = InMemoryBackend(clock=clock)
        return lambda: opened(store.connect())
"""


def test_a_report_has_every_clause_with_its_result(pytester: pytest.Pytester) -> None:
    result, report = _report(pytester, contract="CoordinationStoreContract", body=DECLARES_NOTHING_ODD)
    number = len(CoordinationStoreContract.clauses())
    result.assert_outcomes(passed=number - 1, skipped=1)
    (contract,) = report["contracts"]
    assert (contract["class"], contract["contract"]) == ("TestMine", "coordination")
    assert [clause["id"] for clause in contract["clauses"]] == [each.id for each in CoordinationStoreContract.clauses()]
    assert {clause["result"] for clause in contract["clauses"]} == {"passed", "absent"}
    assert all(clause["seconds"] > 0 for clause in contract["clauses"])
    assert report["totals"]["passed"] == number - 1
    assert render(report).splitlines() == [
        "| contract | clauses | passed | absent |",
        "| --- | ---: | ---: | ---: |",
        f"| coordination | {number} | {number - 1} | 1 |",
        "",
        "- `coordination/two_processes_are_as_two_clients`: absent (processes)",
    ]


def test_a_report_is_of_all_processes(pytester: pytest.Pytester) -> None:
    """Each of those of pytest-xdist has asked some of the clauses."""
    path = pytester.path / "ids"
    body = (
        DECLARES_NOTHING_ODD
        + f"""
    def teardown_method(self, method):
        import os
        with open({str(path)!r}, "a") as ids:
            ids.write(f"{{os.getpid()}}\\n")
    """
    )
    result, report = _report(pytester, "-n", "2", contract="CoordinationStoreContract", body=body)
    number = len(CoordinationStoreContract.clauses())
    result.assert_outcomes(passed=number - 1, skipped=1)
    assert len(set(path.read_text().split())) == 2
    (contract,) = report["contracts"]
    assert {clause["result"] for clause in contract["clauses"]} == {"passed", "absent"}
    assert report["totals"]["passed"] == number - 1


def test_of_a_test_that_is_tried_again_the_last_try_counts(pytester: pytest.Pytester) -> None:
    """As plugins do that run again what has failed."""
    pytester.makeconftest(
        """
        from _pytest.runner import runtestprotocol

        def pytest_runtest_protocol(item, nextitem):
            if any(report.failed for report in runtestprotocol(item, nextitem=nextitem, log=False)):
                item._initrequest()
                runtestprotocol(item, nextitem=nextitem)
                return True
        """
    )
    body = """
    tries = 0

    @pytest.fixture
    def open_backend(self, clock):
        TestMine.tries += 1
        assert TestMine.tries > 1
        return InMemoryBackend(clock=clock).connect
    """
    _, report = _report(pytester, "-k", "counts_once", contract="CoordinationStoreContract", body=body)
    assert (report["totals"]["passed"], report["totals"]["failed"]) == (1, 0)


def test_what_is_undeclared_is_skipped_and_said(pytester: pytest.Pytester) -> None:
    result, report = _report(pytester, contract="StatusStoreContract", body="...")
    skipped = [clause for clause in report["contracts"][0]["clauses"] if clause["result"] != "passed"]
    needs = (
        *("cuts", "index_lag", "newest_first", "other_store", "outages", "processes", "refusals", "side_door"),
        "skips_time",
    )
    assert {(clause["result"], clause["why"]) for clause in skipped} == {("undeclared", need) for need in needs}
    told = ", ".join(f"{4 if need == 'newest_first' else 1} for {need}" for need in needs)
    result.stdout.fnmatch_lines([f"flowcraft: TestMine skips undeclared clauses: {told}"])
    assert "- `status/the_store_holds_the_status_as_it_is`: undeclared (side_door)" in render(report)


def test_what_is_absent_excused_failing_or_deselected_is_told_apart(pytester: pytest.Pytester) -> None:
    clause = "test_a_run_has_one_status"
    body = f"""
    from flowcraft_testkit.contracts import Declared
    declared = Declared(index_lag=False, side_door=False)
    {clause} = excused(StatusStoreContract.{clause}, reason="two will do")

    @pytest.fixture
    def open_backend(self, clock, request):
        store = InMemoryBackend(clock=clock)

        class Broken:
            async def __aenter__(self):
                backend = store.connect()
                await backend.open()
                if "one_status" in request.node.name or "ends_once" in request.node.name:
                    backend.status.create = self.create
                return backend

            async def __aexit__(self, *error): ...

            async def create(self, status):
                return True

        return Broken
    """
    chosen = "one_status or ends_once or outlive or settled"
    _, report = _report(pytester, "-k", chosen, contract="StatusStoreContract", body=body)
    results = {clause["id"]: (clause["result"], clause["why"]) for clause in report["contracts"][0]["clauses"]}
    assert results["status/a_run_has_one_status"] == ("excused", "two will do")
    assert results["status/what_has_long_settled_is_found_as_it_is"] == ("absent", "index_lag")
    assert results["status/statuses_outlive_their_client"] == ("passed", None)
    assert results["status/a_deleted_run_is_not_found"] == ("not run", None)
    assert results["status/a_run_ends_once"][0] == "failed"
    assert "assert" in str(results["status/a_run_ends_once"][1])


def test_an_excuse_that_is_not_needed_any_more_fails(pytester: pytest.Pytester) -> None:
    clause = "test_a_member_counts_once"
    body = f"""{clause} = excused(CoordinationStoreContract.{clause}, reason="it counts twice")"""
    result, report = _report(pytester, "-k", "counts_once", contract="CoordinationStoreContract", body=body)
    result.assert_outcomes(failed=1)
    assert report["totals"]["failed"] == 1


def test_an_override_fails_at_collection(pytester: pytest.Pytester) -> None:
    result, report = _report(
        pytester, contract="CoordinationStoreContract", body="async def test_a_member_counts_once(self): ..."
    )
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*TypeError: TestMine overrides the clause coordination/a_member_counts_once*"])
    assert report["contracts"] == []
