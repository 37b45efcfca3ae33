"""Runs the flows of a folder, by the interpreter of that library: ``python flow_runner.py <folder> <cases as JSON>``.

It prints a line of JSON for each case: the flow, and its answer or what went wrong; and first one of how they are run.
"""

from __future__ import annotations

import importlib
import json
import sys
import traceback
from typing import Any


def main(folder: str, said: str) -> None:
    """Run them."""
    sys.path.insert(0, folder)
    host = importlib.import_module("host")
    with host.session() as how:
        print(json.dumps({"how": how}), flush=True)
        for flow, given, answer in json.loads(said):
            print(json.dumps(_told(host, flow, given, answer)), flush=True)


def _told(host: Any, flow: str, given: Any, answer: Any) -> dict[str, Any]:
    try:
        module = importlib.import_module(flow)
        tidied = getattr(module, "tidied", [])
        tidied.clear()
        return {"flow": flow, "answer": [host.run(flow, given, answer), *tidied]}
    except Exception:  # whatever it was, it is told
        return {"flow": flow, "error": traceback.format_exc()}


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
