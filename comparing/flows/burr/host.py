"""Runs the applications of Burr."""

import contextlib
import importlib
from collections.abc import Iterator
from typing import Any


@contextlib.contextmanager
def session() -> Iterator[str]:
    """How the flows are run."""
    yield "in one process; who waits for an answer, and for how long, is up to the program around it"


def run(name: str, given: Any, answer: Any) -> Any:
    """What an application gives."""
    application = importlib.import_module(name).build(given)
    if name == "approval":
        application.run(halt_after=["ask"])
        inputs = {"by": answer and answer["by"]}
        _, _, state = application.run(halt_after=["pay", "lapse"], inputs=inputs)
    else:
        _, _, state = application.run(halt_after=[application.graph.actions[-1].name])
    return state["output"]
