"""A flow as the checks see it."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Iterator, Mapping
from types import CodeType
from typing import Any

import attrs

from ..blueprint import SUBFLOW
from ..decorated.calls import FunctionCall
from ..fitting import Fitting
from ..graph.scopes import Graph, Vertex
from ..steps import BaseNode, Implementation

# What the engine gives; a value of theirs people may well call ``results``.
_ROOTS = frozenset({"result", "input", "context", "error"})

# How alike two names are of which one is the other, misspelt.
_ALIKE = 0.8


@attrs.frozen(eq=False)
class Subject:
    """A flow that is looked at.

    Attributes:
        graph: The flow, compiled.
        graphs: It, and those that it may call, by id.
        find: Finds the step of a name; None if it is not known here.
        fitting: Knows the types at both ends of its edges.
        called: Finds a flow that it calls; None if it is not known here.
        context: The names of the values that runs are started with; None if that is not known.
    """

    graph: Graph
    graphs: Mapping[str, Graph]
    find: Callable[[str], Implementation | None]
    fitting: Fitting
    called: Callable[[str], Subject | None]
    context: frozenset[str] | None = None

    @property
    def steps(self) -> Iterator[Implementation]:
        """Its steps, as far as they are known."""
        return (step for uses in self.graph.uses if (step := self.find(uses)) is not None)

    @property
    def is_drawn(self) -> bool:
        """Whether its edges were drawn by hand; those of decorated functions follow from what they need."""
        return not any(isinstance(step.step, FunctionCall) for step in self.steps)

    def steps_at(self, vertex: Vertex) -> list[Implementation | None]:
        """The steps that may give the result of a node: its own, and its fallback's; None for one that is not known."""
        nodes = [vertex.node] if vertex.fallback is None else [vertex.node, vertex.fallback]
        return [self.find(node.uses) for node in nodes]

    def names(self) -> frozenset[str]:
        """What expressions and inputs can name, as far as the flow and its steps show it."""
        names = {"input", *(self.context or ())}
        for node in self.graph.blueprint.nodes:
            params = node.params or {}
            names |= {node.id, str(params.get("outputKey") or node.id)}
            if node.uses == SUBFLOW and isinstance(params.get("outputs"), Mapping):
                names |= set(params["outputs"])
        for step in self.steps:
            names |= words_of(step.step)
        return frozenset(names)

    def meant(self, name: str, known: Iterable[str]) -> str | None:
        """What to say of a name that may not be there; None if nothing is wrong with it, as far as can be told.

        It may be of a value that a run is started with: unless those are known, only what is like another name, and
        not that, is taken for wrong.
        """
        known = set(known)
        if name in known:
            return None
        if alike := _most_like(name, known):
            return f"is {alike!r} meant?"
        return None if self.context is None else "nothing of that name is there"


def _most_like(name: str, known: Iterable[str]) -> str | None:
    """The name that another one is, misspelt: two letters changed places, or it is much alike otherwise."""
    swapped = {name[:i] + name[i + 1] + name[i] + name[i + 2 :] for i in range(len(name) - 1)} if len(name) > 2 else ()
    found = sorted(set(swapped) & set(known))
    others = [other for other in known if not (other in _ROOTS and name == f"{other}s")]
    return next(iter(found or difflib.get_close_matches(name, others, 1, _ALIKE)), None)


def codes_of(step: Any) -> list[CodeType]:
    """The code of a step, its inner functions' included, as far as it is Python's."""
    if isinstance(step, FunctionCall):
        step = step.signature.function
    if isinstance(step, type) and issubclass(step, BaseNode):
        functions = [value for value in vars(step).values() if hasattr(value, "__code__")]
    else:
        functions = [getattr(step, "__func__", step)]
    found: list[CodeType] = []
    waiting: list[Any] = [getattr(function, "__code__", None) for function in functions]
    while waiting:
        code = waiting.pop()
        if isinstance(code, CodeType):
            found.append(code)
            waiting += code.co_consts
    return found


def words_of(step: Any) -> set[str]:
    """The texts that stand in a step's code: names of context values that it sets are among them."""
    return {text for code in codes_of(step) for text in code.co_consts if isinstance(text, str)}
