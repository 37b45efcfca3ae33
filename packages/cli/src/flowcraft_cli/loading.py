"""Flows by reference: ``module:name``, ``file.py:name``, ``file.json`` or ``file.yaml``.

A name may be left out if one flow is meant.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, TypeAlias, TypeVar

import attrs
from flowcraft_core import Blueprint, FlowDefinition, FlowRuntime, Serializer
from flowcraft_core.errors import FlowcraftError
from flowcraft_core.graph.compile import compile_blueprint
from flowcraft_core.pictures import Picture, picture_of
from flowcraft_core.shaping import annotated_by, register_annotated

from .exits import CommandError
from .settings import Settings

T = TypeVar("T")

# What ends so is a blueprint as data.
_DATA = (".json", ".yaml", ".yml")

Found: TypeAlias = FlowDefinition | Blueprint | FlowRuntime


@attrs.frozen
class Flow:
    """A flow that was referred to.

    Attributes:
        blueprint: Its blueprint.
        source: What brings it: its builder, its blueprint, or the runtime that it is in.
    """

    blueprint: Blueprint
    source: Found

    @property
    def id(self) -> str:
        """The flow's id."""
        return self.blueprint.id

    def picture(self) -> Picture:
        """The flow, drawn."""
        if isinstance(self.source, FlowDefinition):
            return self.source.to_picture()
        graphs = self.source.catalogue.graphs if isinstance(self.source, FlowRuntime) else {}
        return picture_of(graphs.get(self.id) or compile_blueprint(self.blueprint), graphs.get)

    def runtime(self, **options: Any) -> FlowRuntime:
        """A runtime with the flow's steps.

        Args:
            options: Of ``FlowRuntime``; a runtime that was referred to has its own.
        """
        return runtime_of([self.source], **options)


def runtime_of(sources: Iterable[Found], **options: Any) -> FlowRuntime:
    """One runtime with everything that was referred to.

    Raises:
        CommandError: There are several runtimes: each has settings of its own.
    """
    sources = list(sources)
    runtimes = [source for source in sources if isinstance(source, FlowRuntime)]
    if not runtimes:
        flows = [source for source in sources if isinstance(source, FlowDefinition)]
        blueprints = [source for source in sources if isinstance(source, Blueprint)]
        return FlowRuntime(flows, blueprints=blueprints, **options)
    if len({id(runtime) for runtime in runtimes}) > 1 or len(runtimes) < len(sources):
        raise CommandError(
            "a FlowRuntime brings flows, dependencies and settings of its own: refer to it alone, with all flows in it"
        )
    runtime = runtimes[0]
    if options.get("serializer") is not None:
        options["serializer"] = options["serializer"].extended()
        know_annotated(options["serializer"], runtime)
    for name, value in options.items():
        if value is not None:
            setattr(runtime, name, value)
    return runtime


def know_annotated(serializer: Serializer, runtime: FlowRuntime) -> None:
    """Have a serializer know the classes that annotations of a runtime's flows and steps name, as its own does.

    Raises:
        ConfigurationError: Two of them would be stored under one tag.
    """
    for flow in runtime.catalogue.definitions:
        register_annotated(serializer, ((f"flow {flow.id!r}: {at}", one) for at, one in flow.annotated))
    for flow_id, graph in runtime.catalogue.graphs.items():
        for uses in graph.uses:
            implementation = runtime.find_step(flow_id, uses)
            if implementation is not None:
                register_annotated(serializer, annotated_by(f"step {uses!r}", implementation.step))


def load_flow(reference: str | None, settings: Settings) -> Flow:
    """The one flow that is meant.

    Args:
        reference: A reference, or the id of a flow among those of the settings; None for the only one there.
        settings: Say where flows are, and where modules are found.

    Raises:
        CommandError: There is none, or there are several.
    """
    if reference is not None and _is_reference(reference):
        return _the_one(flows_of(load(reference, settings)), reference)
    known = [flow for each in settings["flows"] for flow in flows_of(load(each, settings))]
    if reference is None:
        return _the_one(known, "the setting 'flows'")
    for flow in known:
        if flow.id == reference:
            return flow
    if not known or "." in reference or _module_exists(reference, settings):
        return _the_one(flows_of(load(reference, settings)), reference)
    ids = ", ".join(sorted(flow.id for flow in known))
    raise CommandError(f"there is no flow {reference!r}; the setting 'flows' brings {ids}; or give module:name")


def load_all(references: Iterable[str], settings: Settings) -> list[Found]:
    """Everything that references name, each once.

    Raises:
        CommandError: One cannot be loaded, or there is none.
    """
    found: dict[int, Found] = {}
    for reference in references or settings["flows"]:
        found.update((id(each), each) for each in load(reference, settings))
    if not found:
        raise CommandError("say where the flows are: FLOW on the command line, or the setting 'flows'")
    runtimes = [each for each in found.values() if isinstance(each, FlowRuntime)]
    # What a module's runtime has in it needs not be named beside it.
    inside = {flow_id for runtime in runtimes for flow_id in runtime.catalogue.graphs}
    return [each for each in found.values() if isinstance(each, FlowRuntime) or each.id not in inside]


def flows_of(found: Iterable[Found]) -> list[Flow]:
    """The flows in what was found, by id."""
    flows: dict[str, Flow] = {}
    for each in found:
        if isinstance(each, FlowRuntime):
            flows.update((i, Flow(graph.blueprint, each)) for i, graph in each.catalogue.graphs.items())
        else:
            blueprint = each.to_blueprint() if isinstance(each, FlowDefinition) else each
            flows.setdefault(blueprint.id, Flow(blueprint, each))
    return list(flows.values())


def load(reference: str, settings: Settings) -> list[Found]:
    """What a reference names: one object, or all of a module's flows.

    Raises:
        CommandError: It cannot be loaded, or names no flow.
    """
    place, _, name = reference.partition(":") if not _has_drive(reference) else (reference, "", "")
    name, _, flow_id = name.partition(":")
    if place.endswith(_DATA):
        return [_blueprint(Path(place), settings)]
    module = _module(place, settings)
    if not name:
        found = list(_flows_in(module))
        if not found:
            raise CommandError(f"{place} has no flow: no Flow, FlowBuilder, Blueprint or FlowRuntime at its top level")
        runtimes = [each for each in found if isinstance(each, FlowRuntime)]
        return list(runtimes) if len(runtimes) == 1 else found
    found_one: Any = module
    for part in name.split("."):
        found_one = getattr(found_one, part, None)
    if callable(found_one) and not isinstance(found_one, (FlowDefinition, Blueprint, FlowRuntime)):
        found_one = _running(found_one, reference)  # a function that makes it
    if not isinstance(found_one, (FlowDefinition, Blueprint, FlowRuntime)):
        there = ", ".join(sorted(_names_in(module))) or "none"
        what = "is not there" if found_one is None else f"is a {type(found_one).__name__}"
        raise CommandError(f"{reference}: {name} {what}; flows there are: {there}")
    if flow_id and isinstance(found_one, FlowRuntime):
        chosen = [flow for flow in flows_of([found_one]) if flow.id == flow_id]
        if not chosen:
            raise CommandError(f"{reference}: there is no flow {flow_id!r} in it")
    return [found_one]


def load_object(reference: str, settings: Settings) -> Any:
    """An object by ``module:name``, such as a serializer.

    Raises:
        CommandError: There is none.
    """
    place, _, name = reference.partition(":")
    value = getattr(_module(place, settings), name, None) if name else None
    if value is None:
        raise CommandError(f"{reference}: there is nothing of that name; give module:name")
    return value


def _the_one(flows: list[Flow], where: str) -> Flow:
    wanted = where.split(":")[2] if where.count(":") >= 2 else None
    flows = [flow for flow in flows if wanted in (None, flow.id)]
    if len(flows) == 1:
        return flows[0]
    called = {id_ for flow in flows for id_ in _called(flow)}
    roots = [flow for flow in flows if flow.id not in called]
    if len(roots) == 1:
        return roots[0]
    if not flows:
        raise CommandError("say which flow: module:name, file.py:name, file.json or file.yaml")
    ids = ", ".join(sorted(flow.id for flow in flows))
    raise CommandError(f"{where} brings several flows ({ids}): say which, by its id or as module:name")


def _called(flow: Flow) -> set[str]:
    if isinstance(flow.source, FlowDefinition):
        return set(flow.source.called)
    if isinstance(flow.source, FlowRuntime):
        return set(flow.source.catalogue.graphs[flow.id].calls)
    return set()


def _is_reference(text: str) -> bool:
    return ":" in text or text.endswith((".py", *_DATA)) or "/" in text or "\\" in text


def _has_drive(text: str) -> bool:
    return len(text) > 1 and text[1] == ":" and text[0].isalpha() and text[2:3] in ("\\", "/")


def _module_exists(name: str, settings: Settings) -> bool:
    _find_here(settings)
    try:
        return importlib.util.find_spec(name) is not None
    except (ImportError, ValueError):
        return False


def _find_here(settings: Settings) -> None:
    for folder in (str(settings.root), str(Path.cwd())):
        if folder not in sys.path:
            sys.path.insert(0, folder)


def _module(place: str, settings: Settings) -> ModuleType:
    _find_here(settings)
    if not place.endswith(".py"):
        return _running(lambda: importlib.import_module(place), place)
    path = _existing(Path(place), settings)
    if path.stem in sys.stdlib_module_names:  # all that imports that module would be given this one
        raise CommandError(f"{place} is called like a module of Python's own, {path.stem!r}: rename it")
    folder = str(path.parent)
    if folder not in sys.path:  # as Python does with a program: its modules import one another by plain name
        sys.path.insert(0, folder)
    standing = sys.modules.get(path.stem)
    if standing is not None and getattr(standing, "__file__", None) == str(path):
        return standing

    def execute() -> ModuleType:
        spec = importlib.util.spec_from_file_location(path.stem, path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[path.stem] = module
        try:
            spec.loader.exec_module(module)
        except BaseException:
            del sys.modules[path.stem]
            raise
        return module

    return _running(execute, place)


def _running(execute: Callable[[], T], place: str) -> T:
    """Run somebody's code; what goes wrong in it is told by its own line, not by ours."""
    try:
        return execute()
    except FlowcraftError:
        raise
    except (KeyboardInterrupt, GeneratorExit):
        raise
    except BaseException as error:  # that of a test which is skipped, say, or of another event loop
        here = [frame for frame in traceback.extract_tb(error.__traceback__) if "importlib" not in frame.filename]
        own = [frame for frame in here if frame.filename != __file__]
        where = f" ({own[-1].filename}, line {own[-1].lineno})" if own else ""
        raise CommandError(f"{place} cannot be loaded: {type(error).__name__}: {error}{where}") from error


def _existing(path: Path, settings: Settings) -> Path:
    for candidate in (path, settings.root / path):
        if candidate.is_file():
            return candidate.resolve()
    raise CommandError(f"there is no file {str(path)!r}")


def _blueprint(path: Path, settings: Settings) -> Blueprint:
    read = Blueprint.from_json if path.suffix == ".json" else Blueprint.from_yaml
    try:
        return read(_existing(path, settings).read_bytes())
    except (OSError, ValueError) as error:
        raise CommandError(f"{path} is no blueprint: {error}") from error


def _names_in(module: ModuleType) -> Iterator[str]:
    for name, value in vars(module).items():
        if isinstance(value, (FlowDefinition, Blueprint, FlowRuntime)) and not name.startswith("_"):
            yield name


def _flows_in(module: ModuleType) -> Iterator[Found]:
    seen: set[int] = set()
    for name in _names_in(module):
        value: Found = vars(module)[name]
        if id(value) not in seen:
            seen.add(id(value))
            yield value
