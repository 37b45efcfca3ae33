import json
import subprocess
import sys
import tomllib
from importlib import import_module, metadata, resources
from pathlib import Path

import pytest

NAME = "flowcraft_core"
#: What the package itself is, and what fetches its names.
PACKAGE = {NAME, f"{NAME}.on_demand"}
#: Of the package's own, that a program loads which builds a flow and runs it in one process; one that starts runs and
#: looks what became of them; and one that works on them.
MOST_MODULES, MOST_OF_A_CLIENT, MOST_OF_A_WORKER = 77, 106, 125
#: What they have no part in, of the standard library: each takes as long as several modules of ours.
HEAVY = {"dataclasses", "email", "hashlib", "importlib.metadata", "ipaddress", "shutil", "zipfile", "zoneinfo"}


def test_the_package_imports() -> None:
    assert import_module(NAME).__name__ == NAME


def test_type_checkers_may_trust_its_annotations() -> None:
    assert resources.files(NAME).joinpath("py.typed").is_file()


def test_the_installed_version_is_that_of_the_source() -> None:
    project = tomllib.loads(Path(__file__).parents[1].joinpath("pyproject.toml").read_text(encoding="utf-8"))
    assert metadata.version(NAME.replace("_", "-")) == project["project"]["version"]


def _loaded_by(statement: str) -> set[str]:
    """The modules that a statement loads in a fresh interpreter, beside those of asyncio and attrs."""
    program = (
        f"import asyncio, attrs, importlib, json, sys\nbefore = set(sys.modules)\n{statement}\n"
        "print(json.dumps(sorted(set(sys.modules) - before)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout))


def test_importing_the_package_loads_nothing_else() -> None:
    assert _loaded_by(f"import {NAME}") == PACKAGE


RUN = f"""from {NAME} import FlowRuntime, create_flow
flow = create_flow('f').node('a', lambda ctx: 1)
FlowRuntime([flow]).run_sync(flow).raise_for_status()"""


def test_what_a_program_does_not_use_is_not_loaded() -> None:
    loaded = _loaded_by(RUN)
    own = {name.removeprefix(f"{NAME}.").partition(".")[0] for name in loaded if name.startswith(NAME)}
    assert {"builder", "runtime"} <= own
    assert own.isdisjoint({"decorated", "durable", "linting", "telemetry", "webhooks", "schedules", "jobs", "analysis"})
    assert len([name for name in loaded if name.startswith(NAME)]) <= MOST_MODULES
    assert own.isdisjoint({"expressions", "traces", "crontab", "payloads", "pictures", "events", "observing"})
    assert loaded.isdisjoint({f"{NAME}.graph.undoing", f"{NAME}.graph.loops", f"{NAME}.runtime.emitter"})
    assert loaded.isdisjoint(HEAVY)
    errors = _loaded_by(f"from {NAME} import NonRetryableError")
    assert {name for name in errors if name.startswith(NAME)} == PACKAGE | {f"{NAME}.errors"}


def test_what_belongs_to_one_call_of_a_client_is_not_loaded_before() -> None:
    loaded = _loaded_by(f"from {NAME}.durable import Client")
    durable = {name.removeprefix(f"{NAME}.durable.") for name in loaded if name.startswith(f"{NAME}.durable.")}
    assert "client" in durable
    others = {"worker", "engine", "reconciler", "adapter", "forking", "purging", "resuming", "exporting", "finding"}
    assert durable.isdisjoint(others | {"answering", "places", "scheduling", "describing.shapes", "describing.reading"})
    assert loaded.isdisjoint(HEAVY - {"hashlib", "ipaddress"})
    assert len([name for name in loaded if name.startswith(NAME)]) <= MOST_OF_A_CLIENT


def test_what_a_worker_may_never_come_to_is_not_loaded_before() -> None:
    loaded = _loaded_by(f"from {NAME}.durable import Worker")
    own = {name.removeprefix(f"{NAME}.") for name in loaded if name.startswith(NAME)}
    durable = {"client", "reconciler", "retention", "purging", "undoing", "undone", "whole", "scheduling", "results"}
    assert "durable.handler" in own
    assert own.isdisjoint({f"durable.{name}" for name in durable} | {"durable.describing.shapes"})
    assert own.isdisjoint({"schedules", "crontab", "events", "observing", "decorated", "webhooks", "runtime.runtime"})
    assert loaded.isdisjoint(HEAVY - {"hashlib", "ipaddress"})
    assert len(own) <= MOST_OF_A_WORKER


@pytest.mark.parametrize("room", ["durable", "logging", "runtime"])
def test_every_name_of_a_room_is_to_be_had_and_no_other(room: str) -> None:
    package = import_module(f"{NAME}.{room}")
    assert all(hasattr(package, name) for name in package.__all__)
    assert set(package.__all__) == set(package._MODULE_OF) <= set(dir(package))
    assert not hasattr(package, "Flo")


def test_every_name_of_the_package_is_to_be_had_and_no_other() -> None:
    package = import_module(NAME)
    assert all(getattr(package, name).__module__ for name in package.__all__ if name not in ("Step", "Status"))
    assert set(package.__all__) == set(package._MODULE_OF) <= set(dir(package))
    assert not hasattr(package, "Flo")


def test_each_room_can_be_the_first_to_be_imported() -> None:
    root = Path(str(resources.files(NAME)))
    rooms = sorted(path.parent.name for path in root.glob("*/__init__.py") if path.parent.name != "telemetry")
    assert "durable" in rooms
    # In forks of one interpreter, which has loaded none of them.
    program = f"""
import asyncio, attrs, importlib, os
for name in {[*rooms, "builder", "contexts", "definition", "errors", "execution", "ports", "steps"]!r}:
    child = os.fork()
    if not child:
        importlib.import_module("{NAME}." + name)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0, name
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
