"""Backends by URL: the scheme names an entry point in ``flowcraft.backends``, whose class makes the backend."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from ..errors import BackendError, ConfigurationError, FlowcraftError
from ..ports import Backend
from ..urls import hide_secrets, scheme_of

#: The group of entry points under which distributions bring backends.
GROUP = "flowcraft.backends"

# The distributions of the house, for those who have not installed them yet.
_KNOWN = {"sqlite": "flowcraft-sqlite", "aws": "flowcraft-aws", "azure": "flowcraft-azure"}


def installed_backends() -> list[str]:
    """The schemes of the backends that are installed here."""
    return sorted({point.name for point in entry_points(group=GROUP)})


def backend_from_url(url: str) -> Backend:
    """A backend, not opened yet.

    Args:
        url: Where it is, such as ``sqlite:///runs.db``. The scheme is the name of the backend's entry point; what else
            there is in it, the backend says: see ``flowcraft_core.ports.MadeFromUrl``.

    Raises:
        ConfigurationError: No such backend is installed, it cannot be made from a URL, or does not take this one. The
            message shows no secret of the URL.
    """
    kind = _class_for(scheme_of(url))
    make = getattr(kind, "from_url", None)
    if make is None:
        raise ConfigurationError(
            f"backend {scheme_of(url)!r} ({kind.__module__}.{kind.__qualname__}) cannot be made from a URL: it has no"
            " from_url; make it in Python"
        )
    try:
        backend: Backend = make(url)
    except FlowcraftError:
        raise
    except Exception as error:  # what it says may repeat what must stay secret
        raise ConfigurationError(f"{hide_secrets(url)}: the backend does not take this URL ({_kind(error)})") from None
    return backend


@asynccontextmanager
async def open_url(url: str, *, creates: bool = True) -> AsyncIterator[Backend]:
    """A backend, open within an ``async with`` block.

    Args:
        url: As for ``backend_from_url``.
        creates: Whether one is to be created that opening it creates, such as a file. It is not for those who look.

    Raises:
        ConfigurationError: As ``backend_from_url`` does.
        BackendError: It cannot be used, or there is none: the message says why.
    """
    backend = backend_from_url(url)
    if not creates:
        missing = getattr(backend, "missing", None)
        if missing is not None and (why := missing()) is not None:
            raise BackendError(why)
    await backend.open()
    try:
        yield backend
    finally:
        await backend.close()


async def provision_url(url: str) -> Sequence[str]:
    """Create what a backend needs, as far as it is missing; what is there now, a line each.

    A backend that creates it when it is opened is opened and closed.

    Args:
        url: As for ``backend_from_url``.

    Raises:
        ConfigurationError: As ``backend_from_url`` does.
        BackendError: Something cannot be created; the message says what.
    """
    kind = _class_for(scheme_of(url))
    make = getattr(kind, "provision_url", None)
    if make is not None:
        lines: Sequence[str] = await make(url)
        return lines
    async with open_url(url) as backend:
        return [str(getattr(backend, "name", hide_secrets(url)))]


def _class_for(scheme: str) -> Any:
    points = tuple(entry_points(group=GROUP, name=scheme))
    if not points:
        known = ", ".join(installed_backends()) or "none"
        hint = f": pip install {_KNOWN[scheme]}" if scheme in _KNOWN else ""
        raise ConfigurationError(f"no backend {scheme!r} is installed{hint} (installed: {known})")
    if len({point.value for point in points}) > 1:
        raise ConfigurationError(
            f"several packages bring a backend {scheme!r}: {_listed(points)}; uninstall all but one"
        )
    try:
        return points[0].load()
    except Exception as error:
        raise ConfigurationError(f"backend {scheme!r} ({_listed(points)}) cannot be loaded: {error}") from error


def _listed(points: Sequence[EntryPoint]) -> str:
    return ", ".join(sorted({point.dist.name if point.dist is not None else point.value for point in points}))


def _kind(error: Exception) -> str:
    return type(error).__name__
