"""A program's flows: compiled blueprints by id, and which steps each brings."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeAlias

import attrs

from .blueprint import Blueprint
from .builder import FlowBuilder
from .definition import FlowDefinition
from .errors import ConfigurationError
from .graph.compile import compile_blueprint, missing_calls
from .graph.scopes import Graph
from .rules import Problem, Rule, flows, steps
from .serialization import Serializer
from .settings import by_name
from .shaping import register_annotated
from .steps import Implementation

#: A flow as it can be named: its definition, its blueprint, or its id.
FlowLike: TypeAlias = FlowDefinition | Blueprint | str

#: One that does not say what it takes and gives.
UntypedFlow: TypeAlias = FlowBuilder | Blueprint | str


def not_brought(uses: str) -> str:
    """Says that there is no step of a name."""
    return f"no step is registered under {uses!r}: add it to the registry, or pass the flow that brings it"


def missing_steps(graph: Graph, has: Callable[[str], bool]) -> list[Problem]:
    """Problems with the steps that a blueprint uses: those that are not there.

    Args:
        graph: The blueprint, compiled.
        has: Whether there is a step of a name.
    """
    flow_id, problems = graph.blueprint.id, []
    for uses, node_id in graph.uses.items():
        if not has(uses):
            text = f"node {node_id!r} of flow {flow_id!r}: {not_brought(uses)}"
            problems.append(attrs.evolve(_rule_of(graph, uses).at(node_id, text), flow=flow_id))
    return problems


def _rule_of(graph: Graph, uses: str) -> Rule:
    """The rule that a blueprint breaks whose step of a name is missing."""
    nodes = graph.blueprint.nodes
    if any((node.params or {}).get("workerUsesKey") == uses for node in nodes):
        return steps.UNKNOWN_WORKER
    is_fallback = any(node.config is not None and node.config.fallback == uses for node in nodes)
    return steps.UNKNOWN_FALLBACK if is_fallback else steps.MISSING_STEP


def _no_flow(given: object) -> ConfigurationError:
    return ConfigurationError(f"there is no flow {given!r:.80}: give a flow, its blueprint, or its id")


class Catalogue:
    """Flows by id.

    Attributes:
        graphs: Every compiled blueprint.
        steps: For each flow that was built in Python, the steps that it brings.
    """

    def __init__(
        self,
        definitions: Iterable[FlowDefinition],
        blueprints: Iterable[Blueprint] | Mapping[str, Blueprint],
        serializer: Serializer | None = None,
    ) -> None:
        """Put flows together.

        Args:
            definitions: Flows that were built in Python, with those that they call.
            blueprints: Further ones.
            serializer: Comes to know the classes that annotations of the flows name, also of those found later.

        Raises:
            BlueprintError: One cannot mean anything.
            ConfigurationError: Two have one id, or two of those classes would be stored under one tag.
        """
        self._serializer = serializer
        self._definitions: dict[str, FlowDefinition] = {}
        self.graphs: dict[str, Graph] = {}
        self.steps: dict[str, Mapping[str, Implementation]] = {}
        for flow in definitions:
            self._add_flow(flow)
        for blueprint in blueprints.values() if isinstance(blueprints, Mapping) else blueprints:
            self._add(compile_blueprint(blueprint))

    @property
    def definitions(self) -> Iterable[FlowDefinition]:
        """The flows that were built in Python."""
        return self._definitions.values()

    def find(self, flow: FlowLike) -> Graph:
        """The compiled flow; one that is not here yet is added, with the flows that it calls.

        Raises:
            BlueprintError: It cannot mean anything.
            ConfigurationError: It is unknown, there is another of the same id, or it calls one that is not here.
        """
        if isinstance(flow, str):
            if flow not in self.graphs:
                known = ", ".join(sorted(self.graphs)) or "none"
                raise ConfigurationError(f"there is no flow {flow!r} here; there are: {known}")
            graph = self.graphs[flow]
        elif isinstance(flow, FlowDefinition):
            graph = self._add_flow(flow)
        elif not isinstance(flow, Blueprint):
            raise _no_flow(flow)
        else:
            graph = self._add(compile_blueprint(flow))
        self.reachable(graph)
        return graph

    def begin(self, flow: FlowLike, given: Any) -> Mapping[str, Any]:
        """The initial context values of a run, by name, from what it is started with, built as annotations say.

        Raises:
            ConfigurationError: The flow takes an input and is given none, or the other way round; or it cannot be
                built, and the message names the part.
        """
        if isinstance(flow, FlowDefinition):
            return by_name(f"flow {flow.id!r}: what it is started with", flow.begin(given))
        if not isinstance(flow, (str, Blueprint)):
            raise _no_flow(flow)
        flow_id = flow if isinstance(flow, str) else flow.id
        values = {} if given is None else by_name(f"flow {flow_id!r:.80}: what it is started with", given)
        known = self._definitions.get(flow_id)
        return values if known is None else known.of_context(values)

    def answered(self, flow_id: str, node_id: str, output: Any) -> Any:
        """The answer to a flow's wait, built as the flow says.

        Raises:
            ConfigurationError: It cannot be built; the message names the part.
        """
        known = self._definitions.get(flow_id)
        return output if known is None else known.answered(node_id, output)

    def reachable(self, graph: Graph) -> dict[str, Graph]:
        """A flow and all that it can call, by id.

        Raises:
            ConfigurationError: A called one is not here.
        """
        problems = missing_calls(self.graphs, [graph.blueprint.id])
        if problems:
            raise ConfigurationError.of(*problems)
        found: dict[str, Graph] = {}
        waiting = [graph.blueprint.id]
        while waiting:
            blueprint_id = waiting.pop()
            if blueprint_id not in found:
                found[blueprint_id] = self.graphs[blueprint_id]
                waiting.extend(found[blueprint_id].calls)
        return found

    def _add_flow(self, flow: FlowDefinition) -> Graph:
        if not isinstance(flow, FlowDefinition):
            raise ConfigurationError(f"a flow must be one that create_flow or Flow has made, not {flow!r:.80}")
        graph = self._add(flow.compile())
        if flow.id not in self.steps:
            self.steps[flow.id] = flow.implementations
            self._definitions[flow.id] = flow
            if self._serializer is not None:
                register_annotated(self._serializer, ((f"flow {flow.id!r}: {at}", one) for at, one in flow.annotated))
            for called in flow.called.values():
                self._add_flow(called)
        return graph

    def check_steps(self, flow: FlowDefinition) -> None:
        """See that a flow's steps are those that would be run: a blueprint does not tell two functions apart.

        Raises:
            ConfigurationError: Another flow of its id has brought other ones.
        """
        seen, waiting = set[int](), [flow]
        while waiting:
            one = waiting.pop()
            if id(one) in seen:
                continue  # which calls itself, perhaps by way of others
            seen.add(id(one))
            standing = self.steps.get(one.id, {})
            for name, brought in one.implementations.items():
                if name in standing and standing[name].step != brought.step:
                    text = (
                        f"there are two flows with the id {one.id!r}, and their steps for {name!r} are not the same "
                        "object: rename one, or make the flow once and hand on that one, or its id"
                    )
                    raise ConfigurationError.of(flows.DUPLICATE_FLOW.at(None, text))
            waiting += one.called.values()

    def _add(self, graph: Graph) -> Graph:
        standing = self.graphs.setdefault(graph.blueprint.id, graph)
        if standing is not graph and standing.hash != graph.hash:
            text = f"there are two different blueprints with the id {graph.blueprint.id!r}: rename one"
            raise ConfigurationError.of(flows.DUPLICATE_FLOW.at(None, text))
        return standing
