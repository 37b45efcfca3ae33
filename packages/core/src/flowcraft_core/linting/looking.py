"""``lint``: all that can be said of a flow before it runs."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from functools import partial
from typing import TypeAlias

import attrs

from ..blueprint import Blueprint
from ..catalogue import Catalogue, missing_steps
from ..definition import FlowDefinition
from ..errors import ConfigurationError, FlowcraftError
from ..fitting import Fitting
from ..graph.compile import compile_blueprint, missing_calls
from ..graph.limits import unknown_limits
from ..graph.scopes import Graph
from ..rules import RULES, Problem
from ..rules.flows import NOT_BUILT
from ..runtime import FlowRuntime
from ..steps import Implementation, Step
from .checks import CHECKS
from .subject import Subject

#: What can be looked at; or a function that makes it, so that what describing it raises is told as well.
Lintable: TypeAlias = (
    "FlowDefinition | Blueprint | FlowRuntime | Callable[[], FlowDefinition | Blueprint | FlowRuntime]"
)


def lint(
    flow: Lintable,
    *,
    registry: Mapping[str, Step] | None = None,
    ignore: Collection[str] = (),
    context: Collection[str] | None = None,
) -> list[Problem]:
    """Look at a flow, and at those that it calls.

    Args:
        flow: The flow; a runtime with all its flows; or a function that makes one of these. A blueprint by itself is
            not asked for its steps, and for the flows that it calls, unless a registry is given.
        registry: Steps by the names that the flow uses, as for ``FlowRuntime``.
        ignore: Codes of rules, or the beginnings of some: ``"FC121"``, or ``"FC1"`` for all about nodes and edges.
        context: The names of the values that runs are started with. Without them, an expression may name anything that
            is not almost another name.

    Returns:
        What is wrong, errors first, in the order of the flows, and for each in the order of the rules.

    Raises:
        ConfigurationError: No rule has a code that is to be ignored.
    """
    require_codes(ignore)
    try:
        made = flow if isinstance(flow, (FlowDefinition, Blueprint, FlowRuntime)) else flow()
        found = list(_looked(made, registry, None if context is None else frozenset(context)))
    except FlowcraftError as error:
        found = problems_of(error)
    kept = [problem for problem in dict.fromkeys(found) if not problem.code.startswith(tuple(ignore))]
    return sorted(kept, key=lambda problem: problem.rule.severity)


def require_codes(codes: Iterable[str]) -> None:
    """See that rules can be ignored by such codes.

    Raises:
        ConfigurationError: No rule has a code that begins so.
    """
    for code in codes:
        if not any(known.startswith(code) for known in RULES):
            raise ConfigurationError(f"there is no rule {code!r} to ignore: their codes are FC and three digits")


def problems_of(error: FlowcraftError) -> list[Problem]:
    """What an error says is wrong with a flow: by the rules that it names, or as one that no other rule is about."""
    return list(error.problems) or [NOT_BUILT.at(None, str(error))]


@attrs.define(eq=False)
class _Found:
    """Flows that were compiled, by id, with who knows their steps, and the flows that each calls."""

    graphs: dict[str, Graph] = attrs.field(factory=dict)
    steps: dict[str, Mapping[str, Implementation]] = attrs.field(factory=dict)
    called: dict[str, Mapping[str, FlowDefinition]] = attrs.field(factory=dict)


def _looked(
    flow: FlowDefinition | Blueprint | FlowRuntime, registry: Mapping[str, Step] | None, context: frozenset[str] | None
) -> Iterator[Problem]:
    found = _Found()
    brought = {name: Implementation.of(name, step) for name, step in (registry or {}).items()}
    if isinstance(flow, FlowRuntime):  # it was looked at when it was made
        found.graphs = flow.catalogue.graphs
        found.steps = {id_: _Steps(partial(flow.find_step, id_), graph) for id_, graph in flow.catalogue.graphs.items()}
        yield from unknown_limits(found.graphs.values(), flow.limits)
    elif isinstance(flow, Blueprint):
        found.graphs[flow.id] = compile_blueprint(flow)
        found.steps[flow.id] = brought
    else:
        yield from _compiled(flow, brought, found)
    if isinstance(flow, Blueprint) and registry is not None:
        yield from missing_calls(found.graphs, [flow.id])
    if isinstance(flow, FlowDefinition) or registry is not None:
        for flow_id, graph in found.graphs.items():
            yield from missing_steps(graph, found.steps[flow_id].__contains__)
    subjects: dict[str, Subject] = {}
    for flow_id, graph in found.graphs.items():
        steps = found.steps[flow_id]
        fitting = Fitting(graph.blueprint, steps, found.called.get(flow_id, {}))
        subjects[flow_id] = Subject(graph, found.graphs, steps.get, fitting, subjects.get, context)
    for flow_id, subject in subjects.items():
        for check in CHECKS:
            yield from (attrs.evolve(problem, flow=flow_id) for problem in check(subject))


def _compiled(flow: FlowDefinition, brought: Mapping[str, Implementation], found: _Found) -> Iterator[Problem]:
    """Compile a flow and those that it calls; what cannot be compiled is told, and not looked at any further."""
    waiting: list[FlowDefinition] = [flow]
    seen: set[int] = set()
    broken = False
    while waiting:
        each = waiting.pop(0)
        if id(each) in seen:
            continue
        seen.add(id(each))
        try:
            found.graphs.setdefault(each.id, each.compile())
        except FlowcraftError as error:
            broken = True
            yield from problems_of(error)
            with contextlib.suppress(FlowcraftError):
                waiting += each.called.values()
            continue
        found.steps.setdefault(each.id, {**brought, **each.implementations})
        found.called.setdefault(each.id, each.called)
        waiting += each.called.values()
    if not broken:
        Catalogue([flow], ()).check_steps(flow)
        yield from missing_calls(found.graphs, [flow.id])


class _Steps(Mapping[str, Implementation]):
    """The steps of a runtime's flow, by the names that it uses."""

    def __init__(self, find: Callable[[str], Implementation | None], graph: Graph) -> None:
        self._find, self._graph = find, graph

    def __getitem__(self, name: str) -> Implementation:
        step = self._find(name)
        if step is None:
            raise KeyError(name)
        return step

    def __iter__(self) -> Iterator[str]:
        return iter(self._graph.uses)

    def __len__(self) -> int:
        return len(self._graph.uses)
