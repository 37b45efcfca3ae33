"""The pytest plugin: fixtures for those who test their own flows, and what a failed comparison of paths says."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from .clock import VirtualClock
from .memory import InMemoryBackend
from .tester import FlowTester
from .tester.results import explained


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option."""
    parser.getgroup("flowcraft").addoption(
        "--flowcraft-durable",
        action="store_true",
        help="have the fixture flow_tester run flows on a worker and a backend in memory, and not in one process",
    )


def pytest_assertrepr_compare(op: str, left: object, right: object) -> list[str] | None:
    """Say what became of a run that took another path."""
    return explained(left, right) if op == "==" else None


@pytest.fixture
def flow_tester(request: pytest.FixtureRequest) -> Iterator[FlowTester]:
    """Runs flows in virtual time, with steps replaced, and simulates them."""
    tester = FlowTester(durable=request.config.getoption("--flowcraft-durable"))
    yield tester
    tester.close()


@pytest.fixture
def flowcraft_clock() -> VirtualClock:
    """A clock whose time passes in no time, for tests that put runtimes, clients and workers together themselves."""
    return VirtualClock()


@pytest.fixture
def flowcraft_backend(flowcraft_clock: VirtualClock) -> InMemoryBackend:
    """A backend in memory on that clock, as weak as a cloud and not open yet."""
    return InMemoryBackend(clock=flowcraft_clock)
