"""What every test in the repository shares: how Hypothesis draws, how many run at once, the same ids, a heard log."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from typing import Any
from unittest import mock

import pytest
from flowcraft_core import ids
from hypothesis import settings
from hypothesis.internal.conjecture import providers

# The same examples on every run, and no time limit for one: a red test is red for everybody, on slow machines too.
settings.register_profile("steady", derandomize=True, deadline=None)
# New examples on every run: `hatch run test --hypothesis-profile=explore`.
settings.register_profile("explore", deadline=None, max_examples=1_000)
settings.load_profile("steady")

# Hypothesis tries constants of whatever modules of ours are loaded, too; and which are depends on what else ran before
# in the same process. No setting turns that off. (A name that is gone makes this raise.)
mock.patch.object(providers, "is_local_module_file", return_value=False).start()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """More than there are cores, on a small machine: most tests spend their time waiting for time to pass."""
    return max(5, os.cpu_count() or 1)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let chance be another one: ids say which of several workers is first at what."""
    parser.addoption("--ids", default="0", metavar="SEED", help="draw other ids than always (default: 0)")


@pytest.fixture(autouse=True)
def ids_are_the_same_each_time(request: pytest.FixtureRequest) -> Iterator[None]:
    """A test that fails by chance fails each time, for everybody; `--ids 1` lets chance be another one."""
    with ids.seeded(f"{request.config.getoption('ids')} {request.node.nodeid}", somewhere=False):
        yield


@pytest.fixture(autouse=True)
def logging_is_left_as_it_was() -> Iterator[None]:
    """A test that leaves the engine's loggers quiet fails here, and not one that listens to them much later."""
    before = _logging()
    yield
    after = _logging()
    assert {name: after.get(name) for name in before} == before


def _logging() -> dict[str, Any]:
    """What decides whether something that the engine logs is heard."""
    found: dict[str, Any] = {"": (logging.root.manager.disable, logging.root.level)}
    for name, logger in list(logging.root.manager.loggerDict.items()):
        if isinstance(logger, logging.Logger) and (name == "flowcraft" or name.startswith("flowcraft.")):
            found[name] = logger.level, logger.propagate, logger.disabled, logger.filters[:]
    return found
