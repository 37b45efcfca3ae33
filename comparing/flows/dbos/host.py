"""Runs the workflows of DBOS, on a SQLite file."""

import asyncio
import contextlib
import importlib
import inspect
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from dbos import DBOS, SetWorkflowID


@contextlib.contextmanager
def session() -> Iterator[str]:
    """How the flows are run."""
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{Path(folder) / 'dbos.sqlite'}"
        DBOS(config={"name": "compare", "system_database_url": url, "log_level": "ERROR", "run_admin_server": False})
        DBOS.launch()
        try:
            yield "on a SQLite file"
        finally:
            DBOS.destroy()


def run(name: str, given: Any, answer: Any) -> Any:
    """What a workflow gives."""
    module = importlib.import_module(name)
    if hasattr(module, "register"):
        module.register()
    workflow, run_id = getattr(module, name), str(uuid.uuid4())
    with SetWorkflowID(run_id):
        if inspect.iscoroutinefunction(inspect.unwrap(workflow)):
            return asyncio.run(workflow(given))
        handle = DBOS.start_workflow(workflow, given)
    if answer is not None:
        DBOS.send(run_id, answer, "answer")
    return handle.get_result()
