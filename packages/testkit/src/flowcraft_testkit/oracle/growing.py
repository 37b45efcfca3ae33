"""A graph while it is drawn: its nodes, its edges, and which names are sure to be settled where.

A name may be used by a node only if it is settled whichever way the run goes: what lies before one of the edges of an
``all`` join, before each of the edges of an ``any`` join, before so many that a join of k needs one of them, or before
the construct around.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal, TypeAlias

import attrs

from .flows import AnyNode, Batch, Call, Edge, Flow, JoinName, Loop, Sleep, Step, Turn, exit_id
from .words import names_in

#: What a run of a drawn flow begins with.
CONTEXT: Mapping[str, Any] = {"seed": 5, "two": ["x", "y"], "none": []}

Role: TypeAlias = Literal["run", "body", "called"]

#: Where a name is from, as seen from where it is used.
Origin: TypeAlias = Literal["beside", "around", "in a loop", "in a nested loop"]


@attrs.define(eq=False)
class Growing:
    """A graph that is not finished.

    Attributes:
        id: Its flow's id.
        role: What it is to be.
        path: The ids of the loops around it, in its flow.
        around: The names that are settled before it begins, with the paths of where they are from.
        has_lists: Its context has lists, by the names that the run's own has.
        nodes: Its nodes so far.
        edges: Its edges so far.
        fallbacks: The turns of its fallback nodes.
        closed: The nodes that nothing more may be hung on.
    """

    id: str
    role: Role
    path: tuple[str, ...]
    around: Mapping[str, tuple[str, ...]]
    has_lists: bool = True
    nodes: list[AnyNode] = attrs.field(factory=list)
    edges: list[Edge] = attrs.field(factory=list)
    fallbacks: dict[str, tuple[Turn, ...]] = attrs.field(factory=dict)
    closed: set[str] = attrs.field(factory=set)
    _behind: dict[str, Mapping[str, tuple[str, ...]]] = attrs.field(factory=dict)

    def add(self, node: AnyNode, edges: Sequence[Edge]) -> None:
        """Add a node with the edges into it."""
        settled = self.before([edge.source for edge in edges], node.join)
        self._behind[node.id] = {**settled, **exported(node, self.path)}
        self.nodes.append(node)
        self.edges.extend(edges)

    def before(self, sources: Sequence[str], join: JoinName) -> Mapping[str, tuple[str, ...]]:
        """What is settled before a node with those predecessors, beside what is settled around."""
        found = [self._behind[source] for source in dict.fromkeys(sources)]
        needed = len(found) if join == "all" else 1 if join == "any" else join
        return {
            name: path
            for each in found
            for name, path in sorted(each.items())
            if sum(name not in other for other in found) < needed
        }

    def behind(self, source: str) -> Mapping[str, tuple[str, ...]]:
        """What is settled once a node has ended."""
        return {**self.around, **self._behind[source]}

    def open(self) -> list[AnyNode]:
        """The nodes that something may be hung on."""
        return [node for node in self.nodes if node.id not in self.closed]

    def dangling(self) -> list[AnyNode]:
        """The nodes that nothing follows."""
        leads_on = {edge.source for edge in self.edges}
        return [node for node in self.nodes if node.id not in leads_on]

    def origin(self, path: tuple[str, ...]) -> Origin:
        """Where something is from, as seen from here."""
        deeper = len(path) - len(self.path)
        if path == self.path:
            return "beside"
        if path[: len(self.path)] == self.path:
            return "in a loop" if deeper == 1 else "in a nested loop"
        # In a scope around this one, or in a loop beside one of those.
        shared = next((n for n, (a, b) in enumerate(zip(path, self.path, strict=False)) if a != b), len(path))
        return "around" if shared == len(path) else "in a loop" if len(path) == shared + 1 else "in a nested loop"

    def flow(self) -> Flow:
        """The graph, finished."""
        return Flow(self.id, tuple(self.nodes), tuple(self.edges), self.fallbacks)


def exported(node: AnyNode, path: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    """The names that are settled once a node has ended, with the paths of where they are from.

    A value that a node sets has its name for itself: ``c_`` before the node's id.
    """
    names = {exit_id(node): path}
    match node:
        case Step(turns=turns):
            names |= {name: path for turn in turns for name in turn.sets if name == own_value(node.id)}
        case Loop(body=body):
            # What lost a race inside may end at any time.
            inside = Growing(body.id, "body", (*path, node.id), {})
            for inner in body.nodes:
                inside.add(inner, body.into(inner.id))
            names |= inside.behind(node.end)
        case Batch() | Call():
            pass
    return names


def own_value(node_id: str) -> str:
    """The context value that only this node sets."""
    return f"c_{node_id}"


def is_sound(flow: Flow) -> bool:
    """Whether a flow uses only names that are settled where it uses them; if so, it does not depend on the schedule."""
    return _is_sound(flow, Growing(flow.id, "run", (), {}))


def _is_sound(flow: Flow, graph: Growing) -> bool:
    for node in flow.nodes:
        edges = flow.into(node.id)
        if any(edge.source not in {known.id for known in graph.nodes} for edge in edges):
            return False  # a description lists its nodes in an order in which they can run
        settled = {**graph.around, **graph.before([edge.source for edge in edges], node.join)}
        if not set(_read_by(node)) <= settled.keys() | CONTEXT.keys():
            return False
        for edge in edges:
            if not {*names_in(edge.condition), *names_in(edge.transform)} <= graph.behind(edge.source).keys():
                return False
        if isinstance(node, Loop):
            if node.checks_first and not edges and graph.role != "body":
                return False  # there is no edge that says so
            inner = Growing(flow.id, "body", (*graph.path, node.id), settled)
            if not _is_sound(node.body, inner):
                return False
        elif isinstance(node, Call) or (isinstance(node, Batch) and isinstance(node.worker, Flow)):
            called = node.flow if isinstance(node, Call) else node.worker
            if not isinstance(called, Flow) or not is_sound(called):
                return False
        graph.add(node, edges)
    return True


def _read_by(node: AnyNode) -> Iterator[str]:
    inputs = node.inputs if isinstance(node, (Step, Sleep, Batch)) else None
    if inputs is not None:
        texts = [inputs] if isinstance(inputs, str) else inputs.values()
        yield from (text.partition(".")[0] for text in texts)
    if isinstance(node, Step):
        yield from (name for turn in node.turns for name in turn.reads)
