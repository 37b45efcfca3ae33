"""Asks a backend what is wrong with how it is set up, and looks at what is around it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from importlib import metadata

from ..diagnosis import FAILED, REFUSED, UNREACHABLE, Distribution, versions_apart
from ..errors import BackendError, ConfigurationError, TransientError
from ..ports import Backend, Finding

#: The name of what a backend that has no diagnosis of its own is asked for, and that nobody has.
_NOBODYS = "flowcraft-doctor"


async def diagnose(backend: Backend, *, patience: float = 60.0) -> Sequence[Finding]:
    """Find out what is wrong with how a backend is set up.

    Nothing is changed by it, and nobody's messages are taken. A backend without a diagnosis of its own
    (``flowcraft_core.ports.Diagnosable``) is opened, each of its stores is asked for something, and it is closed.

    Args:
        backend: The backend, open or not.
        patience: Seconds until it must be done; what has not answered until then is taken for unreachable.

    Returns:
        Nothing for a healthy one; else what is wrong and what to do about it, the worst first.
    """
    found = versions_apart(await asyncio.to_thread(_installed))
    ask: Callable[[], Awaitable[Sequence[Finding]]] | None = getattr(backend, "diagnose", None)
    try:
        async with asyncio.timeout(patience):
            found += await (_tried(backend) if ask is None else ask())
    except TimeoutError:
        found.append(UNREACHABLE.found(why=f"there was no answer within {patience:g} s"))
    except Exception as error:  # whatever is wrong with a diagnosis, the others are told
        found.append(FAILED.found(why=f"{type(error).__name__}: {error}"))
    return sorted(dict.fromkeys(found), key=lambda finding: finding.severity != "error")


async def _tried(backend: Backend) -> list[Finding]:
    """What opening a backend, and asking each of its stores for something, comes to."""
    try:
        await backend.open()
        try:
            await backend.context.get(_NOBODYS, [_NOBODYS])
            await backend.status.get(_NOBODYS)
            await backend.coordination.get(_NOBODYS)
        finally:
            await backend.close()
    except TransientError as error:
        return [UNREACHABLE.found(why=error)]
    except (BackendError, ConfigurationError) as error:
        return [REFUSED.found(why=error)]
    return []


def _installed() -> dict[str, Distribution]:
    """Flowcraft's own distributions, as they are installed."""
    return {
        name: Distribution(each.version, each.requires or ())
        for each in metadata.distributions()
        if (name := (each.name or "").lower().replace("_", "-")).startswith("flowcraft-")
    }
