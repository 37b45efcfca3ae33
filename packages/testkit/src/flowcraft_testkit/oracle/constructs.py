"""Counts which constructs a flow has, by looking at it: what was wished for is not asked."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import attrs

from .flows import AnyNode, Batch, Call, Flow, Loop, Sleep, Step, Turn, Wait, exit_id, joins_some
from .growing import Growing, own_value
from .words import names_in


@attrs.frozen
class _Seen:
    """A graph, with where it lies: the loops around it, what these loops' flows have, and whether it is the run's."""

    graph: Flow
    path: tuple[str, ...]
    is_run: bool
    places: Mapping[str, tuple[str, ...]]  # the path of each node in the whole called flow, loops' bodies included

    def origins(self, names: Iterator[str]) -> set[str]:
        me = Growing("", "run", self.path, {})
        return {me.origin(self.places[name]) for name in names if name in self.places}


def constructs_of(flow: Flow) -> set[str]:
    """The names of the constructs that a flow has."""
    graphs = list(_graphs(flow, (), _places(flow, ()), is_run=True))
    return {name for name, has in CONSTRUCTS.items() if any(has(seen) for seen in graphs)}


def _graphs(
    flow: Flow, path: tuple[str, ...], places: Mapping[str, tuple[str, ...]], *, is_run: bool = False
) -> Iterator[_Seen]:
    yield _Seen(flow, path, is_run, places)
    for node in flow.nodes:
        match node:
            case Loop(body=body):
                yield from _graphs(body, (*path, node.id), places)
            case Batch(worker=Flow() as inner) | Call(flow=inner):
                yield from _graphs(inner, (), _places(inner, ()))


def _places(flow: Flow, path: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for node in flow.nodes:
        found[exit_id(node)] = found[own_value(node.id)] = path
        if isinstance(node, Loop):
            found |= _places(node.body, (*path, node.id))
    return found


def _turns(graph: Flow) -> Iterator[Turn]:
    for node in graph.nodes:
        match node:
            case Step(turns=turns) | Batch(worker=tuple() as turns):
                yield from turns


def _is_in(*kinds: type) -> Callable[[_Seen], bool]:
    return lambda seen: any(isinstance(node, kinds) for node in seen.graph.nodes)


def _reminds(seen: _Seen) -> bool:
    return any(isinstance(node, Wait) and bool(node.remind) for node in seen.graph.nodes)


def _is_caught(*kinds: type) -> Callable[[_Seen], bool]:
    return lambda seen: any(
        e.on != "success" and isinstance(seen.graph.node(e.source), kinds) for e in seen.graph.edges
    )


def _any_joins(graph: Flow) -> list[AnyNode]:
    return [node for node in graph.nodes if joins_some(graph, node)]


def _joins_several(seen: _Seen) -> bool:
    return any(isinstance(node.join, int) and node.join > 1 for node in _any_joins(seen.graph))


def _sources(graph: Flow, node: AnyNode) -> set[str]:
    return {edge.source for edge in graph.into(node.id)}


def _named_by_inputs(graph: Flow, *kinds: type) -> Iterator[str]:
    for node in graph.nodes:
        if isinstance(node, kinds) and isinstance(node, (Step, Sleep, Batch)) and node.inputs is not None:
            texts = [node.inputs] if isinstance(node.inputs, str) else node.inputs.values()
            yield from (text.partition(".")[0] for text in texts)


def _named_by_edges(graph: Flow, *kinds: type) -> Iterator[str]:
    for edge in graph.edges:
        if not kinds or isinstance(graph.node(edge.target), kinds):
            yield from (name for text in (edge.condition, edge.transform) for name in names_in(text))


def _inputs_name(origin: str) -> Callable[[_Seen], bool]:
    return lambda seen: origin in seen.origins(_named_by_inputs(seen.graph, Step, Sleep))


def _edges_name(origin: str) -> Callable[[_Seen], bool]:
    return lambda seen: origin in seen.origins(_named_by_edges(seen.graph))


def _batch_names_into_loop(seen: _Seen) -> bool:
    names = (*_named_by_inputs(seen.graph, Batch), *_named_by_edges(seen.graph, Batch))
    return bool({"in a loop", "in a nested loop"} & seen.origins(iter(names)))


def _repeats(seen: _Seen) -> bool:
    for node in seen.graph.nodes:
        if isinstance(node, Loop) and node.condition == "result.output.n > 0" and node.feedback_condition is None:
            last = node.body.node(node.end)
            if isinstance(last, (Step, Wait)) and last.turns[0].n > 0:
                return True
    return False


def _has_shared_joins(seen: _Seen) -> bool:
    joins = [_sources(seen.graph, node) for node in _any_joins(seen.graph)]
    return any(one & other for place, one in enumerate(joins) for other in joins[:place])


def _has_join_behind_wait(seen: _Seen) -> bool:
    waits = {node.id for node in seen.graph.nodes if isinstance(node, Wait)}
    return any(_sources(seen.graph, node) & waits for node in _any_joins(seen.graph))


def _fails(node: AnyNode) -> bool:
    return isinstance(node, Step) and any(turn.fails for turn in node.turns) and node.fallback is None


def _has_contained_failure(seen: _Seen) -> bool:
    joins = {node.id for node in _any_joins(seen.graph)}
    for node in seen.graph.nodes:
        targets = {edge.target for edge in seen.graph.edges if edge.source == node.id}
        if _fails(node) and targets and targets <= joins:
            return True
    return False


def _has_open_failure(seen: _Seen) -> bool:
    joins = {node.id for node in _any_joins(seen.graph)}
    return any(
        _fails(node) and not {edge.target for edge in seen.graph.edges if edge.source == node.id} & joins
        for node in seen.graph.nodes
    )


def _tolerates(seen: _Seen) -> bool:
    for node in seen.graph.nodes:
        if isinstance(node, Batch) and node.tolerated:
            if isinstance(node.worker, Flow):
                return any(_fails(inner) for graph in node.worker.walk() for inner in graph.nodes)
            return any(turn.fails for turn in node.worker)
    return False


def _set_side_by_side(seen: _Seen) -> bool:
    names = [name for node in seen.graph.nodes for name in {n for turn in _of(node) for n in turn.sets}]
    return len(names) != len(set(names))


def _of(node: AnyNode) -> tuple[Turn, ...]:
    return node.turns if isinstance(node, Step) else ()


#: Each construct, by name, and how a graph is seen to have it.
CONSTRUCTS: Mapping[str, Callable[[_Seen], bool]] = {
    "branch by action": lambda seen: any(edge.action for edge in seen.graph.edges),
    "branch by condition": lambda seen: any(edge.condition for edge in seen.graph.edges),
    "all join": lambda seen: any(n.join == "all" and len(seen.graph.into(n.id)) > 1 for n in seen.graph.nodes),
    "any join": lambda seen: bool(_any_joins(seen.graph)),
    "join of several": _joins_several,
    "any joins that share predecessors": _has_shared_joins,
    "any join behind a wait": _has_join_behind_wait,
    "loop": _is_in(Loop),
    "nested loop": lambda seen: bool(seen.path) and _is_in(Loop)(seen),
    "several nodes in a body": lambda seen: bool(seen.path) and len(seen.graph.nodes) > 1,
    "branch in a body": lambda seen: bool(seen.path) and any(e.action or e.condition for e in seen.graph.edges),
    "several passes": _repeats,
    "batch": _is_in(Batch),
    "batch of a flow": lambda s: any(isinstance(n, Batch) and isinstance(n.worker, Flow) for n in s.graph.nodes),
    "batch with lanes": lambda seen: any(isinstance(n, Batch) and n.concurrency in (1, 2) for n in seen.graph.nodes),
    "batch in pages": lambda seen: any(isinstance(n, Batch) and n.page_size in (1, 2) for n in seen.graph.nodes),
    "batch that is reduced": lambda seen: any(isinstance(n, Batch) and n.reduce for n in seen.graph.nodes),
    "subflow": _is_in(Call),
    "wait": _is_in(Wait),
    "wait that reminds": _reminds,
    "sleep": _is_in(Sleep),
    "retry": lambda seen: any(turn.flaky for turn in _turns(seen.graph)),
    "fallback": lambda seen: any(isinstance(node, Step) and node.fallback for node in seen.graph.nodes),
    "failure contained by a join": _has_contained_failure,
    "failure tolerated by a batch": _tolerates,
    "failure that no join contains": _has_open_failure,
    "edge on failure": lambda seen: any(edge.on == "failure" for edge in seen.graph.edges),
    "edge always": lambda seen: any(edge.on == "always" for edge in seen.graph.edges),
    "failure of a construct caught": _is_caught(Loop, Batch, Call),
    "failure caught inside a construct": lambda seen: (
        not seen.is_run and any(e.on != "success" for e in seen.graph.edges)
    ),
    "undo": lambda seen: any(isinstance(n, (Step, Batch)) and n.undo is not None for n in seen.graph.nodes),
    "values set side by side": _set_side_by_side,
    "value deleted": lambda seen: any(turn.deletes for turn in _turns(seen.graph)),
    "value read": lambda seen: any(turn.reads for turn in _turns(seen.graph)),
    "inputs name a node beside": _inputs_name("beside"),
    "inputs name a node around": _inputs_name("around"),
    "inputs name a node in a loop": _inputs_name("in a loop"),
    "inputs name a node in a nested loop": _inputs_name("in a nested loop"),
    "expression names a node beside": _edges_name("beside"),
    "expression names a node around": _edges_name("around"),
    "expression names a node in a loop": _edges_name("in a loop"),
    "expression names a node in a nested loop": _edges_name("in a nested loop"),
    "batch names a node in a loop": _batch_names_into_loop,
}
