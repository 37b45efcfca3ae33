"""What each distribution loads before its first use: modules are counted, as time is what a busy machine makes of it.

``hatch run bench startup`` measures the time. What creeps in is to fail here first.
"""

import json
import subprocess
import sys
from importlib import import_module
from typing import NamedTuple

import pytest


class FirstUse(NamedTuple):
    """A first use, what it stands on, how much it may load at most, and some of core that it has no part in."""

    first: str
    then: str
    most: int
    others: str


FIRST_USES = {
    "in Lambda": FirstUse(
        first="boto3",
        then="from flowcraft_aws import SqsAdapter",
        most=130,
        others="durable.client durable.worker durable.reconciler durable.answering durable.undoing durable.describing "
        "durable.scheduling events observing runtime.runtime urls diagnosis",
    ),
    "on Azure": FirstUse(
        first="azure.cosmos.aio, azure.storage.queue.aio, redis.asyncio",
        then="from flowcraft_azure import AzureBackend",
        most=89,
        others="durable.adapter durable.handler durable.client runtime diagnosis",
    ),
    "on SQLite": FirstUse(
        first="sqlite3",
        then="from flowcraft_sqlite import SqliteBackend",
        most=64,
        others="durable.adapter durable.handler durable.client runtime.runtime diagnosis",
    ),
    "on PostgreSQL": FirstUse(
        first="psycopg",
        then="from flowcraft_postgres import PostgresBackend",
        most=41,
        others="durable graph runtime logging",
    ),
    "the inspector": FirstUse(
        first="jinja2, starlette.applications",
        then="from flowcraft_ui import inspector",
        most=102,
        others="durable.client durable.worker durable.describing runtime.runtime",
    ),
    "tests in memory": FirstUse(
        first="pytest",
        then="from flowcraft_testkit.memory import InMemoryBackend",
        most=28,
        others="durable graph runtime logging",
    ),
}


def _loaded_by(first: str, statement: str) -> set[str]:
    """The modules of ours that a statement loads in a fresh interpreter."""
    program = f"import json, sys, {first}\n{statement}\nprint(json.dumps(list(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return {name for name in json.loads(done.stdout) if name.startswith("flowcraft")}


@pytest.mark.parametrize("use", FIRST_USES)
def test_a_first_use_loads_no_more_than_it_did(use: str) -> None:
    first, then, most, others = FIRST_USES[use]
    loaded = _loaded_by(first, then)
    assert loaded.isdisjoint(f"flowcraft_core.{name}" for name in others.split())
    assert len(loaded) <= most, sorted(loaded)


def test_who_tests_in_memory_loads_no_simulation() -> None:
    loaded = _loaded_by("pytest", "from flowcraft_testkit import InMemoryBackend")
    rooms = {name.split(".")[1] for name in loaded if name.startswith("flowcraft_testkit.")}
    assert rooms == {"memory"}


@pytest.mark.parametrize("name", ["flowcraft_aws", "flowcraft_azure", "flowcraft_testkit"])
def test_every_name_of_a_distribution_is_to_be_had_and_no_other(name: str) -> None:
    package = import_module(name)
    assert all(hasattr(package, each) for each in package.__all__)
    assert set(package.__all__) == set(package._MODULE_OF) <= set(dir(package))
    assert not hasattr(package, "Flo")
    # Else who imports the module before the name gets the module.
    assert {each.rpartition(".")[2] for each in package._MODULE_OF.values()}.isdisjoint(package.__all__)
