"""``examples/postgres``, as its README says: set up, a worker, orders; and what becomes of the shop's own rows."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import psycopg
from postgres_server import PostgresServer

_EXAMPLES = Path(__file__).parents[2] / "examples" / "postgres"
_PATIENCE = 120.0


def test_the_example_runs_as_it_is_printed(server: PostgresServer) -> None:
    url = server.create_database("shop")
    environment = {**os.environ, "DATABASE_URL": url}

    def run(*command: str) -> list[str]:
        ended = subprocess.run(
            [sys.executable, *command],
            cwd=_EXAMPLES,
            env=environment,
            capture_output=True,
            text=True,
            timeout=_PATIENCE,
            check=False,
        )
        assert ended.returncode == 0, ended.stderr
        return ended.stdout.splitlines()

    run("set_up.py")
    run("set_up.py")
    worker = subprocess.Popen([sys.executable, "worker.py"], cwd=_EXAMPLES, env=environment, stderr=subprocess.DEVNULL)
    try:
        printed = run("order.py", "tea=2", "pot=1")
        assert printed[0].startswith("run order-")
        assert printed[1] == "completed: shipped: charged 38, took 3 items"
        assert run("order.py", "cup=1")[1].startswith("failed: ")
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(_PATIENCE) == 0
    finally:
        worker.kill()
        worker.wait()
    with psycopg.connect(url) as connection:
        assert connection.execute("SELECT name, number FROM stock ORDER BY name").fetchall() == [
            ("pot", 9),
            ("tea", 98),
        ]
        assert len(connection.execute("SELECT FROM orders").fetchall()) == 2
