"""Describes a flow in Python: nodes, edges, constructs, and the steps that implement them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, get_args

from .annotations import UNKNOWN
from .blueprint import (
    BATCH,
    LOOP_CONTROLLER,
    SLEEP,
    SUBFLOW,
    WAIT,
    Blueprint,
    Edge,
    JoinStrategy,
    Node,
    NodeConfig,
    On,
    plain,
    shape_problem,
)
from .definition import FlowDefinition
from .durations import Duration, parse_seconds
from .errors import BlueprintError, ConfigurationError, held_to
from .fitting import Fitting
from .graph.compile import BREAK, CONTINUE, compile_blueprint
from .graph.keys import step_name
from .graph.scopes import Graph
from .limits import require_limits
from .queues import require_queue
from .reminders import AFTER, REMIND
from .retries import RetryPolicy
from .rules import constructs, flows, graphs, standing_in
from .settings import number, whole
from .shaping import annotated_by, implementation_of
from .steps import Implementation, Step


def create_flow(flow_id: str, *, queue: str | None = None) -> FlowBuilder:
    """Begin a flow.

    Args:
        flow_id: Name under which runtimes and subflows refer to it.
        queue: The queue whose workers run its nodes, unless they, or the run, name another. In one process it means
            nothing.
    """
    return FlowBuilder(flow_id, queue=queue)


class FlowBuilder(FlowDefinition):
    """A flow that is being described. Each method returns the builder, so that calls can be chained."""

    def __init__(self, flow_id: str, *, queue: str | None = None) -> None:
        if not isinstance(flow_id, str):
            raise ConfigurationError(f"the id of a flow must be a string, not {flow_id!r:.80}")
        self.id = flow_id
        with held_to(graphs.BAD_QUEUE):
            self._queue = None if queue is None else require_queue(f"flow {flow_id!r}: queue", queue)
        self._nodes: list[Node] = []
        self._edges: list[Edge] = []
        self._loops: dict[str, tuple[str, str]] = {}
        self._metadata: dict[str, Any] = {}
        self._implementations: dict[str, Implementation] = {}
        self._fallback_names: dict[str, str] = {}
        self._called: dict[str, FlowDefinition] = {}
        self._graph: Graph | None = None
        self._takes: Any = UNKNOWN
        self._gives: Any = UNKNOWN
        self._is_being_fitted = False

    @property
    def implementations(self) -> Mapping[str, Implementation]:
        """The flow's steps by the name under which its blueprint uses them."""
        return self._implementations

    @property
    def called(self) -> Mapping[str, FlowDefinition]:
        """The flows that batches and subflows were given as such, by id; a runtime takes them with this one."""
        return self._called

    def metadata(self, **values: Any) -> FlowBuilder:
        """Add to the blueprint's metadata, such as ``version="2"``."""
        problem = shape_problem(Blueprint(self.id, metadata=values))
        if problem is not None:
            raise BlueprintError(self.id, [flows.WRONG_SHAPE.at(None, problem)])
        self._metadata.update(plain(values))
        return self._changed()

    def node(
        self,
        node_id: str,
        step: Step | str,
        *,
        inputs: str | Mapping[str, str] | None = None,
        params: Mapping[str, Any] | None = None,
        retries: int | RetryPolicy | None = None,
        timeout: Duration | None = None,
        fallback: str | Step | None = None,
        undo: str | Step | None = None,
        undo_unsure: bool = False,
        join: JoinStrategy | None = None,
        lease: bool = False,
        queue: str | None = None,
        limit: str | Sequence[str] | None = None,
    ) -> FlowBuilder:
        """Add a step.

        Args:
            node_id: Unique in the flow.
            step: A function of its node context, a ``BaseNode`` class, or the name of one in the runtime's registry.
                What is no name is used under ``"flow/node"``: whatever the function is called and wherever it lives,
                a run in flight finds it as long as the flow has a step at that node.
            inputs: Takes the input from here instead of the edges: the name of an earlier node or of a context value,
                with a path behind it if wanted (``"fetch.body"``), or a dict of such names.
            params: Static parameters, plain JSON data. They are copied, and each attempt has a copy of its own.
            retries: How many more times a failed attempt is made, at once; or a policy.
            timeout: How long one attempt may take: seconds, a ``timedelta``, or text such as ``"5s"``.
            fallback: Id of the node, or a step, that stands in when all attempts have failed.
            undo: Id of a node without edges, or a step, that takes back what the node has done, if the run fails or is
                cancelled after it has completed. It gets the node's input, and its output as ``ctx.output``. It has
                the retries and the timeout of the node that is named.
            undo_unsure: Undo also what was cut off in the middle, and may have acted or not.
            join: With several incoming edges: wait for ``"all"`` (default), go on with ``"any"`` first one, or with the
                first so many, from different nodes: ``join=2`` gets a dict of two by node id.
            lease: Ask that two workers do not execute the node at the same time.
            queue: The queue whose workers run it, such as ``"gpu"``: those that name it among theirs. By default that
                of what the node is inside of, else the run's, else the flow's. In one process it means nothing.
            limit: The limit that it keeps to, one of the runtime's ``limits``, such as ``"openai"``; by a key,
                ``"tenant:{context.tenant}"`` or ``"tenant:{input.tenant}"``, each key has it for itself. Or several.
        """
        if fallback is not None and not isinstance(fallback, str):
            fallback = self._register(node_id, fallback, "fallback")
            self._fallback_names[fallback] = node_id
        config = _config(
            "node",
            node_id,
            retries,
            timeout,
            retry_if=self._predicate(node_id, retries),
            fallback=fallback,
            undo=self._undo(node_id, undo),
            undo_unsure=undo_unsure or None,
            join_strategy=join,
            lease=lease or None,
            queue=queue,
            limit=limit,
        )
        return self._add(node_id, self._register(node_id, step), params, inputs, config)

    def edge(
        self,
        source: str,
        target: str,
        *,
        action: str | None = None,
        condition: str | None = None,
        transform: str | None = None,
        on: On = "success",
    ) -> FlowBuilder:
        """Make one node follow another.

        Args:
            source: The node that comes first.
            target: The node that follows.
            action: Take the edge only if the source's result has this action.
            condition: Take it only if this expression holds, such as ``"result.output.total > 100"``.
            transform: Expression for the value that the edge carries, such as ``"input.items"``.
            on: With ``"failure"`` the edge is taken when the source fails for good, and carries the error; the failure
                is then handled, and fails nothing. With ``"always"`` it is taken after success, with the output, and
                after failure, with the error. In their expressions the error is called ``error``.
        """
        if on not in get_args(On):
            raise ConfigurationError(
                f"edge {source!r} -> {target!r}: on must be 'success', 'failure' or 'always', not {on!r:.80}"
            )
        edge = Edge(source, target, action, condition, transform, None if on == "success" else on)
        problem = shape_problem(edge)
        if problem is not None:
            raise BlueprintError(self.id, [flows.WRONG_SHAPE.along(source, target, f": {problem}")])
        self._edges.append(edge)
        return self._changed()

    def batch(
        self,
        batch_id: str,
        worker: Step | str | FlowDefinition,
        *,
        items: str | None = None,
        inputs: Mapping[str, str] | None = None,
        output: str | None = None,
        retries: int | RetryPolicy | None = None,
        timeout: Duration | None = None,
        concurrency: int | None = None,
        page_size: int | None = None,
        reduce: Step | str | None = None,
        tolerated_failure_count: int = 0,
        tolerated_failure_percentage: float = 0,
        undo: str | Step | None = None,
        join: JoinStrategy | None = None,
        queue: str | None = None,
        limit: str | Sequence[str] | None = None,
    ) -> FlowBuilder:
        """Add a step that runs once per item of a list, in parallel; its output is the list of results, in order.

        Args:
            batch_id: Unique in the flow.
            worker: A step, or a whole flow, that gets an item as its input.
            items: Where the list comes from, as for a node's ``inputs``; without it, the incoming edge carries it.
            inputs: If the worker is a flow: each call's initial context, its names to names here. The context of a
                called flow is its own.
            output: Name of a context value to set to the results, too.
            retries: Of each item, if the worker is a step.
            timeout: How long one attempt at one item may take, if the worker is a step; as for a node.
            concurrency: So many items are under way at most, whatever the number of workers; 1,000 by default. They
                are lanes: item 7 of 5 lanes begins once item 2 has ended, so no item may wait for a later one.
            page_size: So many items are stored, and read, together, if there are more than that; 1,000 by default.
            reduce: A step that makes one value of the results, which is the batch's output then. It is called for so
                many of them at a time as a page has, in the order of the items, with ``{"value": ..., "results":
                [...]}``: what it has given for those before (None at first), and those that follow. Without any result
                it is called once. What it raises fails the batch.
            tolerated_failure_count: So many items may fail; each then has ``{"error": ...}`` as its result.
            tolerated_failure_percentage: The same as a share of the items, 0 to 100.
            undo: Of each item, if the worker is a step; as for a node.
            join: As for a node.
            queue: Of all that is inside of it and names no other, as for a node.
            limit: Of each step inside of it, beside its own, as for a node.
        """
        params: dict[str, Any] = {}
        if isinstance(worker, FlowDefinition):
            if retries is not None or timeout is not None:
                raise ConfigurationError(
                    f"batch {batch_id!r}: its worker is a flow, so give retries and timeout to that flow's nodes"
                )
            params["workerBlueprintId"] = self._call(worker)
            if inputs is not None:
                params["inputs"] = self._names(batch_id, "inputs", inputs)
        elif inputs is not None:
            raise ConfigurationError(
                f"batch {batch_id!r}: its worker is a step, which sees this flow's context; inputs= is for a flow"
            )
        else:
            params["workerUsesKey"] = self._register(batch_id, worker, "worker")
        if output is not None:
            params["outputKey"] = output
        if concurrency is not None:
            with held_to(constructs.BAD_CONCURRENCY, batch_id):
                params["concurrency"] = whole(f"batch {batch_id!r}: concurrency", concurrency, least=1)
        if page_size is not None:
            with held_to(constructs.BAD_PAGE_SIZE, batch_id):
                params["pageSize"] = whole(f"batch {batch_id!r}: page_size", page_size, least=1)
        if reduce is not None:
            params["reduceUsesKey"] = self._register(batch_id, reduce, "reduce")
        with held_to(constructs.BAD_TOLERANCE, batch_id):
            whole(f"batch {batch_id!r}: tolerated_failure_count", tolerated_failure_count, least=0)
            number(f"batch {batch_id!r}: tolerated_failure_percentage", tolerated_failure_percentage, least=0, most=100)
        if tolerated_failure_count:
            params["toleratedFailureCount"] = tolerated_failure_count
        if tolerated_failure_percentage:
            params["toleratedFailurePercentage"] = tolerated_failure_percentage
        asked = self._predicate(batch_id, retries)
        config = _config(
            "batch",
            batch_id,
            retries,
            timeout,
            retry_if=asked,
            undo=self._undo(batch_id, undo),
            join_strategy=join,
            queue=queue,
            limit=limit,
        )
        return self._add(batch_id, BATCH, params, items, config)

    def loop(
        self,
        loop_id: str,
        *,
        start: str,
        end: str,
        condition: str,
        queue: str | None = None,
        limit: str | Sequence[str] | None = None,
    ) -> FlowBuilder:
        """Repeat the nodes between ``start`` and ``end`` while a condition holds.

        An edge to ``start`` enters the loop with a first pass for certain; an edge to the loop's own id asks the
        condition before the first pass too (as it does if there are edges of both kinds). Edges from the loop's id
        leave it, with the last output of ``end``.

        Args:
            loop_id: Unique in the flow.
            start: Where a pass begins; gets the output of ``end`` of the pass before as its input.
            end: Where a pass ends.
            condition: Asked after each pass: one more?
            queue: Of all that is inside of it and names no other, as for a node.
            limit: Of each step inside of it, beside its own, as for a node.
        """
        self._loops[loop_id] = (start, end)
        # The controller of the TypeScript builder is marked so; the mark means nothing here.
        config = _config("loop", loop_id, join_strategy="any", queue=queue, limit=limit)
        return self._add(loop_id, LOOP_CONTROLLER, {"condition": condition}, None, config)

    def subflow(
        self,
        node_id: str,
        blueprint_id: str | FlowDefinition,
        *,
        inputs: Mapping[str, str] | None = None,
        outputs: Mapping[str, str] | None = None,
        join: JoinStrategy | None = None,
        queue: str | None = None,
        limit: str | Sequence[str] | None = None,
    ) -> FlowBuilder:
        """Add a call of another flow, with a context of its own.

        Args:
            node_id: Unique in the flow.
            blueprint_id: The called flow, or its id.
            inputs: The call's initial context, its names to names here. The called flow's start nodes get the call's
                input as theirs, with or without it.
            outputs: Context values to set here from nodes or context values of the called flow: names here to names
                there. Without it, the output is the last node's, or a dict of the last nodes' outputs.
            join: As for a node.
            queue: Of all that is inside of it and names no other, as for a node.
            limit: Of each step inside of it, beside its own, as for a node.
        """
        called = self._call(blueprint_id) if isinstance(blueprint_id, FlowDefinition) else blueprint_id
        params: dict[str, Any] = {"blueprintId": called}
        if inputs is not None:
            params["inputs"] = self._names(node_id, "inputs", inputs)
        if outputs is not None:
            params["outputs"] = self._names(node_id, "outputs", outputs)
        config = _config("node", node_id, join_strategy=join, queue=queue, limit=limit)
        return self._add(node_id, SUBFLOW, params, None, config)

    def wait(
        self,
        node_id: str,
        *,
        timeout: Duration | None = None,
        remind: Step | str | None = None,
        remind_after: Duration | Sequence[Duration] | None = None,
        inputs: str | Mapping[str, str] | None = None,
        join: JoinStrategy | None = None,
        queue: str | None = None,
    ) -> FlowBuilder:
        """Add a point where the run waits until it is resumed from outside, with an output and an action.

        Args:
            node_id: Unique in the flow.
            timeout: How long until it goes on by itself, with the action ``"timeout"`` and no output; as for a node.
            remind: A step that is called while nobody has answered, with the wait's input, and whose result is of no
                account. ``ctx.attempt`` tells which reminder it is, and each has an ``idempotency_key`` of its own.
            remind_after: When: again and again after so long, or once after each of several delays, as for a node's
                timeout.
            inputs: What the reminder gets as its input, as for a node.
            join: As for a node.
            queue: Of the reminder, as for a node.
        """
        params: dict[str, Any] | None = None
        if (remind is None) != (remind_after is None):
            raise ConfigurationError(f"wait {node_id!r}: remind and remind_after go together: what is called, and when")
        if remind is not None and remind_after is not None:
            params = {
                REMIND: self._register(node_id, remind, "remind"),
                AFTER: _delays(f"wait {node_id!r}: remind_after", remind_after),
            }
        config = _config("wait", node_id, timeout=timeout, join_strategy=join, queue=queue)
        return self._add(node_id, WAIT, params, inputs, config)

    def sleep(self, node_id: str, duration: Duration, *, join: JoinStrategy | None = None) -> FlowBuilder:
        """Add a pause, after which the input goes on as the output.

        Args:
            node_id: Unique in the flow.
            duration: Seconds, a ``timedelta``, or text such as ``"20m"`` or ``"40d"``.
            join: As for a node.
        """
        seconds = parse_seconds(f"sleep {node_id!r}: duration", duration, zero=True)
        stored = duration if isinstance(duration, str) else _milliseconds(seconds)
        return self._add(node_id, SLEEP, {"duration": stored}, None, _config("node", node_id, join_strategy=join))

    def begin(self, given: Mapping[str, Any] | None) -> Mapping[str, Any]:
        """The initial context values of a run: what it is started with."""
        return {} if given is None else given

    @property
    def annotated(self) -> Iterator[tuple[str, Any]]:
        """The annotations of values that its steps take and give."""
        for name, implementation in self._implementations.items():
            yield from annotated_by(f"step {name!r}", implementation.step)

    def compile(self) -> Graph:
        """The flow, compiled; done once and kept until the flow is changed.

        Raises:
            BlueprintError: See ``to_blueprint``.
        """
        if self._graph is None:
            self._check_fallbacks()
            edges = [self._leaving(edge) for edge in self._edges]
            for loop_id, (start, end) in self._loops.items():
                edges += [Edge(end, loop_id), Edge(loop_id, start, CONTINUE)]
            metadata = dict(self._metadata) or None
            graph = compile_blueprint(Blueprint(self.id, tuple(self._nodes), tuple(edges), metadata, self._queue))
            self._fit(graph.blueprint)
            self._graph = graph
        return self._graph

    def _fit(self, blueprint: Blueprint) -> None:
        self._is_being_fitted = True
        try:
            fitting = Fitting(blueprint, self._implementations, self._called)
            if problems := fitting.problems():
                raise BlueprintError(self.id, problems)
            self._takes, self._gives = fitting.takes, fitting.gives
        finally:
            self._is_being_fitted = False

    @property
    def takes(self) -> Any:
        """The type of the input that a call of it hands to its one start node, as far as annotations say."""
        return self._known("_takes")

    @property
    def gives(self) -> Any:
        """The type of its one last node's output, likewise."""
        return self._known("_gives")

    def _known(self, attribute: str) -> Any:
        if self._is_being_fitted:  # it calls itself, or is called by what it calls: so far, nothing is known of it
            return UNKNOWN
        self.compile()  # once, however many call it: it is asked by each of them, and those by theirs
        return getattr(self, attribute)

    def _check_fallbacks(self) -> None:
        """A fallback is named by a node's id before all else: no step's name may be one."""
        problems = [
            standing_in.FALLBACK_NAME_TAKEN.at(
                node.id,
                f"node {node.id!r} is called as the fallback of node {self._fallback_names[node.id]!r} is: rename the "
                "node",
            )
            for node in self._nodes
            if node.id in self._fallback_names
        ]
        if problems:
            raise BlueprintError(self.id, problems)

    def _leaving(self, edge: Edge) -> Edge:
        if edge.source in self._loops and edge.action is None and edge.on is None:
            return Edge(edge.source, edge.target, BREAK, edge.condition, edge.transform)
        return edge

    def _add(
        self,
        node_id: str,
        uses: str,
        params: Mapping[str, Any] | None,
        inputs: str | Mapping[str, str] | None,
        config: NodeConfig | None,
    ) -> FlowBuilder:
        taken = dict(inputs) if isinstance(inputs, Mapping) else inputs
        given: Any = params  # it is copied, and what is no mapping is told of
        node = Node(node_id, uses, given, taken, config)
        problem = shape_problem(node)
        if problem is not None:
            raise BlueprintError(self.id, [flows.WRONG_SHAPE.at(node_id, f"node {node_id!r:.80}: {problem}")])
        self._nodes.append(node)
        return self._changed()

    def _names(self, node_id: str, what: str, given: object) -> dict[str, Any]:
        if not isinstance(given, Mapping):
            text = f"node {node_id!r}: {what} must map names to names, not {given!r:.80}"
            raise BlueprintError(self.id, [constructs.BAD_NAMES_MAP.at(node_id, text)])
        return dict(given)

    def _call(self, flow: FlowDefinition) -> str:
        if self._called.setdefault(flow.id, flow) is not flow:
            text = f"flow {self.id!r} calls two different flows with the id {flow.id!r}: rename one"
            raise ConfigurationError.of(flows.DUPLICATE_FLOW.at(None, text))
        return flow.id

    def _changed(self) -> FlowBuilder:
        self._graph = None
        return self

    def _predicate(self, node_id: str, retries: int | RetryPolicy | None) -> str | None:
        """The name under which the blueprint uses a policy's ``retry_if``."""
        asked = retries.retry_if if isinstance(retries, RetryPolicy) else None
        if asked is None or isinstance(asked, str):
            return asked
        name = self._step_name(node_id, "retry_if")
        self._implementations[name] = Implementation.of(name, asked)
        return name

    def _step_name(self, node_id: Any, role: str | None) -> str:
        if not isinstance(node_id, str):
            text = f"the id of a node must be a string, not {node_id!r:.80}"
            raise BlueprintError(self.id, [flows.WRONG_SHAPE.at(None, text)])
        return step_name(self.id, node_id, role)

    def _undo(self, node_id: str, undo: str | Step | None) -> str | None:
        """The name under which the blueprint asks for a node's undo."""
        return undo if undo is None or isinstance(undo, str) else self._register(node_id, undo, "undo")

    def _register(self, node_id: str, step: Step | str, role: str | None = None) -> str:
        """The name under which the blueprint uses a step: one that depends on the node's place in the flow alone."""
        if isinstance(step, str):
            return step
        name = self._step_name(node_id, role)
        self._implementations[name] = implementation_of(name, step)
        return name


def _delays(name: str, given: Duration | Sequence[Duration]) -> float | list[float]:
    if isinstance(given, (list, tuple)) and given:
        return [_milliseconds(parse_seconds(name, each)) for each in given]
    return _milliseconds(parse_seconds(name, given))


def _milliseconds(seconds: float) -> float:
    milliseconds = seconds * 1000
    return int(milliseconds) if milliseconds == int(milliseconds) else milliseconds


def _config(
    kind: str,
    node_id: str,
    retries: int | RetryPolicy | None = None,
    timeout: Duration | None = None,
    *,
    retry_if: str | None = None,
    fallback: str | None = None,
    undo: str | None = None,
    undo_unsure: bool | None = None,
    join_strategy: JoinStrategy | None = None,
    lease: bool | None = None,
    queue: str | None = None,
    limit: str | Sequence[str] | None = None,
) -> NodeConfig | None:
    owner = f"{kind} {node_id!r}"
    with held_to(graphs.BAD_QUEUE, node_id):
        queue = None if queue is None else require_queue(f"{owner}: queue", queue)
    with held_to(graphs.BAD_LIMIT, node_id):
        limit = require_limits(owner, limit)
    settings: dict[str, Any] = {
        "timeout": None if timeout is None else _milliseconds(parse_seconds(f"{owner}: timeout", timeout)),
        "fallback": fallback,
        "undo": undo,
        "undo_unsure": undo_unsure,
        "join_strategy": join_strategy,
        "lease": lease,
        "queue": queue,
        "limit": limit,
    }
    if isinstance(retries, RetryPolicy):
        settings |= {
            "max_retries": retries.max_attempts,
            "retry_delay": _milliseconds(retries.delay),
            "retry_backoff": retries.backoff,
            "retry_max_delay": _milliseconds(retries.max_delay),
            "retry_jitter": retries.jitter,
            "retry_delays": tuple(_milliseconds(delay) for delay in retries.delays) or None,
            "retry_if": retry_if,
            "max_deferrals": None if retries.max_deferrals == RetryPolicy().max_deferrals else retries.max_deferrals,
            "non_retryable_errors": tuple(
                entry if isinstance(entry, str) else entry.__name__ for entry in retries.non_retryable
            )
            or None,
        }
    elif retries is not None:
        with held_to(graphs.BAD_RETRIES, node_id):
            settings["max_retries"] = whole(f"{owner}: retries", retries, least=0) + 1
    settings = {name: value for name, value in settings.items() if value is not None}
    return NodeConfig(**settings) if settings else None
