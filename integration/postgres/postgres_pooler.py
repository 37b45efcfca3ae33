"""PgBouncer in transaction mode, which gives each transaction whatever connection to the server is free."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import servers
from postgres_server import PostgresServer, as_ordinary_user, ordinary_user
from servers import EmulatorError, debian_package, free_port

_START = 30.0


@contextlib.contextmanager
def pooler(server: PostgresServer, *, size: int = 3) -> Iterator[str]:
    """A pooler for a ``with`` block; the address of the server's first database by way of it.

    Args:
        server: The server behind it.
        size: How many connections to the server it has at most.

    Raises:
        EmulatorError: It cannot be installed or started.
    """
    program, port = _program(), free_port()
    folder = Path(tempfile.mkdtemp(prefix="flowcraft-pgbouncer-"))
    settings = {
        "listen_addr": "127.0.0.1",
        "listen_port": port,
        "auth_type": "any",
        "pool_mode": "transaction",
        "default_pool_size": size,
        "max_client_conn": 200,
        "unix_socket_dir": "",
        "logfile": folder / "log",
    }
    where = f"host={server.host} port={server.port} dbname=postgres user=flowcraft"
    lines = ["[databases]", f"postgres = {where}", "[pgbouncer]", *(f"{name} = {it}" for name, it in settings.items())]
    (folder / "pgbouncer.ini").write_text("\n".join(lines) + "\n", encoding="utf-8")
    if os.geteuid() == 0:
        os.chown(folder, *ordinary_user())
    with (folder / "said").open("ab") as said:
        process = subprocess.Popen(
            [sys.executable, servers.__file__, *as_ordinary_user(), program, str(folder / "pgbouncer.ini")],
            cwd=folder,
            stdin=subprocess.PIPE,
            stdout=said,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    url = f"postgresql://flowcraft@127.0.0.1:{port}/postgres"
    try:
        _wait(process, url, folder / "said")
        yield url
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        assert process.stdin is not None
        process.stdin.close()
        shutil.rmtree(folder, ignore_errors=True)


def _wait(process: subprocess.Popen[bytes], url: str, said: Path) -> None:
    end = time.monotonic() + _START
    while True:
        with contextlib.suppress(psycopg.OperationalError), psycopg.connect(url, connect_timeout=2):
            return
        if process.poll() is not None or time.monotonic() > end:
            raise EmulatorError(f"PgBouncer did not start; it said:\n{said.read_text(errors='replace')[-4_000:]}")
        time.sleep(0.05)


def _program() -> str:
    found = debian_package("pgbouncer", _installed)
    if found is None:
        raise EmulatorError("PgBouncer is not installed, and cannot be: have an administrator install it")
    return found


def _installed() -> str | None:
    return shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
