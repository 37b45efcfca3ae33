"""From a blueprint to its scopes; what cannot mean anything is refused here, by node and remedy.

In order: names and edges are checked; fallback nodes leave the graph and hand their edges to the nodes that they stand
in for; loops get their bodies; every node gets its scope; edges become links between vertices of one scope; each scope
is put in order, which finds the cycles that no loop declares; explicit inputs are resolved. All of it takes time
linear in the blueprint, but for explicit inputs that name a distant ancestor: those take one walk per name.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

import attrs

from ..blueprint import (
    ALIASES,
    BATCH,
    BATCH_GATHER,
    BATCH_SCATTER,
    BUILT_IN_USES,
    LOOP_CONTROLLER,
    SLEEP,
    SUBFLOW,
    WAIT,
    Blueprint,
    Edge,
    JoinStrategy,
    Node,
    is_join_strategy,
    shape_problems,
)
from ..durations import parse_duration
from ..errors import BlueprintError, ConfigurationError, ExpressionError
from ..limits import as_limits, problem_with
from ..queues import is_queue_name, not_a_queue
from ..reminders import reminders_of
from ..retries import RetryPolicy
from ..rules import Problem, Rule, constructs, data, flows, graphs, standing_in
from ..texts import id_problem, safe_text
from .facts import OUTPUT
from .keys import ENTRY_SUFFIX, escape, step_name
from .order import put_in_order
from .references import resolve_inputs
from .scopes import Construct, Graph, Kind, Link, Scope, Vertex

if TYPE_CHECKING:
    from ..expressions import Expression
    from .loops import Loop

CONTINUE = "continue"
BREAK = "break"


def compile_blueprint(blueprint: Blueprint) -> Graph:
    """Compile a blueprint.

    Raises:
        BlueprintError: It cannot mean anything; the error lists every problem found, with a remedy each.
    """
    return _Compiler(blueprint).compile()


class _Compiler:
    def __init__(self, blueprint: Blueprint) -> None:
        self.blueprint = blueprint
        self.problems: list[Problem] = []
        self.nodes: dict[str, Node] = {}
        self.edges: list[Edge] = []
        self.fallbacks: dict[str, Node] = {}
        self.undos: dict[str, Node] = {}
        self.loops: dict[str, Loop] = {}
        self.around: dict[str, list[str]] = {}  # node id -> the loops around it, from the outside in
        self.gathers: dict[str, str] = {}  # scatter's id -> gather's id
        self.scopes: dict[str | None, Scope] = {}  # loop's id, or None for the root
        self.entries: dict[str, Vertex] = {}  # node id -> the vertex that takes its incoming edges
        self.exits: dict[str, Vertex] = {}  # node id -> the vertex that has its outgoing edges
        self.verdicts: dict[str, Vertex] = {}
        self.constructs: dict[str, Construct] = {}
        self.uses: dict[str, str] = {}
        self.calls: dict[str, str] = {}

    def compile(self) -> Graph:
        # Each stage relies on what the ones before have checked.
        for stage in (
            self._check_names,
            self._check_queues,
            self._check_limits,
            self._take_out_fallbacks,
            self._take_out_undos,
            self._pair_batches,
            self._find_loops,
            self._make_scopes,
            self._make_links,
            self._order_scopes,
            self._resolve_inputs,
        ):
            stage()
            if self.problems:
                raise BlueprintError(self.blueprint.id, self.problems)
        return Graph(
            blueprint=self.blueprint,
            root=self.scopes[None],
            uses=self.uses,
            calls=self.calls,
            undoes=bool(self.undos),
        )

    def _check_names(self) -> None:
        if not self.blueprint.nodes:
            self.problems.append(flows.EMPTY_FLOW.at(None, "it has no nodes: add at least one"))
        misshapen = shape_problems(self.blueprint)
        if misshapen:
            self.problems += misshapen
            return
        try:
            self.blueprint.to_json().encode()
        except UnicodeEncodeError as error:
            near = safe_text(error.object[max(0, error.start - 40) : error.end + 40], 200)
            self.problems.append(
                flows.UNSTORABLE_TEXT.at(None, f"it holds text that cannot be stored, a lone surrogate: near {near!r}")
            )
            return
        if (problem := id_problem(self.blueprint.id)) is not None:
            self.problems.append(graphs.BAD_ID.at(None, f"it has {problem}"))
        for node in self.blueprint.nodes:
            if (problem := id_problem(node.id)) is not None:
                self.problems.append(graphs.BAD_ID.at(node.id, f"node {node.id!r:.80} has {problem}"))
            if node.id in self.nodes:
                text = f"node {node.id!r} is defined twice: give each node an id of its own"
                self.problems.append(graphs.DUPLICATE_NODE.at(node.id, text))
            self.nodes[node.id] = attrs.evolve(node, uses=ALIASES.get(node.uses, node.uses))
        for edge in self.blueprint.edges:
            if edge.action and edge.on in ("failure", "always"):
                text = (
                    f": an edge on {edge.on!r} has no action: a failure has none, and what is always taken does not "
                    "depend on one; use a condition"
                )
                self.problems.append(graphs.ACTION_ON_FAILURE.along(edge.source, edge.target, text))
            for end in (edge.source, edge.target):
                if end not in self.nodes:
                    text = f": there is no node {end!r}; add it or mend the edge"
                    self.problems.append(graphs.UNKNOWN_END.along(edge.source, edge.target, text))

    def _check_queues(self) -> None:
        blueprint = self.blueprint
        named: list[tuple[str | None, str, str | None]] = [(None, "its queue", blueprint.queue)]
        named += [(node.id, f"node {node.id!r}: queue", node.config.queue) for node in blueprint.nodes if node.config]
        self.problems += [
            graphs.BAD_QUEUE.at(node_id, not_a_queue(what, name))
            for node_id, what, name in named
            if name is not None and not is_queue_name(name)
        ]

    def _check_limits(self) -> None:
        for node in self.blueprint.nodes:
            named = as_limits(None if node.config is None else node.config.limit)
            if named and node.uses in (WAIT, SLEEP):
                text = f"node {node.id!r}: a wait or a sleep uses nothing up, so it keeps to no limit"
                self.problems.append(constructs.LIMIT_OF_WAIT.at(node.id, text))
            for each in named:
                if (problem := problem_with(each)) is not None:
                    self.problems.append(graphs.BAD_LIMIT.at(node.id, f"node {node.id!r}: {problem}"))

    def _take_out_fallbacks(self) -> None:
        stands_in: dict[str, list[str]] = defaultdict(list)
        for node in self.blueprint.nodes:
            name = node.config.fallback if node.config else None
            if name is None:
                continue
            fallback = self.nodes.get(name)
            if fallback is None:
                fallback = Node(name, name, params=node.params)
            elif fallback.uses in BUILT_IN_USES:
                text = f"node {node.id!r}: its fallback {name!r} must be a plain step, not {fallback.uses!r}"
                self.problems.append(standing_in.FALLBACK_NO_STEP.at(node.id, text))
            elif fallback.config is not None and fallback.config.fallback is not None:
                text = f"node {name!r} is a fallback and has a fallback itself: handle its failure inside the step"
                self.problems.append(standing_in.FALLBACK_OF_FALLBACK.at(name, text))
            elif fallback.config is not None and fallback.config.queue is not None:
                text = (
                    f"node {name!r} is a fallback, which runs where the node does that it stands in for: give "
                    f"{node.id!r} the queue {fallback.config.queue!r}, or none"
                )
                self.problems.append(standing_in.FALLBACK_WITH_QUEUE.at(name, text))
            elif fallback.config is not None and fallback.config.limit is not None:
                text = (
                    f"node {name!r} is a fallback, which keeps to the limits of the node that it stands in for: name "
                    f"them at {node.id!r}"
                )
                self.problems.append(standing_in.FALLBACK_WITH_LIMIT.at(name, text))
            else:
                stands_in[name].append(node.id)
            if node.uses in BUILT_IN_USES:
                text = f"node {node.id!r}: only a plain step can have a fallback, not {node.uses!r}"
                self.problems.append(standing_in.FALLBACK_OF_NO_STEP.at(node.id, text))
            self.fallbacks[node.id] = fallback
        drawn: dict[str, set[tuple[Any, ...]]] = defaultdict(set)
        for edge in self.blueprint.edges:
            drawn[edge.source].add((edge.target, edge.action, edge.condition, edge.on or "success"))
        for edge in self.blueprint.edges:
            if edge.target in stands_in:
                text = (
                    f": {edge.target!r} is a fallback and runs only in place of {stands_in[edge.target][0]!r}; remove "
                    "the edge or the fallback setting"
                )
                self.problems.append(standing_in.EDGE_TO_FALLBACK.along(edge.source, edge.target, text))
            if edge.source not in stands_in:
                self.edges.append(edge)
                continue
            for primary in stands_in[edge.source]:
                # The TypeScript documentation draws the primary's edges from the fallback again: that adds nothing.
                if (edge.target, edge.action, edge.condition, edge.on or "success") not in drawn[primary]:
                    self.edges.append(attrs.evolve(edge, source=primary))
        for name in stands_in:
            self._need(self.nodes.pop(name))

    def _take_out_undos(self) -> None:
        """An undo is no part of the graph: it comes when all of that has ended."""
        asked: dict[str, str] = {}
        for node in self.blueprint.nodes:
            name = node.config.undo if node.config else None
            if name is None:
                continue
            undo = self.nodes.get(name, Node(name, name, params=node.params))
            if undo.uses in BUILT_IN_USES:
                text = f"node {node.id!r}: its undo {name!r} must be a plain step, not {undo.uses!r}"
                self.problems.append(standing_in.UNDO_NO_STEP.at(node.id, text))
            if node.uses in BUILT_IN_USES - {BATCH, BATCH_SCATTER}:
                text = f"node {node.id!r}: only a plain step has an undo, not {node.uses!r}"
                self.problems.append(standing_in.UNDO_OF_NO_STEP.at(node.id, text))
            elif node.uses in BUILT_IN_USES and (node.params or {}).get("workerBlueprintId"):
                text = f"node {node.id!r}: its worker is a flow, so give undo to that flow's nodes"
                self.problems.append(standing_in.UNDO_OF_NO_STEP.at(node.id, text))
            if undo.config is not None and undo.config.limit is not None:
                text = f"node {name!r} is an undo, and keeps to no limit: what was done is taken back"
                self.problems.append(standing_in.UNDO_WITH_LIMIT.at(name, text))
            if undo.config is not None and (undo.config.fallback is not None or undo.config.undo is not None):
                text = f"node {name!r} is an undo, and has neither a fallback nor an undo itself"
                self.problems.append(standing_in.UNDO_WITH_SETTINGS.at(name, text))
            if node.id in {fallback.id for fallback in self.fallbacks.values()}:
                text = f"node {node.id!r} is a fallback: name the undo where it stands in"
                self.problems.append(standing_in.UNDO_OF_FALLBACK.at(node.id, text))
            self.undos[node.id] = undo
            if name in self.nodes:
                asked[name] = node.id
        for edge in self.edges:
            for end in {edge.source, edge.target} & asked.keys():
                text = f": {end!r} is the undo of {asked[end]!r}, and no part of the graph; remove the edge"
                self.problems.append(standing_in.EDGE_OF_UNDO.along(edge.source, edge.target, text))
        for name in asked:
            self._need(self.nodes.pop(name))

    def _pair_batches(self) -> None:
        for node in self.nodes.values():
            if node.uses != BATCH_SCATTER:
                continue
            gather = (node.params or {}).get("gatherNodeId")
            if gather not in self.nodes or self.nodes[gather].uses != BATCH_GATHER:
                text = f"node {node.id!r}: params.gatherNodeId {gather!r} names no batch-gather node"
                self.problems.append(constructs.SCATTER_WITHOUT_GATHER.at(node.id, text))
            elif gather in self.gathers.values():
                text = f"node {gather!r} gathers for two scatter nodes: give each its own"
                self.problems.append(constructs.GATHER_OF_TWO.at(gather, text))
            else:
                self.gathers[node.id] = gather
        paired = set(self.gathers.values())
        for node in self.nodes.values():
            if node.uses == BATCH_GATHER and node.id not in paired:
                text = f"node {node.id!r}: no batch-scatter node names it in params.gatherNodeId"
                self.problems.append(constructs.GATHER_WITHOUT_SCATTER.at(node.id, text))
        kept = []
        for edge in self.edges:
            if self.gathers.get(edge.source) == edge.target and edge.source in self.gathers:
                if edge.on in ("failure", "always"):
                    text = (
                        f": an edge on {edge.on!r} cannot lead from a batch's scatter node to its gather node: draw it "
                        "from the gather node"
                    )
                    self.problems.append(constructs.BATCH_EDGE.along(edge.source, edge.target, text))
                continue
            if edge.source in self.gathers:
                text = f": what follows a batch hangs on its gather node {self.gathers[edge.source]!r}"
                self.problems.append(constructs.BATCH_EDGE.along(edge.source, edge.target, text))
            elif edge.target in paired:
                text = ": what a batch waits for leads to its scatter node"
                self.problems.append(constructs.BATCH_EDGE.along(edge.source, edge.target, text))
            kept.append(edge)
        self.edges = kept

    def _find_loops(self) -> None:
        if all(node.uses != LOOP_CONTROLLER for node in self.nodes.values()):
            return
        from .loops import enclosing_loops, find_loops  # noqa: PLC0415 # for flows that have some

        self.loops = find_loops(self.nodes, self.edges, self.gathers, self.problems)
        self.around = enclosing_loops(self.loops)

    def _make_scopes(self) -> None:
        self.scopes[None] = Scope(self.blueprint.id, namespace=True, queue=self.blueprint.queue)
        for loop_id in self.loops:
            self.scopes[loop_id] = Scope(self.blueprint.id, namespace=False, queue=self.blueprint.queue)
        home: dict[str, str | None] = {node_id: loops[-1] for node_id, loops in self.around.items()}
        paired = set(self.gathers.values())
        for node in self.nodes.values():
            if node.id in paired:
                continue  # made together with its scatter node
            scope = self.scopes[home.get(node.id)]
            if node.uses == LOOP_CONTROLLER:
                self._make_loop(scope, node)
            elif node.uses in (BATCH, BATCH_SCATTER):
                self._make_batch(scope, node)
            elif node.uses == SUBFLOW:
                self._make_subflow(scope, node)
            else:
                self._make_step(scope, node)
        for loop_id, loop in self.loops.items():
            outer: str | None = loop_id
            while outer is not None:
                inside, outer = outer, home.get(outer)
                for node_id in loop.body:
                    self.scopes[outer].inner.setdefault(node_id, self.constructs[inside])

    def _add(self, scope: Scope, kind: Kind, node: Node, key: str, construct: Construct | None = None) -> Vertex:
        try:
            retry = RetryPolicy.from_config(node.config)
        except ConfigurationError as error:
            self.problems.append(graphs.BAD_RETRIES.at(node.id, f"node {node.id!r}: {error}"))
            retry = RetryPolicy(max_attempts=1)
        vertex = Vertex(
            index=len(scope.vertices),
            kind=kind,
            id=node.id,
            key=key,
            node=node,
            retry=retry,
            fallback=self.fallbacks.get(node.id),
            undo=self.undos.get(node.id) if kind is Kind.STEP else None,
            construct=construct,
            timeout=None if node.config is None or not node.config.timeout else node.config.timeout / 1000,
        )
        scope.vertices.append(vertex)
        if kind is not Kind.VERDICT:
            scope.by_key[key] = vertex.index
        return vertex

    def _need(self, node: Node) -> tuple[str, ...]:
        """Note which implementations a node needs, and give their names."""
        names = [] if node.uses in BUILT_IN_USES else [node.uses]
        if node.config is not None and node.config.retry_if is not None:
            names.append(node.config.retry_if)
        for name in names:
            self.uses.setdefault(name, node.id)
        return tuple(names)

    def _make_step(self, scope: Scope, node: Node) -> Vertex:
        vertex = self._add(scope, Kind.STEP, node, escape(node.id))
        self.entries[node.id] = self.exits[node.id] = vertex
        scope.by_id[node.id] = vertex.index
        vertex.uses = self._need(node)
        if vertex.fallback is not None:
            vertex.uses += self._need(vertex.fallback)
        if vertex.undo is not None:
            vertex.uses += self._need(vertex.undo)
        if node.uses == SLEEP:
            try:
                parse_duration(vertex.params.get("duration"))
            except ValueError as error:
                self.problems.append(constructs.BAD_SLEEP.at(node.id, f"node {node.id!r}: params.duration {error}"))
        elif node.uses == WAIT:
            self._make_wait(vertex)
        return vertex

    def _make_wait(self, vertex: Vertex) -> None:
        if vertex.timeout is None and vertex.params.get("timeout") is not None:
            text = f"node {vertex.id!r}: a wait's timeout stands in config.timeout, milliseconds"
            self.problems.append(constructs.MISPLACED_TIMEOUT.at(vertex.id, text))
        try:
            vertex.reminders = reminders_of(vertex.params)
        except ValueError as error:
            self.problems.append(constructs.BAD_REMINDERS.at(vertex.id, f"node {vertex.id!r}: params.{error}"))
        if vertex.reminders is not None:
            vertex.uses += (vertex.reminders.uses,)
            self.uses.setdefault(vertex.reminders.uses, vertex.id)

    def _make_construct(self, scope: Scope, construct: Construct, last: Node, entry_key: str) -> None:
        entry = self._add(scope, Kind.ENTRY, construct.node, entry_key, construct)
        exit_ = self._add(scope, Kind.EXIT, last, escape(last.id), construct)
        construct.entry, construct.exit = entry.index, exit_.index
        scope.constructs.append(construct)
        scope.by_construct[construct.key] = construct
        scope.by_id[last.id] = exit_.index
        if construct.node.id != last.id:
            scope.by_id[construct.node.id] = entry.index
        self.constructs[construct.node.id] = construct
        self.entries[construct.node.id] = self.entries[last.id] = entry
        self.exits[construct.node.id] = self.exits[last.id] = exit_

    def _make_loop(self, scope: Scope, node: Node) -> None:
        body = self.scopes[node.id]
        construct = Construct("loop", node, escape(node.id), -1, -1, body=body)
        construct.checks_first = self.loops[node.id].checks_first
        self._make_construct(scope, construct, node, escape(node.id) + ENTRY_SUFFIX)
        # Its instance key is the pass's own, see ScopeState.key.
        self.verdicts[node.id] = self._add(body, Kind.VERDICT, node, "", construct)
        construct.verdict = self.verdicts[node.id].index
        construct.condition = self._expression(
            lambda why: data.BAD_EXPRESSION.at(node.id, f"node {node.id!r}: params.condition{why}"),
            (node.params or {}).get("condition"),
            required=True,
        )

    def _make_batch(self, scope: Scope, node: Node) -> None:
        params = node.params or {}
        gather = self.nodes[self.gathers[node.id]] if node.uses == BATCH_SCATTER else node
        # The TypeScript builder names the pair `pages_scatter` and `pages_gather`; the batch itself is `pages`.
        name = node.id.removesuffix("_scatter")
        if node is gather or gather.id != f"{name}_gather" or name in self.nodes:
            name = node.id
        construct = Construct("batch", node, escape(name), -1, -1)
        count, percentage = params.get("toleratedFailureCount", 0), params.get("toleratedFailurePercentage", 0)
        if not isinstance(count, int) or count < 0:
            text = f"node {node.id!r}: params.toleratedFailureCount must be a whole number, not {count!r}"
            self.problems.append(constructs.BAD_TOLERANCE.at(node.id, text))
        elif not isinstance(percentage, (int, float)) or not 0 <= percentage <= 100:
            text = f"node {node.id!r}: params.toleratedFailurePercentage must be from 0 to 100, not {percentage!r}"
            self.problems.append(constructs.BAD_TOLERANCE.at(node.id, text))
        else:
            construct.tolerated_count, construct.tolerated_percentage = count, percentage
        construct.concurrency = self._number_of_items(
            node, "concurrency", "are under way at most", constructs.BAD_CONCURRENCY
        )
        construct.page_size = self._number_of_items(node, "pageSize", "are stored together", constructs.BAD_PAGE_SIZE)
        construct.reduce = self._reducer(node)
        worker, called = params.get("workerUsesKey"), params.get("workerBlueprintId")
        if isinstance(called, str) and called:
            construct.calls = called
            self.calls.setdefault(called, node.id)
            self._check_names_map(node, "inputs")
        elif isinstance(worker, str) and worker:
            construct.body = self._item_scope(node, worker)
        else:
            text = (
                f"node {node.id!r}: a batch needs params.workerUsesKey, its worker's name in the registry, or "
                "params.workerBlueprintId"
            )
            self.problems.append(constructs.BATCH_WITHOUT_WORKER.at(node.id, text))
        entry_key = escape(node.id) + ENTRY_SUFFIX if node is gather else escape(node.id)
        self._make_construct(scope, construct, gather, entry_key)
        if construct.reduce is not None:
            scope.vertices[construct.exit].uses = self._need(construct.reduce)

    def _reducer(self, node: Node) -> Node | None:
        """What makes one value of a batch's results, if it says so; what is none is noted."""
        name = (node.params or {}).get("reduceUsesKey")
        if name is None or (isinstance(name, str) and name and name not in BUILT_IN_USES):
            return None if name is None else Node(node.id, name)
        text = f"node {node.id!r}: params.reduceUsesKey must be the name of a plain step, not {name!r:.80}"
        self.problems.append(constructs.BAD_REDUCER.at(node.id, text))
        return None

    def _number_of_items(self, node: Node, name: str, which: str, rule: Rule) -> int | None:
        """A number of items that a batch may name; what is none is noted."""
        value = (node.params or {}).get(name)
        if value is not None and (type(value) is not int or value < 1):
            text = (
                f"node {node.id!r}: params.{name}, how many items {which}, must be a whole number of at least 1, not "
                f"{value!r:.80}"
            )
            self.problems.append(rule.at(node.id, text))
            return None
        return value

    def _item_scope(self, node: Node, worker: str) -> Scope:
        scope = Scope(self.blueprint.id, namespace=False, queue=self.blueprint.queue)
        # The worker's retries and timeout are the batch's: it has no node of its own in the blueprint.
        # So it has the batch's id, unless it is called by a name of its own.
        worker_id = node.id if worker == step_name(self.blueprint.id, node.id, "worker") else worker
        vertex = self._add(scope, Kind.STEP, Node(worker_id, worker, config=node.config), escape(worker_id))
        if (undo := self.undos.get(node.id)) is not None:
            vertex.undo = undo
            self._need(undo)
        scope.by_id[worker_id] = vertex.index
        put_in_order(scope, [])
        vertex.uses = self._need(vertex.node)
        return scope

    def _make_subflow(self, scope: Scope, node: Node) -> None:
        called = (node.params or {}).get("blueprintId")
        if not isinstance(called, str) or not called:
            text = f"node {node.id!r}: a subflow needs params.blueprintId, the id of the flow that it calls"
            self.problems.append(constructs.SUBFLOW_WITHOUT_FLOW.at(node.id, text))
            called = ""
        self._check_names_map(node, "inputs")
        self._check_names_map(node, "outputs")
        construct = Construct("subflow", node, escape(node.id), -1, -1, calls=called)
        self.calls.setdefault(called, node.id)
        self._make_construct(scope, construct, node, escape(node.id) + ENTRY_SUFFIX)

    def _check_names_map(self, node: Node, name: str) -> None:
        mapping = (node.params or {}).get(name)
        if mapping is not None and not (
            isinstance(mapping, dict) and all(isinstance(value, str) for value in mapping.values())
        ):
            text = f"node {node.id!r}: params.{name} must map names to names"
            self.problems.append(constructs.BAD_NAMES_MAP.at(node.id, text))

    def _make_links(self) -> None:
        places: dict[str, int] = defaultdict(int)
        incoming: dict[int, list[Link]] = defaultdict(list)
        outgoing: dict[int, list[Link]] = defaultdict(list)
        for edge in self.edges:
            source, target = self.exits[edge.source], self.entries[edge.target]
            loop = self.loops.get(edge.source)
            if loop is not None and edge.action == CONTINUE and edge.target == loop.start:
                verdict = self.verdicts[edge.source]
                self.constructs[edge.source].feedback = self._link(edge, 0, verdict, verdict)
                continue
            into = self.loops.get(edge.target)
            if into is not None and edge.source == into.end:
                target = self.verdicts[edge.target]
            else:
                target = self._outermost_entry(edge, target)
            link = self._link(edge, places[edge.source], source, target)
            places[edge.source] += 1
            outgoing[id(source)].append(link)
            incoming[id(target)].append(link)
        for scope in self.scopes.values():
            for vertex in scope.vertices:
                vertex.out = tuple(outgoing[id(vertex)]) if id(vertex) in outgoing else ()
                vertex.incoming = tuple(incoming[id(vertex)]) if id(vertex) in incoming else ()
                vertex.catches = any(link.on != "success" for link in vertex.out)
                if vertex.catches or any(link.action or link.condition or link.transform for link in vertex.out):
                    vertex.all_taken = None
                else:
                    vertex.all_taken = {link.place: OUTPUT for link in vertex.out}
                if vertex.kind is Kind.EXIT and vertex.construct is not None:
                    vertex.construct.leaving = tuple(link for link in vertex.out if link.on == "success")
                vertex.quorum = self._quorum(vertex, in_body=scope is not self.scopes[None])

    def _quorum(self, vertex: Vertex, *, in_body: bool) -> int:
        """Of how many of its edges a vertex is a join; 0 of all."""
        if vertex.kind is Kind.EXIT:
            return 0
        strategy = self._join_strategy(vertex)
        if strategy is None:
            return 0
        if not is_join_strategy(strategy):
            text = (
                f"node {vertex.id!r}: config.joinStrategy must be 'all', 'any' or a whole number from 1, not "
                f"{strategy!r:.80}"
            )
            self.problems.append(graphs.BAD_JOIN.at(vertex.id, text))
            return 0
        wanted = strategy if isinstance(strategy, int) else 1 if strategy == "any" else 0
        sources = {link.source for link in vertex.incoming}
        # What begins a pass says how the edges into its loop are joined.
        if wanted > max(len(sources), 1) and (sources or not in_body):
            text = (
                f"node {vertex.id!r}: it joins {wanted} of its edges, and they come from {len(sources)} nodes: draw "
                "edges from more nodes to it, or join fewer"
            )
            self.problems.append(graphs.TOO_MANY_TO_JOIN.at(vertex.id, text))
        return wanted if len(vertex.incoming) > 1 else 0

    def _join_strategy(self, vertex: Vertex) -> JoinStrategy | None:
        node = vertex.node
        if vertex.construct is not None and vertex.construct.kind == "loop" and vertex.kind is Kind.ENTRY:
            # The TypeScript builder marks every controller `any` so that it can be entered again; what joins the
            # edges into a loop is its start node's strategy. That may be a controller too, of a loop inside.
            while node.id in self.loops:
                node = self.nodes[self.loops[node.id].start]
        return node.config.join_strategy if node.config else None

    def _outermost_entry(self, edge: Edge, target: Vertex) -> Vertex:
        """The entry of the outermost loop that the edge enters; find_loops has checked that it enters at the start."""
        for loop_id in self.around.get(edge.target, ()):
            if edge.source not in self.loops[loop_id].body:
                return self.entries[loop_id]
        return target

    def _link(self, edge: Edge, place: int, source: Vertex, target: Vertex) -> Link:
        return Link(
            place=place,
            source=source.index,
            target=target.index,
            source_id=edge.source,
            target_id=edge.target,
            action=edge.action or None,  # an empty one is none, as in the TypeScript original
            condition=self._expression_of(edge, "condition", edge.condition),
            transform=self._expression_of(edge, "transform", edge.transform),
            on=edge.on or "success",
        )

    def _expression_of(self, edge: Edge, which: str, source: object) -> Expression | None:
        return self._expression(
            lambda why: data.BAD_EXPRESSION.along(edge.source, edge.target, f": {which}{why}"), source
        )

    def _expression(
        self, problem: Callable[[str], Problem], source: object, *, required: bool = False
    ) -> Expression | None:
        if source is None and not required:
            return None
        if not isinstance(source, str):
            self.problems.append(problem(f" must be an expression, not {source!r:.80}"))
            return None
        from ..expressions import compile_expression  # noqa: PLC0415 # for flows with conditions

        try:
            return compile_expression(source)
        except ExpressionError as error:
            self.problems.append(problem(f": {error}"))
            return None

    def _order_scopes(self) -> None:
        for scope in self.scopes.values():
            put_in_order(scope, self.problems)
        root, result = self.scopes[None], (self.blueprint.metadata or {}).get("result")
        if isinstance(result, str) and root.by_id.get(result) in root.ends:  # the rest of the metadata is free
            root.result = result

    def _resolve_inputs(self) -> None:
        fallbacks = {node.id for node in self.blueprint.nodes} - self.nodes.keys()
        resolve_inputs(self.scopes[None], self.nodes.keys(), fallbacks, self.problems)


def missing_calls(there: Mapping[str, Graph], roots: Iterable[str]) -> list[Problem]:
    """Problems with the blueprints that can be reached by calls from these: the called ones that are not there."""
    problems: list[Problem] = []
    seen: set[str] = set()
    waiting = list(roots)
    while waiting:
        blueprint_id = waiting.pop()
        if blueprint_id in seen:
            continue
        seen.add(blueprint_id)
        for called, node_id in there[blueprint_id].calls.items():
            if called in there:
                waiting.append(called)
            else:
                text = (
                    f"node {node_id!r} of {blueprint_id!r} calls blueprint {called!r}, which is not there: give it to "
                    "the runtime under that id"
                )
                problems.append(attrs.evolve(flows.UNKNOWN_FLOW.at(node_id, text), flow=blueprint_id))
    return problems
