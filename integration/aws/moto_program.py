"""moto's server, with one DynamoDB request at a time; run by the interpreter of moto's own environment.

moto takes an item, changes a copy and puts it back, so that one of two racing updates could be lost, which DynamoDB
never does. Requests to SQS go side by side: a long poll waits inside its request.
"""

from __future__ import annotations

import importlib
import sys
import threading
from collections.abc import Callable, Iterable
from typing import Any

# Neither is to be found where the types are checked.
_moto: Any = importlib.import_module("moto.moto_server.werkzeug_app")
_werkzeug: Any = importlib.import_module("werkzeug.serving")

_application: Any = _moto.DomainDispatcherApplication(_moto.create_backend_app)
_one_at_a_time = threading.Lock()


def _served(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    if "DynamoDB" not in environ.get("HTTP_X_AMZ_TARGET", ""):
        answered: Iterable[bytes] = _application(environ, start_response)
        return answered
    with _one_at_a_time:
        return list(_application(environ, start_response))


if __name__ == "__main__":
    _werkzeug.run_simple("127.0.0.1", int(sys.argv[1]), _served, threaded=True)
