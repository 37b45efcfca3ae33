"""Of a flow that goes wrong, the smallest that still goes wrong in the same way."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

import attrs
from flowcraft_core.errors import FlowcraftError

from .flows import AnyNode, Batch, Call, Edge, Flow, Loop, Sleep, Step, Turn, Wait, exit_id
from .growing import is_sound, own_value
from .words import names_in

T = TypeVar("T")


def smallest(flow: Flow, goes_wrong: Callable[[Flow], bool], seconds: float) -> Flow:
    """Leave out and simplify parts as long as it goes wrong.

    Args:
        flow: The flow.
        goes_wrong: Whether a flow still goes wrong; a flow that is refused does not.
        seconds: How long to look.
    """
    place, until = 0, time.monotonic() + seconds
    while True:
        # Go on where it went well: what could not be left out before seldom can be now.
        candidates = list(_smaller(flow))
        for offset in range(len(candidates)):
            candidate = candidates[(place + offset) % len(candidates)]
            try:
                found = is_sound(candidate) and goes_wrong(candidate)
            except (FlowcraftError, StopIteration):
                found = False
            if found:
                flow, place = candidate, (place + offset) % len(candidates)
                break
            if time.monotonic() > until:
                return flow
        else:
            return flow


def _smaller(flow: Flow) -> Iterator[Flow]:
    """The flows with one part less, the largest parts first."""
    for node in reversed(flow.nodes):
        yield _without(flow, node, bridged=True)
        yield _without(flow, node, bridged=False)
    for node in flow.nodes:
        if not isinstance(node, Step):
            yield _replaced(flow, node, Step(exit_id(node), join=node.join))
    for node in flow.nodes:
        for inner, put_back in _inside(node):
            for smaller in _smaller(inner):
                if smaller.nodes:
                    yield _replaced(flow, node, put_back(smaller))
    for place, edge in enumerate(flow.edges):
        yield attrs.evolve(flow, edges=(*flow.edges[:place], *flow.edges[place + 1 :]))
        for name, default in (("action", None), ("condition", None), ("transform", None), ("on", "success")):
            if getattr(edge, name) != default:
                plain = _with(edge, name, default)
                yield attrs.evolve(flow, edges=(*flow.edges[:place], plain, *flow.edges[place + 1 :]))
    for node in flow.nodes:
        for simpler in _simpler(node):
            yield _replaced(flow, node, simpler)


def _inside(node: AnyNode) -> Iterator[tuple[Flow, Callable[[Flow], AnyNode]]]:
    match node:
        case Loop():
            yield node.body, lambda body: attrs.evolve(node, body=body, end=body.nodes[-1].id)
        case Batch(worker=Flow() as inner):
            yield inner, lambda worker: attrs.evolve(node, worker=worker)
        case Call():
            yield node.flow, lambda called: attrs.evolve(node, flow=called)


def _simpler(node: AnyNode) -> Iterator[AnyNode]:
    """A node with one field at its default, or one turn less."""
    defaults: Mapping[str, Any] = {
        "join": "all",
        "inputs": None,
        "fallback": None,
        "timeout": None,
        "after": 0.0,
        "remind": (),
        "context": None,
        "outputs": None,
        "output": None,
        "tolerated": 0,
        "paired": False,
        "checks_first": False,
        "feedback_condition": None,
        "feedback_transform": None,
        "attempts": 1,
        "concurrency": None,
        "page_size": None,
        "reduce": False,
        "undo": None,
        "unsure": False,
        "delay": 0.0,
    }
    for name, value in defaults.items():
        if getattr(node, name, value) != value:
            yield _with(node, name, value)
    if isinstance(node, Sleep) and node.seconds > 1:
        yield attrs.evolve(node, seconds=1.0)
    if isinstance(node, Batch) and isinstance(node.worker, Flow):
        yield attrs.evolve(node, worker=(Turn(),))
    name, turns = ("worker", getattr(node, "worker", None)) if isinstance(node, Batch) else ("turns", None)
    if isinstance(node, (Step, Wait)):
        turns = node.turns
    if isinstance(turns, tuple):
        if len(turns) > 1:
            yield from (_with(node, name, (turn,)) for turn in turns)
        for place, turn in enumerate(turns):
            for field in attrs.fields(Turn):
                if getattr(turn, field.name) != field.default:
                    simpler = _with(turn, field.name, field.default)
                    yield _with(node, name, (*turns[:place], simpler, *turns[place + 1 :]))


def _replaced(flow: Flow, old: AnyNode, new: AnyNode) -> Flow:
    nodes = tuple(new if node is old else node for node in flow.nodes)
    edges = flow.edges
    if new.id != old.id:
        edges = tuple(
            attrs.evolve(
                edge,
                source=new.id if edge.source == old.id else edge.source,
                target=new.id if edge.target == old.id else edge.target,
            )
            for edge in edges
        )
    return _tidied(attrs.evolve(flow, nodes=nodes, edges=edges))


def _tidied(flow: Flow) -> Flow:
    """A flow without fallbacks that stand in for nobody: they would be nodes like any other."""
    used = {node.fallback for node in flow.nodes if isinstance(node, Step)}
    fallbacks = {name: turns for name, turns in flow.fallbacks.items() if name in used}
    return attrs.evolve(flow, fallbacks=fallbacks)


def _without(flow: Flow, gone: AnyNode, *, bridged: bool) -> Flow:
    """A flow without a node; ``bridged``: what was before it leads to what was behind it."""
    edges = [edge for edge in flow.edges if gone.id not in (edge.source, edge.target)]
    if bridged:
        behind = [edge.target for edge in flow.edges if edge.source == gone.id]
        edges += [Edge(edge.source, target) for edge in flow.into(gone.id) for target in behind]
    nodes = tuple(node for node in flow.nodes if node is not gone)
    names = {exit_id(gone), own_value(gone.id)}
    if isinstance(gone, Loop):
        names |= {exit_id(node) for graph in gone.body.walk() for node in graph.nodes}
    return _unnamed(_tidied(attrs.evolve(flow, nodes=nodes, edges=tuple(edges))), names)


def _unnamed(flow: Flow, names: set[str]) -> Flow:
    """A flow in which some names are not used."""
    edges = tuple(
        attrs.evolve(
            edge,
            condition=None if names & set(names_in(edge.condition)) else edge.condition,
            transform=None if names & set(names_in(edge.transform)) else edge.transform,
        )
        for edge in flow.edges
    )
    return attrs.evolve(flow, nodes=tuple(_unnamed_in(node, names) for node in flow.nodes), edges=edges)


def _unnamed_in(node: AnyNode, names: set[str]) -> AnyNode:
    inputs = getattr(node, "inputs", None)
    texts = [] if inputs is None else [inputs] if isinstance(inputs, str) else list(inputs.values())
    if any(text.partition(".")[0] in names for text in texts):
        node = _with(node, "inputs", None)
    if isinstance(node, Loop):
        node = attrs.evolve(node, body=_unnamed(node.body, names))
    return node


def _with(thing: T, name: str, value: Any) -> T:
    """A description in which one field is another."""
    changed: T = attrs.evolve(thing, **{name: value})  # type: ignore[misc]  # T is one of the frozen classes
    return changed
