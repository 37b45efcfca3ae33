"""Where runs live: a client on the backend that the settings name."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import attrs
from flowcraft_core import Serializer
from flowcraft_core.durable import Client, open_url

from .command import App
from .exits import CommandError

if TYPE_CHECKING:
    from flowcraft_core import Blueprint, FlowDefinition
    from flowcraft_core.observing import Telemetry
    from flowcraft_core.payloads import PayloadCodec
    from flowcraft_core.ports import Backend

    from .loading import Found


@attrs.frozen
class Place:
    """A backend that is open, and what writes and reads there.

    Attributes:
        backend: The backend.
        client: A client.
        serializer: For values; None for the default.
        codec: For stored bytes; None for the default.
    """

    backend: Backend
    client: Client
    serializer: Serializer | None
    codec: PayloadCodec | None


def url_of(app: App) -> str:
    """The URL of the backend.

    Raises:
        CommandError: None is set.
    """
    url: str | None = app.settings["backend"]
    if url is None:
        raise CommandError(
            "no backend is set: give --backend URL (such as sqlite:///runs.db), FLOWCRAFT_BACKEND, or `backend = ...`"
            " in flowcraft.toml"
        )
    return url


def own(app: App, name: str, kind: Any) -> Any:
    """A serializer or codec of the user's own, if a setting names one.

    Raises:
        CommandError: It names something else.
    """
    reference = app.settings[name]
    if reference is None:
        return None
    from .loading import load_object  # noqa: PLC0415 # for those who have their own

    found = load_object(reference, app.settings)
    if kind is not None and not isinstance(found, kind):
        raise CommandError(f"setting {name!r}: {reference} is a {type(found).__name__}, not a {kind.__name__}")
    return found


@asynccontextmanager
async def place(
    app: App, sources: Iterable[Found] = (), *, creates: bool = False, strict: bool = True
) -> AsyncIterator[Place]:
    """Open the backend, with a client on it.

    Args:
        app: Its settings say where.
        sources: The flows that the client starts.
        creates: Whether a file that is not there is created: not by those who only look.
        strict: Whether the client refuses to resume a wait with an action that none of its edges takes.
    """
    url = url_of(app)
    serializer, codec = own(app, "serializer", Serializer), own(app, "codec", None)
    flows: list[FlowDefinition] = []
    blueprints: dict[str, Blueprint] = {}
    telemetry: Telemetry | None = None
    for source in sources:
        from flowcraft_core import FlowDefinition, FlowRuntime  # noqa: PLC0415 # for commands that are given flows

        if isinstance(source, FlowDefinition):
            flows.append(source)
        elif isinstance(source, FlowRuntime):
            serializer, telemetry = serializer or source.serializer, source.telemetry
            blueprints.update((i, graph.blueprint) for i, graph in source.catalogue.graphs.items())
        else:
            blueprints[source.id] = source
    async with open_url(url, creates=creates) as backend:
        client = Client(
            backend,
            flows=flows,
            blueprints=blueprints,
            serializer=serializer,
            codec=codec,
            telemetry=telemetry,
            strict=strict,
        )
        yield Place(backend, client, serializer, codec)
