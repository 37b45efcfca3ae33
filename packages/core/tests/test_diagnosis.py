import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from flowcraft_core.diagnosis import CLOCK_SKEW, FAILED, SYMPTOMS, Distribution, Symptom, clock_skew, versions_apart
from flowcraft_core.durable import diagnose
from flowcraft_core.errors import BackendError, ConfigurationError, TransientError
from flowcraft_core.ports import Finding

WARNING = Symptom(code="A-WARNING", part="p", severity="warning", problem="a {what}", remedy="mend {what!r}")
ERROR = Symptom(code="AN-ERROR", part="p", severity="error", problem="worse", remedy="mend it")


def test_a_finding_says_what_it_is_of() -> None:
    found = WARNING.found(what="thing")
    assert (found.code, found.problem, found.remedy) == ("A-WARNING", "a thing", "mend 'thing'")


@pytest.mark.parametrize("symptom", SYMPTOMS, ids=lambda each: each.code)
def test_every_symptom_has_a_code_in_capitals_and_something_to_do(symptom: Symptom) -> None:
    assert symptom.code == symptom.code.upper()
    assert symptom.problem
    assert symptom.remedy


# --- clocks -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("asked", "answered"), [(100.0, 100.2), (100.9, 101.1), (106.0, 106.1), (94.0, 95.1)])
def test_clocks_may_differ_a_little(asked: float, answered: float) -> None:
    assert clock_skew({"S3": (100.0, asked, answered)}) == []


def test_a_slow_answer_is_no_skew() -> None:
    """The service has told its time somewhere in the middle."""
    assert clock_skew({"S3": (100.0, 70.0, 130.0)}) == []


@pytest.mark.parametrize(
    ("asked", "said"), [(111.5, "10 s ahead of that of S3"), (80.0, "20 s behind that of S3")], ids=["ahead", "behind"]
)
def test_a_clock_that_is_off_is_told_by_how_much(asked: float, said: str) -> None:
    (found,) = clock_skew({"S3": (100.0, asked, asked)})
    assert found.code == CLOCK_SKEW.code
    assert said in found.problem


def test_a_machine_has_one_clock_and_one_finding() -> None:
    (found,) = clock_skew({"near": (100.0, 111.0, 111.0), "far": (100.0, 171.0, 171.0)})
    assert "far" in found.problem


# --- versions ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("requirement", "fits"),
    [
        ("flowcraft-core", True),
        ("flowcraft-core>=0.1.0", True),
        ("flowcraft-core (>=0.1.0)", True),
        ("flowcraft_core >= 0.1, < 1", True),
        ("flowcraft-core[otel]>=0.2,!=0.2.0", False),
        ("flowcraft-core>=0.3", False),
        ("flowcraft-core<0.2", False),
        ("flowcraft-core>0.2.0", False),
        ("flowcraft-core<=0.2", True),
        ("flowcraft-core==0.2.*", True),
        ("flowcraft-core==0.2", True),
        ("flowcraft-core==0.1.*", False),
        ("flowcraft-core~=0.1.0", False),
        ("flowcraft-core~=0.1", True),
        ("flowcraft-core===weird", True),
        ("flowcraft-core>=9; extra == 'all'", True),
        ("attrs>=99", True),
    ],
)
def test_versions_that_do_not_fit_are_named(requirement: str, fits: bool) -> None:
    installed = {"flowcraft-core": Distribution("0.2.0"), "flowcraft-aws": Distribution("0.5", [requirement])}
    found = versions_apart(installed)
    assert [each.code for each in found] == ([] if fits else ["VERSIONS-APART"])
    assert all("flowcraft-aws 0.5" in each.problem and "flowcraft-core 0.2.0" in each.problem for each in found)


# --- any backend ------------------------------------------------------------------------------------------------------


class Diagnosed:
    """A backend that has a diagnosis of its own."""

    def __init__(self, *found: Finding, error: Exception | None = None, hangs: bool = False) -> None:
        self._found, self._error, self._hangs = found, error, hangs

    async def diagnose(self) -> Sequence[Finding]:
        if self._hangs:
            await asyncio.Event().wait()
        if self._error is not None:
            raise self._error
        return self._found


class Store:
    def __init__(self, error: Exception | None) -> None:
        self._error = error

    async def get(self, *names: Any) -> Any:
        if self._error is not None:
            raise self._error


class Plain:
    """A backend that has none."""

    def __init__(self, *, opening: Exception | None = None, reading: Exception | None = None) -> None:
        self._opening = opening
        self.context = self.status = Store(None)
        self.coordination = Store(reading)
        self.is_open = False

    async def open(self) -> None:
        if self._opening is not None:
            raise self._opening
        self.is_open = True

    async def close(self) -> None:
        self.is_open = False


async def codes(backend: Any, **options: Any) -> list[str]:
    return [each.code for each in await diagnose(backend, **options)]


async def test_what_is_worst_comes_first_and_all_of_it_once() -> None:
    warning, error = WARNING.found(what="thing"), ERROR.found()
    assert await diagnose(Diagnosed(warning, error, warning)) == [error, warning]  # type: ignore[arg-type]


async def test_a_diagnosis_that_fails_is_a_finding() -> None:
    (found,) = await diagnose(Diagnosed(error=KeyError("Table")))  # type: ignore[arg-type]
    assert found.code == FAILED.code
    assert "KeyError: 'Table'" in found.problem


async def test_a_diagnosis_that_hangs_is_given_up() -> None:
    assert await codes(Diagnosed(hangs=True), patience=0.01) == ["BACKEND-UNREACHABLE"]


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (TransientError("down"), "BACKEND-UNREACHABLE"),
        (BackendError("no table"), "BACKEND-REFUSED"),
        (ConfigurationError("no name"), "BACKEND-REFUSED"),
    ],
)
async def test_a_backend_without_a_diagnosis_is_tried(error: Exception, code: str) -> None:
    assert await codes(Plain()) == []
    for backend in (Plain(opening=error), Plain(reading=error)):
        assert await codes(backend) == [code]
        assert not backend.is_open
