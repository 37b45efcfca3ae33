"""What an instance gets as input, and what its outcome is: edges taken, items, verdicts, results of constructs.

Expressions are evaluated here and nowhere else, once per instance, before its outcome is committed; what they decide
is part of the outcome. In an expression ``result`` is the node's result (``output``, ``action``), ``input`` the value
that the edge would carry, ``context`` the context values and, by node id, the outputs; a bare name means the same as
``context[name]``.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from ..errors import ExpressionError, FlowcraftError
from ..parts import NO_PART, field_of
from ..texts import safe_text
from .compile import BREAK, CONTINUE
from .facts import DELETED, OUTPUT, NodeError, Outcome
from .gathered import Gathered, Held
from .instances import ScopeState
from .items import Items
from .lanes import lanes_for
from .pages import Pages, page_size_for
from .references import parse_reference
from .scopes import Construct, Graph, Kind, Link, Reference, Scope, Vertex
from .sizes import TooLargeError, require_modest

_MISSING = object()
# What is kept of why an edge was not taken after a failure, characters.
_LONGEST_REASON = 1_000
_OUTPUTS = "_outputs."

#: What a flow was called with, or started with as the context value of that name, where nothing else is called so.
INPUT = "input"


class InputError(FlowcraftError):
    """What an instance was given does not fit what it is, such as a batch whose items are no list."""


class ContextView(Mapping[str, Any]):
    """Context values as an expression in some scope sees them, with node ids as names of outputs."""

    def __init__(self, scope: ScopeState, own: Mapping[str, Any]) -> None:
        self._scope = scope
        self._own = own

    def __getitem__(self, name: str) -> Any:
        if name in self._own:
            if self._own[name] is DELETED:
                raise KeyError(name)
            return self._own[name]
        value = context_value(self._scope, name)
        if value is _MISSING:
            value = node_output(self._scope, name.removeprefix(_OUTPUTS))
        if value is _MISSING and name == INPUT:
            value = _called_with(self._scope)
        if value is _MISSING:
            raise KeyError(name)
        return value

    def __iter__(self) -> Iterator[str]:
        return (name for name, (_, value) in self._scope.namespace.values.items() if value is not DELETED)

    def __len__(self) -> int:
        return sum(1 for _ in self)


class _Outputs(ContextView):
    def __getitem__(self, name: str) -> Any:
        value = self._own.get(_OUTPUTS + name, _MISSING)
        if value is _MISSING:
            value = node_output(self._scope, name)
        if value is _MISSING:
            raise KeyError(name)
        return value


class Names(ContextView):
    """Everything that an expression can name.

    What the node itself has just given stands before what was there: its output under its own id, and the context
    values that it set.
    """

    def __init__(self, scope: ScopeState, output: Any, action: str | None, own: Mapping[str, Any]) -> None:
        super().__init__(scope, own)
        self._output = output
        self._action = action

    def __getitem__(self, name: str) -> Any:
        if name == "result":
            return {"output": self._output, "action": self._action}
        if name == "input":
            return self._output
        if name == "context":
            return ContextView(self._scope, self._own)
        if name == "_outputs":
            return _Outputs(self._scope, self._own)
        return super().__getitem__(name)


class _NamesWithError(Names):
    """What an expression on a failure or always edge can name: the error besides; where there is one, no result."""

    def __init__(self, names: Names, error: dict[str, Any] | None) -> None:
        super().__init__(names._scope, names._output, names._action, names._own)
        self._error = error

    def __getitem__(self, name: str) -> Any:
        if name == "error":
            return self._error
        if self._error is not None and name in ("result", "input"):
            return self._error if name == "input" else None
        return super().__getitem__(name)


def context_value(scope: ScopeState, name: str) -> Any:
    """The context value of that name as it stands, or a marker that no value equals."""
    entry = scope.namespace.values.get(name)
    return _MISSING if entry is None or entry[1] is DELETED else entry[1]


def node_output(scope: ScopeState, node_id: str) -> Any:
    """The output of a node of the same or an enclosing scope; inside a loop seen from outside: of its last pass."""
    outcome = _node_outcome(scope, node_id)
    return _MISSING if outcome is None or outcome.error is not None else outcome.output


def _node_outcome(scope: ScopeState, node_id: str) -> Outcome | None:
    around: ScopeState | None = scope
    while around is not None:
        inside: ScopeState | None = around
        while inside is not None:
            index = inside.scope.by_id.get(node_id)
            if index is not None:
                return inside.outcomes.get(index)
            construct = inside.scope.inner.get(node_id)
            inside = last_pass(inside, construct) if construct else None
        around = None if around.scope.namespace else around.parent
    return None


def called_with(scope: ScopeState) -> tuple[bool, Any]:
    """Whether the flow was started or called with an input, and with which."""
    value = context_value(scope, INPUT)
    value = _called_with(scope) if value is _MISSING else value
    return (False, None) if value is _MISSING else (True, value)


def _called_with(scope: ScopeState) -> Any:
    call = scope.namespace
    return _MISSING if call.parent is None else _given(call)


def last_pass(scope: ScopeState, loop: Construct) -> ScopeState | None:
    """The last pass of a loop so far; None if there is none."""
    passes = scope.inside.get(loop.entry)
    left = scope.outcomes.get(loop.exit)
    if left is not None and left.passes is not None:
        return passes.get(left.passes - 1) if passes else None
    return passes[max(passes)] if passes else None


# --- inputs -----------------------------------------------------------------------------------------------------------


def input_of(scope: ScopeState, vertex: Vertex) -> Any:
    """The input of a ready instance: its explicit inputs, what its taken edges carry, or what its scope was given.

    Raises:
        InputError: It is put together of parts that are too large together.
    """
    if vertex.inputs is not None:
        if isinstance(vertex.inputs, Reference):
            return resolve(scope, vertex.inputs)
        named = {name: resolve(scope, reference) for name, reference in vertex.inputs.items()}
        return _assembled(named, f"the inputs of node {vertex.id!r}")
    incoming = vertex.incoming
    if not incoming:
        return _given(scope)
    if len(incoming) == 1:
        return carried(scope.outcomes[incoming[0].source], incoming[0].place)
    if vertex.quorum:
        incoming = scope.winners(vertex)
        if vertex.quorum == 1:
            return carried(scope.outcomes[incoming[0].source], incoming[0].place)
    taken = {
        link.source_id: carried(source, link.place)
        for link in incoming
        if (source := scope.outcomes.get(link.source)) is not None and link.place in source.taken
    }
    return _assembled(taken, f"what the edges to node {vertex.id!r} carry")


def input_of_step(scope: ScopeState, vertex: Vertex) -> Any:
    """The input of a ready step: as ``input_of``, but the results of a batch of more than a page are ``Gathered``.

    They are where they come as they are, by an edge or a reference: whole, or each under a name.
    """
    value = input_of(scope, vertex)
    if isinstance(vertex.inputs, Reference):
        return _gathered(_referred(scope, vertex.inputs), value)
    if vertex.inputs is not None:
        return {name: _gathered(_referred(scope, ref), value[name]) for name, ref in vertex.inputs.items()}
    incoming = scope.winners(vertex) or vertex.incoming
    if len(vertex.incoming) == 1 or vertex.quorum == 1:
        return _gathered(scope.outcomes[incoming[0].source], value)
    sources = {link.source_id: scope.outcomes.get(link.source) for link in incoming}
    return {name: _gathered(sources[name], part) for name, part in value.items()} if incoming else value


def _referred(scope: ScopeState, reference: Reference) -> Outcome | None:
    return None if reference.node is None or reference.path else _node_outcome(scope, reference.node)


def _gathered(source: Outcome | None, value: Any) -> Any:
    """What comes from an instance; the results of a batch, if it is those, so that they are read page by page."""
    if source is None or source.page_size is None or value is not source.output or isinstance(value, Gathered):
        return value
    return Held(value, source.page_size) if isinstance(value, list) else value


def resolve(scope: ScopeState, reference: Reference) -> Any:
    """The value that a reference names; None where there is none."""
    value: Any = _MISSING
    if reference.node is not None:
        value = node_output(scope, reference.node)
    if value is _MISSING:
        # A dotted text may be a context value's whole name.
        value = context_value(scope, reference.text)
        if value is not _MISSING:
            return value
        value = context_value(scope, reference.name)
        if value is _MISSING and reference.name == INPUT:
            value = _called_with(scope)
    for key in reference.path:
        if isinstance(value, Mapping) and key in value:
            value = value[key]
        elif isinstance(value, (list, tuple)) and key.isascii() and key.isdigit() and int(key) < len(value):
            value = value[int(key)]
        elif (value := field_of(value, key)) is NO_PART:
            return None
    return None if value is _MISSING else value


def carried(outcome: Outcome, place: int) -> Any:
    """What a taken edge of an outcome carries."""
    value = outcome.taken[place]
    if value is not OUTPUT:
        return value
    return outcome.output if outcome.error is None else error_data(outcome.error)


def _given(scope: ScopeState) -> Any:
    parent, construct = scope.parent, scope.construct
    if parent is None or construct is None:
        return None
    entry = parent.outcomes[construct.entry]
    if construct.kind == "batch":
        return scope.given if isinstance(entry.items, Pages) else (entry.items or ())[scope.index or 0]
    if construct.kind == "loop" and scope.index:
        before = parent.inside[construct.entry][scope.index - 1]
        verdict = before.outcomes[construct.verdict]
        value = verdict.taken[0]
        return verdict.output if value is OUTPUT else value
    return entry.output


# --- outcomes ---------------------------------------------------------------------------------------------------------


def take_edges(
    scope: ScopeState, vertex: Vertex, output: Any, action: str | None, sets: Mapping[str, Any] | None = None
) -> dict[int, Any]:
    """Which edges a result takes, and what each carries, in the form of ``Outcome.taken``.

    With an action: the edges with that action whose condition holds; if there are none, or without an action: the
    edges without one whose condition holds. Besides, those to be taken always whose condition holds.

    Raises:
        ExpressionError: A condition or transform failed; the message names the edge.
    """
    if vertex.all_taken is not None:
        return vertex.all_taken
    names = _names(scope, vertex, output, action, sets)
    out = [link for link in vertex.out if link.on == "success"] if vertex.catches else vertex.out
    taken: list[Link] = []
    if action is not None:
        taken = [link for link in out if link.action == action and _holds(link, names)]
    if not taken:
        taken = [link for link in out if link.action is None and _holds(link, names)]
    values = {link.place: _transformed(link, names) for link in taken}
    if vertex.catches:
        names = _NamesWithError(names, None)
        always = [link for link in vertex.out if link.on == "always" and _holds(link, names)]
        values |= {link.place: _transformed(link, names) for link in always}
        taken += always
    _require_modest(vertex, [values[link.place] for link in taken if link.transform is not None])
    return values


def is_lost(vertex: Vertex, action: str | None) -> bool:
    """Whether an action ends the path without a word: there are edges, and none of them is for it, nor for any action.

    What conditions say is another matter: where an edge is for it, a condition that does not hold has decided.
    """
    lost = action is not None and all(link.on == "failure" or link.action not in (None, action) for link in vertex.out)
    return lost and any(link.on == "success" for link in vertex.out)


def lost(key: str, vertex: Vertex, action: str | None) -> str:
    """Says that no edge takes an action, and what to do."""
    there = ", ".join(sorted({repr(link.action) for link in vertex.out if link.action is not None}))
    return (
        f"node {key!r} gave the action {action!r}, and no edge takes it, so the path would end here: give one "
        f"of {there}, or draw an edge for {action!r}, or one without an action for all others"
    )


def fail(scope: ScopeState, vertex: Vertex, error: NodeError, *, alone: bool = False) -> Outcome:
    """The outcome of an instance that failed for good: the edges on failure, or always, whose condition holds.

    An expression that fails there leaves its edge untaken, and the outcome says so: the failure that came first counts.

    Args:
        scope: Where the instance stands.
        vertex: Which it is.
        error: Why it failed.
        alone: It takes no edge.
    """
    outcome = Outcome(error=error, attempts=error.attempts, passes=_passes(scope, vertex))
    if alone or not vertex.catches:
        return outcome
    names = _NamesWithError(Names(scope, None, None, {}), error_data(error))
    untaken: dict[int, str] = {}
    for link in vertex.out:
        if link.on == "success":
            continue
        try:
            if _holds(link, names):
                value = _transformed(link, names)
                _require_modest(vertex, [] if value is OUTPUT else [value])
                outcome.taken[link.place] = value
        except ExpressionError as second:
            untaken[link.place] = safe_text(str(second), _LONGEST_REASON)
    outcome.untaken = untaken or None
    return outcome


def _require_modest(vertex: Vertex, made: list[Any]) -> None:
    try:
        require_modest(made, f"what the transforms of node {vertex.id!r} make")
    except TooLargeError as error:
        raise ExpressionError(str(error)) from error


def _names(scope: ScopeState, vertex: Vertex, output: Any, action: str | None, sets: Mapping[str, Any] | None) -> Names:
    # A context value of the node's id stands before its output, as everywhere.
    own: dict[str, Any] = {_OUTPUTS + vertex.id: output}
    if context_value(scope, vertex.id) is _MISSING:
        own[vertex.id] = output
    return Names(scope, output, action, {**own, **(sets or {})})


def enter(scope: ScopeState, vertex: Vertex, value: Any, graph: Graph | None) -> Outcome:
    """The outcome of a construct's entry: a loop's first verdict, a batch's items, a subflow's call.

    Args:
        scope: Where the construct stands.
        vertex: Its entry.
        value: The entry's input.
        graph: The called blueprint, if the construct calls one.
    """
    construct = vertex.construct
    assert construct is not None  # an entry always has one
    blueprint = graph.hash if graph else None
    if construct.kind == "loop":
        action = CONTINUE
        if construct.checks_first and not _goes_on(construct, Names(scope, value, None, {})):
            action = BREAK
        return Outcome(output=value, action=action)
    named = {name: resolve(scope, reference) for name, reference in (construct.inputs or {}).items()}
    context = _assembled(named, f"the inputs of node {vertex.id!r}") or None
    if construct.kind == "batch":
        if not isinstance(value, (list, tuple)):
            raise InputError(
                f"batch {construct.node.id!r} needs a list of items, not {type(value).__name__}: set items= to a node "
                "or context value that is a list"
            )
        total = len(value)
        return Outcome(
            output={"items": total},
            items=tuple(value),
            page_size=page_size_for(construct, total),
            lanes=lanes_for(construct, total),
            blueprint=blueprint,
            context=context,
        )
    return Outcome(output=value, blueprint=blueprint, context=context)


def verdict(scope: ScopeState, vertex: Vertex, value: Any) -> Outcome:
    """The outcome of a loop's verdict: ``continue``, with what the next pass begins with, or ``break``."""
    construct = vertex.construct
    assert construct is not None
    assert construct.feedback is not None  # compile_blueprint refuses a loop without one
    names = Names(scope, value, None, {})
    if not _goes_on(construct, names):
        return Outcome(output=value, action=BREAK)
    link = construct.feedback
    taken = {0: _transformed(link, names)} if _holds(link, names) else {}
    return Outcome(output=value, action=CONTINUE, taken=taken)


def leave(scope: ScopeState, vertex: Vertex, gathered: Sequence[Any] | None = None) -> Outcome:
    """The outcome of a construct's exit but for its edges: last output, results of items, or outputs of the call.

    Args:
        scope: Where the construct stands.
        vertex: Its exit.
        gathered: The results of a batch's items, where those are not all known at once.
    """
    construct = vertex.construct
    assert construct is not None  # an exit always has one
    inside = scope.inside.get(construct.entry, {})
    if construct.kind == "loop":
        last = inside[max(inside)].outcomes[construct.verdict] if inside else scope.outcomes[construct.entry]
        return Outcome(output=last.output, action=last.action, passes=_passes(scope, vertex))
    if construct.kind == "batch":
        results = list(item_results(inside)) if gathered is None else gathered
        name = output_key(vertex)
        size = page_size_for(construct, len(results))
        return Outcome(output=results, page_size=size, sets={name: results} if name else None)
    outputs = outputs_named(inside[0], vertex)
    if outputs is None:
        return Outcome(output=scope_output(inside[0]))
    values = {name: resolve(inside[0], reference) for name, reference in outputs.items()}
    _assembled(values, f"the outputs of node {vertex.id!r}")
    return Outcome(output=values, sets=dict(values))


def leave_reduced(scope: ScopeState, vertex: Vertex, value: Any) -> Outcome:
    """The outcome of a batch's exit but for its edges, of which a reducer has made one value."""
    name = output_key(vertex)
    return Outcome(output=value, sets={name: value} if name else None)


def output_key(gather: Vertex) -> str | None:
    """The context value that the results of a batch are kept in, too; None if they are not."""
    construct = gather.construct
    assert construct is not None  # an exit always has one
    name: str | None = gather.params.get("outputKey") or (construct.node.params or {}).get("outputKey")
    return name


def _passes(scope: ScopeState, vertex: Vertex) -> int | None:
    """How many passes a loop had, whose exit this is; None of anything else."""
    if vertex.kind is not Kind.EXIT or vertex.construct is None or vertex.construct.kind != "loop":
        return None
    return max(scope.inside.get(vertex.construct.entry, {}), default=-1) + 1


def outputs_named(inside: ScopeState, exit_: Vertex) -> dict[str, Reference] | None:
    """What a call hands out, if it says so: names, and where inside of the call their values come from."""
    outputs = exit_.params.get("outputs")
    if outputs is None:
        return None
    nodes = _NodeIds(inside.scope)
    return {name: parse_reference(source, nodes) for name, source in outputs.items()}


def item_result(item: ScopeState) -> Any:
    """What a batch's item gives: its output, or its error in its place."""
    return {"error": error_data(item.errors[0])} if item.errors else scope_output(item)


def item_results(items: Mapping[int, ScopeState]) -> Iterator[Any]:
    """What each of the items of a batch gives, in their order."""
    for index in sorted(items):
        if isinstance(items, Items) and (outputs := items.outputs(index)) is not None:
            yield _output_among(outputs, items.scope)
        else:
            yield item_result(items[index])


def error_data(error: NodeError) -> dict[str, Any]:
    """An error as plain data, as steps and expressions see it."""
    return {"node": error.key, "type": error.type, "message": error.message, "attempts": error.attempts}


def scope_output(scope: ScopeState) -> Any:
    """The output of a run, a call or an item: its last node's; with several, a dict of those that ran, if any did.

    A blueprint whose metadata name one of several last nodes as ``result`` means that one's. What lies behind edges on
    failure alone stands in for the only last node, where that has no output.
    """
    given = {index: scope.outcomes[index].output for index in scope.scope.ends if _has_output(scope, index)}
    return _output_among(given, scope.scope)


def _output_among(given: Mapping[int, Any], scope: Scope) -> Any:
    """The output of a run, a call or an item, in whose vertices with these indexes something has ended well."""
    ends: Collection[int] = scope.ends
    if len(last := scope.last) == 1 and len(ends) > 1:
        ends = last if last[0] in given else [index for index in ends if index != last[0]]
    outputs = {scope.vertices[index].id: given[index] for index in ends if index in given}
    if scope.result is not None:
        return outputs.get(scope.result)
    return outputs if outputs and len(ends) > 1 else next(iter(outputs.values()), None)


def _has_output(scope: ScopeState, index: int) -> bool:
    outcome = scope.outcomes.get(index)
    return outcome is not None and outcome.error is None and not outcome.void


def _assembled(values: dict[str, Any], what: str) -> dict[str, Any]:
    """Values of which one may stand under many names, as a blueprint says."""
    try:
        require_modest(values, what)
    except TooLargeError as error:
        raise InputError(str(error)) from error
    return values


class _NodeIds:
    """The node ids that can be seen from outside in a called blueprint, without making a set of them at each call."""

    def __init__(self, scope: Scope) -> None:
        self._scope = scope

    def __contains__(self, node_id: object) -> bool:
        return node_id in self._scope.by_id or node_id in self._scope.inner


def _goes_on(construct: Construct, names: Names) -> bool:
    # A conditional edge out of the loop is asked first, as in the TypeScript original: it leaves early.
    if any(link.condition is not None and _holds(link, names) for link in construct.leaving):
        return False
    assert construct.condition is not None  # compile_blueprint refuses a loop without one
    try:
        return bool(construct.condition.evaluate(names))
    except ExpressionError as error:
        raise ExpressionError(f"loop {construct.node.id!r}: condition: {error}") from error


def _holds(link: Link, names: Names) -> bool:
    return link.condition is None or bool(_evaluate(link, "condition", names))


def _transformed(link: Link, names: Names) -> Any:
    return OUTPUT if link.transform is None else _evaluate(link, "transform", names)


def _evaluate(link: Link, which: str, names: Names) -> Any:
    expression = link.condition if which == "condition" else link.transform
    assert expression is not None
    try:
        return expression.evaluate(names)
    except ExpressionError as error:
        raise ExpressionError(f"edge {link.source_id!r} -> {link.target_id!r}: {which}: {error}") from error
