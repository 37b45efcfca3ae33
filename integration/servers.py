"""Emulators as local processes: installed once outside the repository, started on free ports, ended by their own ids.

    with served("moto", command_for_port, answers_http("/moto-api/")) as server:
        ... server.url ...

A server that cannot be installed or started is an error that shows the end of its log; nothing is ever skipped for it.
"""

from __future__ import annotations

import contextlib
import fcntl
import functools
import hashlib
import http.client
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import venv
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal, TypeAlias, TypeVar

import attrs

T = TypeVar("T")

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "flowcraft-emulators"

#: A server may lose its port to another process between asking for it and taking it.
_TRIES = 3
_LOG_TAIL = 4_000


class EmulatorError(Exception):
    """An emulator cannot be installed, started or found; the message says which, and shows its log."""


@attrs.frozen
class Server:
    """A server that answers.

    Attributes:
        name: What it is.
        host: Where it listens.
        port: And on which port.
    """

    name: str
    host: str
    port: int

    @property
    def url(self) -> str:
        """Its address, for clients that speak HTTP."""
        return f"http://{self.host}:{self.port}"


#: Whether a server is ready.
Ready: TypeAlias = Callable[[Server], bool]


# --- containers or processes ------------------------------------------------------------------------------------------


@functools.cache
def flavour() -> Literal["containers", "processes"]:
    """How emulators run: as ``FLOWCRAFT_EMULATORS`` says, else in containers where a Docker engine answers.

    Raises:
        EmulatorError: The variable says something else, or asks for containers where no engine answers.
    """
    wanted = os.environ.get("FLOWCRAFT_EMULATORS")
    if wanted not in (None, "", "containers", "processes"):
        raise EmulatorError(f"FLOWCRAFT_EMULATORS={wanted!r}: it can be 'containers' or 'processes'")
    if wanted == "processes":
        return "processes"
    if docker_answers():
        return "containers"
    if wanted == "containers":
        raise EmulatorError("FLOWCRAFT_EMULATORS=containers, but no Docker engine answers `docker info`: start one")
    return "processes"


def docker_answers() -> bool:
    """Whether a Docker engine can be used from here."""
    docker = shutil.which("docker")
    if docker is None:
        return False
    try:
        return subprocess.run([docker, "info"], capture_output=True, timeout=20, check=False).returncode == 0
    except subprocess.TimeoutExpired:
        return False


# --- processes --------------------------------------------------------------------------------------------------------


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def answers_tcp(server: Server) -> bool:
    """Whether it takes connections."""
    with contextlib.suppress(OSError), socket.create_connection((server.host, server.port), timeout=1):
        return True
    return False


def answers_http(path: str) -> Ready:
    """Gives a check whether a path is answered, with any status below 500."""

    def answers(server: Server) -> bool:
        connection = http.client.HTTPConnection(server.host, server.port, timeout=5)
        try:
            connection.request("GET", path)
            return connection.getresponse().status < 500
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    return answers


@contextlib.contextmanager
def served(
    name: str,
    command: Callable[[int], Sequence[str]],
    ready: Ready,
    *,
    environment: Mapping[str, str] | None = None,
    deadline: float = 90.0,
) -> Iterator[Server]:
    """Run a server for a ``with`` block.

    Args:
        name: What it is, for messages.
        command: Gives the command that serves on a port. Its working directory is a temporary one.
        ready: Whether it is ready.
        environment: Added to this process's environment; ``{port}`` in a value stands for the port.
        deadline: Seconds until it must be ready.

    Raises:
        EmulatorError: It ended or was not ready in time; the message has the end of its log.
    """
    with tempfile.TemporaryDirectory(prefix=f"flowcraft-{name}-", ignore_cleanup_errors=True) as folder:
        log = Path(folder) / "server.log"
        for attempt in range(_TRIES):
            server = Server(name, "127.0.0.1", free_port())
            added = {key: value.format(port=server.port) for key, value in (environment or {}).items()}
            with log.open("wb") as output:
                process = subprocess.Popen(
                    [sys.executable, __file__, *command(server.port)],
                    cwd=folder,
                    env={**os.environ, **added},
                    stdin=subprocess.PIPE,  # it closes with this process, however that ends
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,  # so that it can be ended with all that it started
                )
            try:
                if _is_ready(process, server, ready, deadline):
                    yield server
                    return
                ended = process.poll()
            finally:
                _end(process)
            if ended is None or attempt == _TRIES - 1:
                why = f"did not answer within {deadline:g} s" if ended is None else f"ended with code {ended}"
                tail = log.read_bytes()[-_LOG_TAIL:].decode(errors="replace")
                raise EmulatorError(f"the emulator {name} {why}; the end of its log:\n{tail}")


def wait_until_ready(server: Server, ready: Ready, *, deadline: float = 90.0) -> None:
    """Return once a server that somebody else has started, say in a container, is ready.

    Raises:
        EmulatorError: It was not in time.
    """
    end = time.monotonic() + deadline
    while not ready(server):
        if time.monotonic() > end:
            raise EmulatorError(f"the emulator {server.name} at {server.url} did not answer within {deadline:g} s")
        time.sleep(0.1)


def _is_ready(process: subprocess.Popen[bytes], server: Server, ready: Ready, deadline: float) -> bool:
    end = time.monotonic() + deadline
    while process.poll() is None and time.monotonic() < end:
        if ready(server):
            return True
        time.sleep(0.1)
    return False


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a server with all that it started: they are a process group, which goes by this process's id."""
    assert process.stdin is not None
    process.stdin.close()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(10.0)
    with contextlib.suppress(ProcessLookupError):  # what outlived it, or is stuck
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


# --- installing -------------------------------------------------------------------------------------------------------


def python_environment(requirements: Path, *, dependencies: bool = True) -> Path:
    """A virtual environment with the pinned requirements of a file, made once; its folder of programs.

    Args:
        requirements: The file; where its content changes, another environment is made.
        dependencies: Whether to install what the requirements need, too; False for a file that names all of it.

    Raises:
        EmulatorError: Installing failed; the message has the end of the log.
    """

    def install(folder: Path) -> None:
        venv.create(folder, with_pip=True)
        pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        _run([*pip, *([] if dependencies else ["--no-deps"]), "-r", str(requirements)], folder)

    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    return _installed(requirements, python + ("" if dependencies else " alone"), install) / "bin"


def node_environment(package_json: Path) -> Path:
    """A folder with the packages of a ``package.json`` of exact versions, made once; the one with ``node_modules``.

    Raises:
        EmulatorError: Installing failed; the message has the end of the log.
    """

    def install(folder: Path) -> None:
        folder.mkdir()
        shutil.copy(package_json, folder / "package.json")
        npm = Path(node()).with_name("npm")
        path = f"{npm.parent}{os.pathsep}{os.environ.get('PATH', '')}"  # npm finds its node there
        _run([str(npm), "install", "--no-audit", "--no-fund", "--no-package-lock"], folder, PATH=path)

    return _installed(package_json, "", install)


@functools.cache
def node() -> str:
    """Node's program: the machine's, else that of a wheel which brings it.

    Raises:
        EmulatorError: Neither is to be had.
    """
    found = shutil.which("node")
    if found is not None and shutil.which("npm", path=str(Path(found).parent)) is not None:
        return found
    return str(python_environment(Path(__file__).with_name("node-requirements.txt")) / "node")


def debian_package(name: str, find: Callable[[], T | None]) -> T | None:
    """What a package of Debian's brings; installed where this is root on such a system, one at a time.

    Args:
        name: The package.
        find: Finds what is wanted of it, if it is there.

    Returns:
        What was found; None if it is not there, and could not be installed.
    """
    if (found := find()) is not None or os.geteuid() != 0 or shutil.which("apt-get") is None:
        return found
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "debian.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if find() is None:
            for command in (["update"], ["install", "--yes", "--no-install-recommends", name]):
                subprocess.run(
                    ["apt-get", "-qq", "-o", "DPkg::Lock::Timeout=120", *command],
                    env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
                    stdin=subprocess.DEVNULL,
                    capture_output=True,
                    check=False,
                )
    return find()


def _installed(source: Path, variant: str, install: Callable[[Path], None]) -> Path:
    """The folder for a file of pins; made under a lock, so that two runs at once do not make it twice."""
    digest = hashlib.sha256(source.read_bytes() + variant.encode()).hexdigest()[:12]
    folder = CACHE / f"{source.parent.name}-{source.stem}-{digest}"
    done = folder / ".installed"
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / f"{folder.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not done.exists():
            shutil.rmtree(folder, ignore_errors=True)  # of an installation that was cut short
            install(folder)
            done.touch()
    return folder


def _run(command: Sequence[str], folder: Path, **environment: str) -> None:
    ended = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    if ended.returncode:
        tail = ended.stdout[-_LOG_TAIL:].decode(errors="replace")
        raise EmulatorError(f"`{' '.join(command)}` failed; the end of its log:\n{tail}")


# --- as a program -----------------------------------------------------------------------------------------------------


def watch(command: Sequence[str]) -> None:
    """Run a command until it ends, or until standard input does, and then end all of this process group."""
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL)

    def end_with_it() -> None:
        os._exit(process.wait())

    threading.Thread(target=end_with_it, daemon=True).start()
    sys.stdin.read()
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    watch(sys.argv[1:])
