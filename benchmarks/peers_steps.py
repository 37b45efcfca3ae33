"""The chain that is measured here and in Celery, and how its end is told: by a datagram that its last step sends."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Iterator
from pathlib import Path

LENGTH = 20

#: The variable that names the socket to which ends are told.
WHERE = "FLOWCRAFT_BENCH_ENDS"

#: The variable with the settings of Celery's application, as JSON.
CELERY = "FLOWCRAFT_BENCH_CELERY"

_LONGEST = 1_000


def tell_end(token: str) -> None:
    """Tell that a chain has come to its last step."""
    with contextlib.closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as sender:
        sender.sendto(token.encode(), os.environ[WHERE])


class Ends:
    """Hears of the chains that have come to their ends, each once."""

    def __init__(self, file: Path) -> None:
        """Listen at a file that is not there yet."""
        self.path = str(file)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(self.path)

    def wait(self, tokens: int, *, seconds: float) -> set[str]:
        """The tokens of so many chains, as they end.

        Raises:
            TimeoutError: Not so many have ended in so many seconds.
        """
        self._socket.settimeout(seconds)
        ended: set[str] = set()
        while len(ended) < tokens:
            ended.add(self._socket.recv(_LONGEST).decode())
        return ended

    def close(self) -> None:
        """Hear nothing any more."""
        self._socket.close()


@contextlib.contextmanager
def ends_at(folder: Path) -> Iterator[Ends]:
    """Listen within a ``with`` block, in a folder of its own."""
    ends = Ends(folder / "ends")
    try:
        yield ends
    finally:
        ends.close()
