"""``Flow``: what decorated steps belong to."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping, Sequence
from typing import Any, Concatenate, Generic, Literal, ParamSpec, TypeVar, cast, get_args, overload

import attrs
import typing_extensions

from ..annotations import fits, list_of, type_name
from ..definition import FlowDefinition
from ..durations import Duration
from ..errors import ConfigurationError, held_to
from ..graph.scopes import Graph
from ..queues import require_queue
from ..retries import RetryPolicy
from ..rules.graphs import BAD_QUEUE, DUPLICATE_NODE
from ..shaping import shaped
from ..steps import Implementation, NodeResult
from ..texts import name_problem
from .decorators import BatchDecorator, StepDecorator, UndoneStepDecorator
from .needs import Signature
from .nodes import Batch, Loop, Node, Step, Wait
from .planning import build
from .plans import Plan, Settings, undo_of
from .references import ContextValue, Reference, condition_of, term_of
from .terms import INPUT, InputOf, Operation, OutputOf, Provided, Term, root_of, shown

P = ParamSpec("P")
T = TypeVar("T")
R = TypeVar("R")
InT = typing_extensions.TypeVar("InT", default=None)
OutT = typing_extensions.TypeVar("OutT", default=Any)


class Flow(FlowDefinition, Generic[InT, OutT]):
    """A flow of decorated functions, as in ``orders = Flow[Order, Receipt]("orders")``.

    ``InT`` is what a run is started with and ``OutT`` what it gives; ``Flow("nightly")`` takes nothing and says nothing
    of what it gives.
    """

    def __init__(self, flow_id: str, *, queue: str | None = None, **metadata: Any) -> None:
        """Begin a flow.

        Args:
            flow_id: Name under which runtimes and other flows refer to it.
            queue: The queue whose workers run its steps, unless they, or the run, name another. In one process it means
                nothing.
            metadata: The blueprint's metadata, such as ``version="2"``.
        """
        self.id = flow_id
        with held_to(BAD_QUEUE):
            self._queue = None if queue is None else require_queue(f"flow {flow_id!r}: queue", queue)
        self._metadata = metadata
        self._nodes: dict[str, Node[Any]] = {}
        self._values: dict[str, ContextValue[Any]] = {}
        self._returned: Term | None = None
        self._built: Any = None

    @property
    def input(self) -> InT:
        """What the flow was started or called with, as a need of a step or in a condition."""
        if self.takes in (None, type(None)):
            raise ConfigurationError(
                f"flow {self.id!r} takes no input: say what it takes, as in Flow[Order, Receipt](...)"
            )
        return cast(InT, Reference(InputOf(self.id, self.takes)))

    # --- steps ----------------------------------------------------------------------------------------------------

    @overload
    def step(
        self, function: Callable[P, Coroutine[Any, Any, NodeResult[R]]], /
    ) -> Step[P, Coroutine[Any, Any, NodeResult[R]], R]: ...
    @overload
    def step(self, function: Callable[P, Coroutine[Any, Any, R]], /) -> Step[P, Coroutine[Any, Any, R], R]: ...
    @overload
    def step(self, function: Callable[P, NodeResult[R]], /) -> Step[P, NodeResult[R], R]: ...
    @overload
    def step(self, function: Callable[P, R], /) -> Step[P, R, R]: ...
    @overload
    def step(
        self,
        function: None = None,
        /,
        *,
        undo: Callable[Concatenate[Any, ...], object],
        undo_unsure: Literal[True],
        undo_retries: int | RetryPolicy | None = None,
        undo_timeout: Duration | None = None,
        name: str | None = None,
        when: bool = ...,
        unless: bool = ...,
        after: Node[Any] | Sequence[Node[Any]] = (),
        retries: int | RetryPolicy | None = None,
        timeout: Duration | None = None,
        lease: bool = False,
        queue: str | None = None,
        limit: str | Sequence[str] | None = None,
    ) -> StepDecorator: ...
    @overload
    def step(
        self,
        function: None = None,
        /,
        *,
        undo: Callable[Concatenate[R, ...], object],
        undo_unsure: Literal[False] = False,
        undo_retries: int | RetryPolicy | None = None,
        undo_timeout: Duration | None = None,
        name: str | None = None,
        when: bool = ...,
        unless: bool = ...,
        after: Node[Any] | Sequence[Node[Any]] = (),
        retries: int | RetryPolicy | None = None,
        timeout: Duration | None = None,
        lease: bool = False,
        queue: str | None = None,
        limit: str | Sequence[str] | None = None,
    ) -> UndoneStepDecorator[R]: ...
    @overload
    def step(
        self,
        function: None = None,
        /,
        *,
        name: str | None = None,
        when: bool = ...,
        unless: bool = ...,
        after: Node[Any] | Sequence[Node[Any]] = (),
        retries: int | RetryPolicy | None = None,
        timeout: Duration | None = None,
        lease: bool = False,
        queue: str | None = None,
        limit: str | Sequence[str] | None = None,
    ) -> StepDecorator: ...
    def step(
        self,
        function: Any = None,
        /,
        *,
        name: str | None = None,
        undo: Callable[..., Any] | None = None,
        undo_unsure: bool = False,
        undo_retries: int | RetryPolicy | None = None,
        undo_timeout: Duration | None = None,
        **options: Any,
    ) -> Any:
        """Make a function a step. Each of its parameters says by its default what it takes.

        That is an earlier step's ``output`` (the step then comes after that one, and runs only if that one did) or
        ``maybe``, the flow's ``input``, a context value's ``value``, a member of ``flow.dependencies(...)``, or a
        member of one of those, as in ``order.output.total``. A parameter annotated as ``Provided[Database]`` takes what
        the runtime's dependencies have for that type, and one that is annotated as a ``NodeContext`` or
        ``SyncNodeContext`` takes that; an ordinary default is left alone.

        Args:
            function: The function, ``async def`` or plain.
            options: See below.
            name: The step's id, its function's name by default: what a run in flight knows it by.
            when: Run only if this holds: a condition on outputs, inputs and context values, such as
                ``check.output.total > 100``; with ``&`` and ``|`` between conditions.
            unless: Run only if this does not hold.
            after: Come after these steps, too, without needing their outputs; run only if they did.
            retries: How many more times a failed attempt is made, at once; or a policy.
            timeout: How long one attempt may take: seconds, a ``timedelta``, or text such as ``"5s"``.
            lease: Ask that two workers do not execute the step at the same time.
            queue: The queue whose workers run it, such as ``"gpu"``; by default that of what it is inside of, else the
                run's, else the flow's.
            limit: The limit that it keeps to, one of the runtime's ``limits``, such as ``"openai"``; by a key,
                ``"tenant:{context.tenant}"`` or ``"tenant:{input.tenant}"``, each key has it for itself. Or several.
            undo: The function that takes back what the step has done, if its run fails or is cancelled, or the flow
                fails that is called. Its first parameter takes what the step gave; further ones are some of the step's,
                by name, and get what the step's got; one that is annotated as a node context takes that.
            undo_unsure: Undo also what was cut off in the middle, and may have acted or not: then the first parameter
                takes None.
            undo_retries: How many more times a failed attempt at the undo is made, at once; or a policy.
            undo_timeout: How long one attempt at the undo may take.

        Raises:
            ConfigurationError: It is no function, there is a step of that name, or nothing says where one of its
                parameters comes from.
        """

        def decorate(decorated: Callable[..., Any]) -> Any:
            step_id, signature = self._read(decorated, name)
            plan = Plan(kind="step", needs=dict(signature.needs), signature=signature, type=signature.gives)
            plan.undo = undo_of(signature, undo, undo_retries, undo_timeout)
            options.update({"undo_unsure": True} if undo_unsure else {})
            return self._add(Step(self.id, step_id, self._placed(plan, **options), decorated))

        return decorate if function is None else decorate(function)

    def batch(
        self,
        over: Iterable[T],
        *,
        name: str | None = None,
        when: bool | None = None,
        unless: bool | None = None,
        after: Node[Any] | Sequence[Node[Any]] = (),
        retries: int | RetryPolicy | None = None,
        timeout: Duration | None = None,
        concurrency: int | None = None,
        page_size: int | None = None,
        tolerated_failure_count: int = 0,
        tolerated_failure_percentage: float = 0,
        queue: str | None = None,
        limit: str | Sequence[str] | None = None,
        undo: Callable[..., Any] | None = None,
        undo_retries: int | RetryPolicy | None = None,
        undo_timeout: Duration | None = None,
    ) -> BatchDecorator[T]:
        """Decorate a function that runs once per item of a list, in parallel: its first parameter takes the item.

        Its further parameters are as a step's, but for outputs of steps. The output is the list of results, in order.

        Args:
            over: The list: an output, the flow's input, a context value, or a member of one.
            name: As for a step.
            when: As for a step, for the whole of it.
            unless: Likewise.
            after: Likewise.
            retries: Of each item.
            timeout: Of one attempt at one item.
            concurrency: So many items are under way at most, whatever the number of workers; 1,000 by default.
            page_size: So many items are stored, and read, together, if there are more than that; 1,000 by default.
            tolerated_failure_count: So many items may fail; ``results`` then has their errors in their places.
            tolerated_failure_percentage: The same as a share of the items, 0 to 100.
            queue: Of each item, as for a step.
            limit: Of each item, as for a step.
            undo: Of each item, as for a step; one of its parameters may be the worker's that takes the item.
            undo_retries: Of each item's undo, as for a step.
            undo_timeout: Likewise.
        """

        def decorate(function: Callable[..., Any]) -> Any:
            step_id, signature = self._read(function, name, with_item=True)
            for parameter, term in signature.needs.items():
                if isinstance(root_of(term), OutputOf):
                    raise ConfigurationError(
                        f"{signature.where}: parameter {parameter!r} is {shown(term)}, but an item knows only itself, "
                        "the flow's input, context values and dependencies: make what it needs part of the items"
                    )
            tolerance = {"tolerated_failure_count": tolerated_failure_count}
            tolerance["tolerated_failure_percentage"] = cast(int, tolerated_failure_percentage)
            plan = Plan(
                kind="batch",
                value=term_of(over),
                signature=signature,
                options={name: share for name, share in tolerance.items() if share} | _sizes(concurrency, page_size),
                type=list_of(signature.gives),
            )
            settings: dict[str, Any] = {"retries": retries, "timeout": timeout, "queue": queue, "limit": limit}
            plan.undo = undo_of(signature, undo, undo_retries, undo_timeout)
            placed = self._placed(plan, when=when, unless=unless, after=after, **settings)
            return self._add(Batch(self.id, step_id, placed, function))

        return cast("BatchDecorator[T]", decorate)

    def call(
        self,
        flow: Flow[T, R],
        value: T,
        *,
        name: str | None = None,
        when: bool | None = None,
        unless: bool | None = None,
        after: Node[Any] | Sequence[Node[Any]] = (),
        queue: str | None = None,
        limit: str | Sequence[str] | None = None,
    ) -> Node[R]:
        """Call another flow, with a context of its own; the output is what it returns.

        Args:
            flow: The flow.
            value: Its input.
            name: The call's id; the flow's id by default.
            when: As for a step.
            unless: Likewise.
            after: Likewise.
            queue: Of all that is inside of it and names no other, as for a step.
            limit: Of each step inside of it, beside its own, as for a step.
        """
        self._require_flow("call", flow)
        plan = Plan(kind="call", value=term_of(value), calls=flow, type=flow.gives)
        placed = self._placed(plan, when=when, unless=unless, after=after, queue=queue, limit=limit)
        return self._add(Node(self.id, name or flow.id, placed))

    def call_each(
        self,
        flow: Flow[T, R],
        over: Iterable[T],
        *,
        name: str | None = None,
        when: bool | None = None,
        unless: bool | None = None,
        after: Node[Any] | Sequence[Node[Any]] = (),
        concurrency: int | None = None,
        page_size: int | None = None,
        queue: str | None = None,
        limit: str | Sequence[str] | None = None,
    ) -> Node[list[R]]:
        """Call another flow once per item of a list, in parallel; the output is the list of what the calls return.

        Args:
            flow: The flow, which takes an item.
            over: The list, as for a batch.
            name: The batch's id; the flow's id by default.
            when: As for a step.
            unless: Likewise.
            after: Likewise.
            concurrency: As for a batch: so many calls are under way at most.
            page_size: As for a batch.
            queue: Of all that is inside of it and names no other, as for a step.
            limit: Of each step inside of it, beside its own, as for a step.
        """
        self._require_flow("call_each", flow)
        options = _sizes(concurrency, page_size)
        plan = Plan(kind="each", value=term_of(over), calls=flow, options=options, type=list_of(flow.gives))
        placed = self._placed(plan, when=when, unless=unless, after=after, queue=queue, limit=limit)
        return self._add(Node(self.id, name or flow.id, placed))

    # --- time and people ------------------------------------------------------------------------------------------

    def wait(
        self,
        name: str,
        answer: type[T],
        *,
        timeout: Duration | None = None,
        after: Node[Any] | Sequence[Node[Any]] = (),
        when: bool | None = None,
        unless: bool | None = None,
    ) -> Wait[T]:
        """Wait until the run is resumed from outside with an answer, which is the output.

        Args:
            name: The wait's id, by which it is resumed.
            answer: What kind of answer.
            timeout: How long until it goes on by itself: then there is no output, what needs it does not run, and
                ``timed_out`` is true.
            after: The steps that it comes after; it runs only if they did.
            when: As for a step.
            unless: Likewise.
        """
        plan = Plan(kind="wait", type=answer)
        return self._add(
            Wait(self.id, name, self._placed(plan, when=when, unless=unless, after=after, timeout=timeout))
        )

    def sleep(
        self,
        name: str,
        duration: Duration,
        value: T,
        *,
        when: bool | None = None,
        unless: bool | None = None,
        after: Node[Any] | Sequence[Node[Any]] = (),
    ) -> Node[T]:
        """Pause, and hand a value on after that.

        Args:
            name: The pause's id.
            duration: Seconds, a ``timedelta``, or text such as ``"20m"`` or ``"40d"``.
            value: What it hands on, such as ``brew.output``.
            when: As for a step.
            unless: Likewise.
            after: Likewise.
        """
        plan = Plan(kind="sleep", value=term_of(value), options={"duration": duration})
        return self._add(Node(self.id, name, self._placed(plan, when=when, unless=unless, after=after)))

    def loop(
        self,
        name: str,
        value: T,
        *,
        when: bool | None = None,
        unless: bool | None = None,
        after: Node[Any] | Sequence[Node[Any]] = (),
        queue: str | None = None,
        limit: str | Sequence[str] | None = None,
    ) -> Loop[T]:
        """Begin a loop: steps that need its ``value`` are in it, up to the one that ``again`` names.

        Args:
            name: The loop's id.
            value: What the first pass begins with, such as ``draft.output``.
            when: As for a step: whether there is a loop at all.
            unless: Likewise.
            after: Likewise.
            queue: Of all that is inside of it and names no other, as for a step.
            limit: Of each step inside of it, beside its own, as for a step.
        """
        plan = Plan(kind="start", value=term_of(value))
        start: Node[Any] = Node(self.id, f"{name}.value", self._placed(plan, when=when, unless=unless, after=after))
        plan = Plan(kind="loop", settings=Settings(queue=queue, limit=limit))
        loop: Loop[T] = Loop(self.id, name, plan, self._add(start))
        loop._close = self._close
        start.plan.options["loop"] = loop
        return loop

    def _close(self, loop: Loop[Any], value: Term, when: Term) -> None:
        loop.plan.value = value
        loop.plan.options["condition"] = when
        self._add(loop)

    # --- values ---------------------------------------------------------------------------------------------------

    def value(self, name: str, type_: type[T], *, default: T) -> ContextValue[T]:
        """Declare a context value, which steps can need and set.

        Args:
            name: Under which the run keeps it.
            type_: What it is.
            default: What a step gets while nobody has set it.
        """
        if name == INPUT:
            raise ConfigurationError(f"flow {self.id!r}: {INPUT!r} is its input: name the context value otherwise")
        if (problem := name_problem(name)) is not None:
            raise ConfigurationError(f"flow {self.id!r}: {problem}")
        declared = ContextValue(name, type_, default, self.id)
        if self._values.setdefault(name, declared) is not declared:
            raise ConfigurationError(
                f"flow {self.id!r} declares context value {name!r} twice: declare it once, and hand that on"
            )
        return declared

    @staticmethod
    def dependencies(kind: type[T]) -> T:
        """What the runtime's ``dependencies`` have for a type: needs are its members, as in ``mail=services.mail``.

        A step that needs all of it says so by an annotation: ``services: Provided[Services]``.

        Args:
            kind: The class of it.
        """
        return cast(T, Reference(Provided(kind)))

    def returns(self, value: OutT) -> None:
        """Say what the flow gives: ``RunResult.output``, and the output of a call of it.

        Args:
            value: An output, or ``first_of`` some.
        """
        if self._returned is not None:
            raise ConfigurationError(f"flow {self.id!r} returns twice: return first_of both outputs")
        self._returned, self._built = term_of(value), None
        if not isinstance(root_of(self._returned), OutputOf) and not hasattr(self._returned, "terms"):
            raise ConfigurationError(
                f"flow {self.id!r} returns the output of a step, or first_of some, not {shown(self._returned)}"
            )

    # --- what it is made into -------------------------------------------------------------------------------------

    @property
    def implementations(self) -> Mapping[str, Implementation]:
        """The flow's steps by the name under which its blueprint uses them."""
        return self._builder().implementations  # type: ignore[no-any-return]

    @property
    def called(self) -> Mapping[str, FlowDefinition]:
        """The flows that it calls, by id."""
        return self._builder().called  # type: ignore[no-any-return]

    def compile(self) -> Graph:
        """The flow, compiled; done once and kept until the flow is changed.

        Raises:
            BlueprintError: It cannot mean anything; the error lists every problem, by node and with a remedy.
        """
        return self._builder().compile()  # type: ignore[no-any-return]

    def begin(self, given: Any) -> Mapping[str, Any]:
        """The initial context values of a run, from its input.

        Raises:
            ConfigurationError: There is no input and the flow takes one, or the other way round.
        """
        wanted = self.takes
        if wanted in (None, type(None)):
            if given is not None:
                raise ConfigurationError(f"flow {self.id!r} takes no input: start it without")
            return {}
        if given is None and not fits(type(None), wanted):
            raise ConfigurationError(f"flow {self.id!r} takes {type_name(wanted)}: start it as run(flow, input)")
        return {INPUT: shaped(given, wanted, f"flow {self.id!r}: input")}

    def of_context(self, context: Mapping[str, Any]) -> Mapping[str, Any]:
        """The initial context values that are given by name, built as the flow says.

        Raises:
            ConfigurationError: The flow takes an input, and none is among them; or one cannot be built.
        """
        if INPUT not in context and not fits(type(None), self.takes):
            raise ConfigurationError(
                f"flow {self.id!r} takes {type_name(self.takes)}: started by its id, it is given that under the name "
                f'of {INPUT!r}, as {{"{INPUT}": ...}}'
            )
        built, wanted = dict(context), {name: value.type for name, value in self._values.items()}
        if self.takes not in (None, type(None)):
            wanted[INPUT] = self.takes
        for name in wanted.keys() & built.keys():
            what = INPUT if name == INPUT else f"context[{name!r}]"
            built[name] = shaped(built[name], wanted[name], f"flow {self.id!r}: {what}")
        return built

    def answered(self, node_id: str, output: Any) -> Any:
        """The answer to one of its waits, built as the wait says."""
        node = self._nodes.get(node_id)
        if node is None or node.plan.kind != "wait":
            return output
        wanted, where = node.plan.type, f"flow {self.id!r}: wait {node_id!r}: answer"
        built = shaped(output, wanted, where)
        if built is None and not fits(type(None), wanted) and None not in get_args(wanted):
            raise ConfigurationError(f"{where} is to be {type_name(wanted)}, and is None")
        return built

    @property
    def annotated(self) -> Iterator[tuple[str, Any]]:
        """The annotations of values that it takes, gives and hands on; not those of dependencies."""
        yield "its input", self.takes
        yield "its output", self.gives
        for value in self._values.values():
            yield f"context value {value.name!r}", value.type
        for node in self._nodes.values():
            yield f"node {node.id!r}", node.plan.type
            for signature in (node.plan.signature, node.plan.fallback):
                for annotation in () if signature is None else signature.values:
                    yield f"step {node.id!r}", annotation

    @property
    def takes(self) -> Any:
        """The type of its input; None if it takes none."""
        return self._type(0)

    @property
    def gives(self) -> Any:
        """The type of its output, as far as it was said."""
        return self._type(1)

    def _type(self, place: int) -> Any:
        arguments = get_args(getattr(self, "__orig_class__", None))
        return arguments[place] if len(arguments) > place else (None, Any)[place]

    def _builder(self) -> Any:
        if self._built is None:
            nodes = tuple(self._nodes.values())
            about = (self.id, nodes, self._values, self._returned, self.gives)
            self._built = build(*about, self._metadata, self._queue)
        return self._built

    def _read(
        self, function: Callable[..., Any], name: str | None, *, with_item: bool = False
    ) -> tuple[str, Signature]:
        self._require_name(name)
        step_id = name or str(getattr(function, "__name__", ""))
        if not step_id.isidentifier() and name is None:
            raise ConfigurationError(f"flow {self.id!r}: a function without a name of its own needs name=")
        where = f"step {step_id!r} of flow {self.id!r}"
        return step_id, Signature.of(where, function, with_item=with_item)

    def _placed(
        self,
        plan: Plan,
        *,
        when: Any = None,
        unless: Any = None,
        after: Node[Any] | Sequence[Node[Any]] = (),
        **settings: Any,
    ) -> Plan:
        for name, condition in {"when": when, "unless": unless}.items():
            if isinstance(condition, Node):
                raise ConfigurationError(f"{name}= takes a condition, and {condition.id!r} is a node: say after= of it")
        conditions = [condition_of(when, f"flow {self.id!r}: when=")] if when is not None else []
        conditions += (
            [Operation("!", (condition_of(unless, f"flow {self.id!r}: unless="),))] if unless is not None else []
        )
        if conditions:
            plan.when = conditions[0] if len(conditions) == 1 else _both(conditions)
        plan.after = self._nodes_of(after)
        unknown = settings.keys() - {field.name for field in attrs.fields(Settings)}
        if unknown:
            raise ConfigurationError(f"flow {self.id!r}: a step has no option {min(unknown)!r}")
        plan.settings = Settings(**settings)
        return plan

    def _nodes_of(self, after: Any) -> tuple[Node[Any], ...]:
        nodes = tuple(after) if isinstance(after, Iterable) and not isinstance(after, (str, Reference)) else (after,)
        for node in nodes:
            if not isinstance(node, Node):
                raise ConfigurationError(
                    f"flow {self.id!r}: after= takes steps, as in after=fetch, or several of them, not {node!r:.80}"
                )
        return nodes

    def _require_flow(self, method: str, flow: object) -> None:
        if not isinstance(flow, FlowDefinition):
            raise ConfigurationError(f"flow {self.id!r}: {method} takes a flow, not {flow!r:.80}")

    def _require_name(self, name: object) -> None:
        if name is not None and not isinstance(name, str):
            raise ConfigurationError(f"flow {self.id!r}: name= must be a string, not {name!r:.80}")

    def _add(self, node: N) -> N:
        self._require_name(node.id)
        if node.id == INPUT or self._nodes.setdefault(node.id, node) is not node:
            taken = "its input is called that" if node.id == INPUT else "there is one already"
            text = f"flow {self.id!r} cannot have a node {node.id!r}, since {taken}: give it name="
            raise ConfigurationError.of(DUPLICATE_NODE.at(node.id, text))
        node.changed = self._changed
        self._changed()
        return node

    def _changed(self) -> None:
        self._built = None


N = TypeVar("N", bound=Node[Any])


def _both(conditions: Sequence[Term]) -> Term:
    return Operation("&&", tuple(conditions))


def _sizes(concurrency: int | None, page_size: int | None) -> dict[str, int]:
    """What is said of how a batch is cut up; of what is left out nothing."""
    sizes = {"concurrency": concurrency, "page_size": page_size}
    return {name: size for name, size in sizes.items() if size is not None}
