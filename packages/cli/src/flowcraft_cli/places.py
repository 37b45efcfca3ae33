"""Where runs live: a client on the backend that the settings name."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, redirect_stdout
from typing import TYPE_CHECKING, Any

import attrs
from flowcraft_core import Serializer
from flowcraft_core.catalogue import Catalogue
from flowcraft_core.durable import Client, open_url
from flowcraft_core.errors import FlowcraftError

from .command import App
from .exits import CommandError

if TYPE_CHECKING:
    from flowcraft_core import Blueprint, FlowDefinition, FlowRuntime
    from flowcraft_core.payloads import PayloadCodec
    from flowcraft_core.ports import Backend

    from .loading import Found


@attrs.frozen
class Place:
    """A backend that is open, and what writes and reads there.

    Attributes:
        backend: The backend.
        client: A client.
        serializer: For values; it knows the classes that annotations of flows name.
        codec: For stored bytes; None for the default.
    """

    backend: Backend
    client: Client
    serializer: Serializer
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
    """An object of the user's own of some class, such as a serializer, if a setting names one.

    Raises:
        CommandError: It names something else.
    """
    reference = app.settings[name]
    if reference is None:
        return None
    from .loading import load_object  # noqa: PLC0415 # for those who have their own

    found = load_object(reference, app.settings)
    if not isinstance(found, kind):
        raise CommandError(f"setting {name!r}: {reference} is a {type(found).__name__}, not a {kind.__name__}")
    return found


def codec_of(app: App) -> PayloadCodec | None:
    """The codec of what is stored, if the setting names one.

    Raises:
        CommandError: It names something else.
    """
    found: Any = own(app, "codec", object)
    if found is None:
        return None
    is_class = isinstance(found, type)
    if is_class or not all(callable(getattr(found, name, None)) for name in ("encode", "decode")):
        what = f"the class {found.__name__}: name an object of it" if is_class else f"a {type(found).__name__}"
        raise CommandError(f"setting 'codec': {app.settings['codec']} is {what}, not a PayloadCodec")
    return found  # type: ignore[no-any-return]


@attrs.frozen
class Brought:
    """What flows bring to a client.

    Attributes:
        serializer: Knows the classes that their annotations name.
        flows: Those that were built in Python.
        blueprints: All others, by id.
    """

    serializer: Serializer
    flows: list[FlowDefinition] = attrs.field(factory=list)
    blueprints: dict[str, Blueprint] = attrs.field(factory=dict)


def brought(app: App, sources: Iterable[Found] = ()) -> Brought:
    """What flows bring that a command was given, and those that the setting ``flows`` names.

    Of the latter, what cannot be loaded, or does not go with the others, is noted and left out: a command that needs
    none of it does its work all the same.
    """
    given, known = list(sources), _of_settings(app)
    serializer: Serializer | None = own(app, "serializer", Serializer)
    if serializer is None:
        runtimes = _runtimes([*given, *known])
        serializer = runtimes[0].serializer if runtimes else Serializer()
    found = Brought(serializer.extended())
    for source in given:
        flows, blueprints = _parts_of(source)
        found.flows.extend(flows)
        found.blueprints.update(blueprints)
    Catalogue(found.flows, found.blueprints, found.serializer)  # the classes of these come before those of the others
    for source in known:
        try:
            _add(found, source)
        except FlowcraftError as error:
            _left_out(app, error)
    return found


def _of_settings(app: App) -> list[Found]:
    known: list[Found] = []
    for reference in app.settings["flows"]:
        from .loading import load  # noqa: PLC0415 # for those who have flows in their settings

        try:
            with redirect_stdout(sys.stderr):  # standard output is the answer's
                known.extend(load(reference, app.settings))
        except FlowcraftError as error:
            _left_out(app, error)
    return known


def _left_out(app: App, error: FlowcraftError) -> None:
    app.out.note(f"of the setting 'flows' something is left out: {error}")


def _add(found: Brought, source: Found) -> None:
    from .loading import know_annotated  # noqa: PLC0415 # as above

    for flow in _parts_of(source)[0]:
        if flow.id not in {known.id for known in found.flows} | found.blueprints.keys():
            Catalogue([*found.flows, flow], found.blueprints, found.serializer)  # refuses what does not go with them
            found.flows.append(flow)
    for runtime in _runtimes([source]):
        know_annotated(found.serializer, runtime)


def _runtimes(sources: Iterable[Found]) -> list[FlowRuntime]:
    from flowcraft_core import FlowRuntime  # noqa: PLC0415 # for commands that have flows

    return [source for source in sources if isinstance(source, FlowRuntime)]


def _parts_of(source: Found) -> tuple[list[FlowDefinition], dict[str, Blueprint]]:
    from flowcraft_core import FlowDefinition, FlowRuntime  # noqa: PLC0415 # as above

    if isinstance(source, FlowDefinition):
        return [source], {}
    if isinstance(source, FlowRuntime):
        graphs = source.catalogue.graphs.items()
        return list(source.catalogue.definitions), {flow_id: graph.blueprint for flow_id, graph in graphs}
    return [], {source.id: source}


@asynccontextmanager
async def place(
    app: App,
    sources: Iterable[Found] = (),
    *,
    creates: bool = False,
    strict: bool = True,
    reads_values: bool = True,
) -> AsyncIterator[Place]:
    """Open the backend, with a client on it.

    Args:
        app: Its settings say where.
        sources: The flows that the client starts.
        creates: Whether a file that is not there is created: not by those who only look.
        strict: Whether the client refuses to resume a wait with an action that none of its edges takes.
        reads_values: Whether the flows of the settings are loaded, for the classes that their annotations name.
    """
    url, sources = url_of(app), list(sources)
    codec = codec_of(app)
    found = brought(app, sources) if reads_values or sources else Brought(Serializer())
    runtimes = _runtimes(sources) if sources else []
    async with open_url(url, creates=creates) as backend:
        client = Client(
            backend,
            flows=found.flows,
            blueprints=found.blueprints,
            serializer=found.serializer,
            codec=codec,
            telemetry=runtimes[-1].telemetry if runtimes else None,
            strict=strict,
        )
        yield Place(backend, client, found.serializer, codec)
