"""The pytest plugin: fixtures for those who test their own flows."""

from __future__ import annotations

import pytest

from .clock import VirtualClock
from .memory import InMemoryBackend
from .simulation.tester import FlowTester


@pytest.fixture
def flowcraft() -> FlowTester:
    """Runs flows in virtual time, with scripted steps, and simulates them."""
    return FlowTester()


@pytest.fixture
def flowcraft_clock() -> VirtualClock:
    """A clock whose time passes in no time, for tests that put runtimes, clients and workers together themselves."""
    return VirtualClock()


@pytest.fixture
def flowcraft_backend(flowcraft_clock: VirtualClock) -> InMemoryBackend:
    """A backend in memory on that clock, as weak as a cloud and not open yet."""
    return InMemoryBackend(clock=flowcraft_clock)
