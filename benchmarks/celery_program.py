"""Chains on Celery, by the interpreter of its own environment: its application, and a client of it as a program.

Settings come by the environment, as JSON. The program takes requests on its input, a token of JSON each, and starts a
chain under it.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
from typing import Any

from peers_steps import CELERY, LENGTH, tell_end

# Not to be found where the types are checked.
_celery: Any = importlib.import_module("celery")

app: Any = _celery.Celery("bench")
app.conf.update(json.loads(os.environ[CELERY]))


@app.task(name="step")  # type: ignore[untyped-decorator]
def step(number: int, token: str) -> int:
    """Does nothing; the last of a chain tells so."""
    if number == LENGTH - 1:
        tell_end(token)
    return 1


def main() -> None:
    """Start what the input asks for, until it ends."""
    print("open", flush=True)
    for line in sys.stdin:
        token = json.loads(line)
        _celery.chain(*(step.si(number, token) for number in range(LENGTH))).apply_async()


if __name__ == "__main__":
    main()
