"""A place to run, and how one is named, made from a URL and provisioned."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from .context import ContextStore
from .coordination import CoordinationStore
from .queue import JobQueue
from .status import StatusStore


class Backend(Protocol):
    """A place to run: the four ports, opened and closed together.

    A backend is opened in the event loop that uses it. Opening one twice, or using it in another loop than it was
    opened in, raises ``BackendError`` by name.
    """

    queue: JobQueue
    context: ContextStore
    status: StatusStore
    coordination: CoordinationStore

    async def open(self) -> None:
        """Connect; create what is missing, if that is this backend's habit."""

    async def close(self) -> None:
        """Let go of every connection and thread. What was sent and stored stays."""


class Named(Protocol):
    """Something that says where it is, for the logs of those who use it: a power of most backends and queues.

    A backend or queue with this power has it as its attribute ``name``, such as ``sqlite /data/runs.db`` or ``jobs``.

    Attributes:
        name: Text on one line, without credentials.
    """

    name: str


class MadeFromUrl(Protocol):
    """A backend that a URL is enough for: a power of the classes that programs find by their entry points.

    The scheme is the name of the entry point, in the group ``flowcraft.backends``. ``flowcraft_core.urls.BackendUrl``
    takes a URL apart. Credentials come from where the backend's own SDK finds them, rather than from the URL.
    """

    @classmethod
    def from_url(cls, url: str) -> Backend:
        """A backend, not opened yet. It asks no service for anything, and opens nothing.

        Args:
            url: The whole URL, as it was given.

        Raises:
            ConfigurationError: There is something in it that means nothing here, such as an option that is misspelt.
                The message, like any other of the backend, and its ``name``, show no secret of the URL.
        """


class Embedded(Protocol):
    """A backend that opening it creates, such as one on a file: a power of such backends.

    Programs that only look at runs ask first: else a mistyped path would be a new and empty place.
    """

    def missing(self) -> str | None:
        """Why there is nothing at its place, for people, and what to do; None if there is something."""


class ProvisionedByUrl(Protocol):
    """A backend that creates what it needs when it is asked to, and not when it is opened: a power of such classes."""

    @classmethod
    async def provision_url(cls, url: str) -> Sequence[str]:
        """Create what is missing, and leave what is there as it is.

        Args:
            url: As for ``MadeFromUrl.from_url``.

        Returns:
            What is there now, a line each, for people.

        Raises:
            ConfigurationError: As ``from_url`` does.
            BackendError: Something cannot be created; the message says what.
        """
