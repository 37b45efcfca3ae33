"""moto's server, mended where it is not as DynamoDB is; run by the interpreter of moto's own environment.

One DynamoDB request is served at a time: moto takes an item, changes a copy and puts it back, so that one of two racing
updates could be lost, which DynamoDB never does. Requests to SQS go side by side: a long poll waits inside its request.

A value that is compared with one of another type is neither less nor greater than it. In moto that is an error, and a
table in which somebody has written such a one could not be scanned at all.
"""

from __future__ import annotations

import importlib
import sys
import threading
from collections.abc import Callable, Iterable
from typing import Any

# Neither is to be found where the types are checked.
_moto: Any = importlib.import_module("moto.moto_server.werkzeug_app")
_comparisons: Any = importlib.import_module("moto.dynamodb.comparisons")
_werkzeug: Any = importlib.import_module("werkzeug.serving")

_application: Any = _moto.DomainDispatcherApplication(_moto.create_backend_app)
_one_at_a_time = threading.Lock()


def _served(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    if "DynamoDB" not in environ.get("HTTP_X_AMZ_TARGET", ""):
        answered: Iterable[bytes] = _application(environ, start_response)
        return answered
    with _one_at_a_time:
        return list(_application(environ, start_response))


def _mend(comparison: Any) -> None:
    compare = comparison.expr

    def expr(self: Any, item: Any) -> bool:
        try:
            holds: bool = compare(self, item)
        except TypeError:
            return False
        return holds

    comparison.expr = expr


for _name in ("OpLessThan", "OpLessThanOrEqual", "OpGreaterThan", "OpGreaterThanOrEqual", "FuncBetween"):
    _mend(getattr(_comparisons, _name))


if __name__ == "__main__":
    _werkzeug.run_simple("127.0.0.1", int(sys.argv[1]), _served, threaded=True)
