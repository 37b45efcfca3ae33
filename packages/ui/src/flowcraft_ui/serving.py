"""Serves the inspector for ``flowcraft ui``: on this machine only, unless told otherwise, and then behind a token."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import signal
import socket
from collections.abc import Callable, Collection, Generator
from typing import TYPE_CHECKING, Any

import attrs
import uvicorn
from flowcraft_core.errors import ConfigurationError

from .guard import LOOPBACK
from .inspector import inspector
from .values import Redact

if TYPE_CHECKING:
    from flowcraft_core.durable import Client

# Seconds that pages get to be finished when this is stopped; streams have no end of their own.
_GRACE = 1


@attrs.frozen(kw_only=True)
class Serving:
    """How the inspector is served.

    Attributes:
        host: The address to listen at.
        port: The port; 0 for any that is free.
        allow_writes: Change runs, too.
        token: What one has to say to come in.
        allow_hosts: Names under which it is served beside those of this machine.
        redact: What is shown in the place of a value.
        title: What stands above.
    """

    host: str = "127.0.0.1"
    port: int = 8484
    allow_writes: bool = False
    token: str | None = attrs.field(default=None, repr=False)
    allow_hosts: Collection[str] = ()
    redact: Redact | None = None
    title: str = ""


async def serve(client: Client, listening: Callable[[str], None], **settings: Any) -> None:
    """Serve the inspector until the process is told to stop, by Ctrl-C or SIGTERM.

    Args:
        client: The client, whose backend is open.
        listening: Is told the address once it is served.
        settings: How: see ``Serving``.

    Raises:
        ConfigurationError: It is to be served beyond this machine without a token, or the address cannot be had.
    """
    serving = Serving(**settings)
    if not _is_loopback(serving.host) and serving.token is None:
        raise ConfigurationError(
            f"to serve the inspector at {serving.host}, where others reach it, set a token: FLOWCRAFT_UI_TOKEN, or"
            ' ui_token in flowcraft.toml; python -c "import secrets; print(secrets.token_urlsafe(24))" makes one'
        )
    app = inspector(
        client,
        allow_writes=serving.allow_writes,
        redact=serving.redact,
        token=serving.token,
        allowed_hosts=[*LOOPBACK, *serving.allow_hosts],
        title=serving.title,
    )
    with _socket(serving.host, serving.port) as listener:
        port = listener.getsockname()[1]
        config = uvicorn.Config(
            app,
            log_config=None,
            access_log=False,  # addresses name runs, and may name what should stay here
            server_header=False,
            proxy_headers=False,
            lifespan="off",
            timeout_graceful_shutdown=_GRACE,
        )
        server = _Server(config)
        listening(f"http://{f'[{serving.host}]' if ':' in serving.host else serving.host}:{port}/")
        await server.serve(sockets=[listener])


class _Server(uvicorn.Server):
    """A server that ends when it is told to, and leaves the process as it was."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Stop at Ctrl-C and SIGTERM; the command then ends as it would have by itself."""
        loop, told = asyncio.get_running_loop(), []
        for number in (signal.SIGINT, signal.SIGTERM):
            with contextlib.suppress(NotImplementedError, RuntimeError):  # Windows; not the main thread
                loop.add_signal_handler(number, self._stop)
                told.append(number)
        try:
            yield
        finally:
            for number in told:
                loop.remove_signal_handler(number)

    def _stop(self) -> None:
        self.should_exit = True


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _socket(host: str, port: int) -> socket.socket:
    try:
        return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError as error:
        raise ConfigurationError(
            f"the inspector cannot be served at {host}:{port}: {error.strerror or error}"
        ) from error
