"""Resolves explicit inputs, and refuses those that name a node which may not be resolved when it is needed."""

from __future__ import annotations

from collections.abc import Collection, Container

from ..rules import Problem, Rule, data
from .scopes import Construct, Kind, Reference, Scope, Vertex

_OUTPUTS = "_outputs."


def parse_reference(text: str, node_ids: Container[str]) -> Reference:
    """What a name in ``inputs`` means: a node's output if a node has that id, else a context value; then a path.

    Ids may contain dots: the longest id that fits wins. ``_outputs.fetch`` always means the node; any other name that
    begins with an underscore is a context value's, as it stands.
    """
    text_of_node = text.removeprefix(_OUTPUTS)
    if text.startswith("_") and text_of_node == text:
        return Reference(text, None, text, ())
    parts = text_of_node.split(".")
    for length in range(len(parts), 0, -1):
        node_id = ".".join(parts[:length])
        if node_id in node_ids:
            return Reference(text, node_id, node_id, tuple(parts[length:]))
    return Reference(text, None, parts[0], tuple(parts[1:]))


def resolve_inputs(root: Scope, node_ids: Collection[str], fallbacks: Collection[str], problems: list[Problem]) -> None:
    """Fill ``Vertex.inputs`` in a blueprint's scopes; references that cannot be met are added to ``problems``."""
    known = {*node_ids, *fallbacks}
    waiting: list[tuple[Scope, tuple[tuple[Scope, int], ...]]] = [(root, ())]
    guaranteed = _Guaranteed()
    while waiting:
        scope, around = waiting.pop()
        for vertex in scope.vertices:
            for reference in _parse(vertex, known):
                if reference.node is not None:
                    problem = _problem(reference.node, vertex, ((scope, vertex.index), *around), guaranteed, fallbacks)
                    if problem:
                        rule, why = problem
                        text = f"node {vertex.id!r}: inputs name {reference.text!r}, {why}"
                        problems.append(rule.at(vertex.id, text))
        for construct in scope.constructs:
            if construct.body is not None:
                waiting.append((construct.body, ((scope, construct.entry), *around)))


def _parse(vertex: Vertex, known: Container[str]) -> list[Reference]:
    if vertex.kind not in (Kind.STEP, Kind.ENTRY):
        return []
    references: list[Reference] = []
    inputs = vertex.node.inputs
    if isinstance(inputs, str):
        vertex.inputs = parse_reference(inputs, known)
        references.append(vertex.inputs)
    elif inputs is not None:
        vertex.inputs = {name: parse_reference(text, known) for name, text in inputs.items()}
        references.extend(vertex.inputs.values())
    construct = vertex.construct
    if construct is not None and construct.calls is not None and vertex.params.get("inputs") is not None:
        construct.inputs = {name: parse_reference(text, known) for name, text in vertex.params["inputs"].items()}
        references.extend(construct.inputs.values())
    return references


def _problem(
    node_id: str,
    vertex: Vertex,
    places: tuple[tuple[Scope, int], ...],
    guaranteed: _Guaranteed,
    fallbacks: Collection[str],
) -> tuple[Rule, str] | None:
    if node_id in fallbacks:
        return data.INPUT_FROM_FALLBACK, "which is a fallback: name the node that it stands in for"
    for scope, index in places:
        named, loop = scope.by_id.get(node_id), scope.inner.get(node_id)
        if named is None and loop is not None:
            named = loop.exit
        if named is None:
            continue
        if guaranteed.before(scope, named, index):
            left = None if loop is None or named != loop.exit else guaranteed.left_behind(loop, node_id)
            if left is None:
                return None
            why = f"which a join of any edge may leave behind when loop {left.node.id!r} ends: name the loop instead"
            return data.INPUT_LEFT_BEHIND, why
        why = (
            f"which may not have ended when {vertex.id!r} starts: draw an edge so that it always comes first, or name "
            "another node"
        )
        return data.INPUT_TOO_EARLY, why
    raise AssertionError(node_id)  # the outermost scope knows each node, by itself or as part of a loop


class _Guaranteed:
    """Which vertices are resolved before which, whichever edges win the joins of some between."""

    def __init__(self) -> None:
        self._after: dict[tuple[int, int], set[int]] = {}

    def before(self, scope: Scope, first: int, then: int) -> bool:
        vertex = scope.vertices[then]
        # The usual case, and the one that must not cost a walk: the node itself is the predecessor.
        if not vertex.quorum and any(link.source == first for link in vertex.incoming):
            return True
        key = (id(scope), first)
        if key not in self._after:
            self._after[key] = self._walk(scope, first)
        return then in self._after[key]

    def left_behind(self, loop: Construct, node_id: str) -> Construct | None:
        """The loop, this or one inside it, that may end a pass with the node not resolved; None if there is none."""
        body = loop.body
        assert body is not None  # a loop's always is
        inner = body.inner.get(node_id)
        if inner is not None:
            return loop if not self.before(body, inner.exit, loop.verdict) else self.left_behind(inner, node_id)
        return None if self.before(body, body.by_id[node_id], loop.verdict) else loop

    @staticmethod
    def _walk(scope: Scope, first: int) -> set[int]:
        # What follows `first` for certain: a join of all needs one such way in, one of some so many that it cannot do
        # without them.
        certain = {first}
        for index in scope.order[scope.order.index(first) + 1 :]:
            vertex = scope.vertices[index]
            if vertex.kind is Kind.EXIT and vertex.construct is not None:
                follows = vertex.construct.entry in certain
            else:
                sources = {link.source for link in vertex.incoming}
                follows = len(sources - certain) < (vertex.quorum or len(sources))
            if follows:
                certain.add(index)
        certain.discard(first)
        return certain
