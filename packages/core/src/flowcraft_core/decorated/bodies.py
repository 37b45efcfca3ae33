"""Which steps of a flow are in which of its loops."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..rules import Problem, Rule
from ..rules import decorated as rules
from .nodes import Loop, Node
from .plans import Plan, named_by, optional_in

#: What is said of a loop that has no end.
NEVER_AGAIN = "never says when it goes on: call its again(...)"


class Bodies:
    """The bodies of a flow's loops: a step is in a loop if it needs its value, by way of others if need be.

    Attributes:
        problems: What is no loop, each with a remedy.
        merged: The steps that begin a loop's pass themselves, by the start that they stand for: those that alone need
            the loop's value, and nothing else of other steps.
    """

    def __init__(self, nodes: Sequence[Node[Any]]) -> None:
        self.problems: list[Problem] = []
        self.merged: dict[Node[Any], Node[Any]] = {}
        self._nodes = nodes
        self._around: dict[Node[Any], frozenset[Loop[Any]]] = {}
        self._entries: dict[Loop[Any], dict[Node[Any], bool]] = {}
        for node in nodes:
            self._around[node] = self._loops_around(node, set(nodes))
        for node in nodes:
            if isinstance(node, Loop):
                self._find_strays(node)
            else:
                self._find_entries(node)
        self._find_merged()

    def is_outer(self, node: Node[Any], source: Node[Any]) -> bool:
        """Whether a node needs another from outside of a loop that it is in."""
        return bool(self._loops_of(node) - self._around.get(source, frozenset()))

    def entries_of(self, plan: Plan) -> Mapping[Node[Any], bool]:
        """For a loop's start: the nodes that its body needs from outside, and whether it cannot do without them."""
        loop = plan.options.get("loop")
        return self._entries.get(loop, {}) if isinstance(loop, Loop) else {}

    def has(self, loop: Loop[Any], node: Node[Any]) -> bool:
        """Whether a node is in a loop."""
        return loop in self._around.get(node, frozenset())

    def _loops_of(self, node: Node[Any]) -> frozenset[Loop[Any]]:
        # What a loop's start needs comes before the loop: it is in those around it only.
        return self._around.get(node, frozenset()) - {node.plan.options.get("loop")}

    def _loops_around(self, node: Node[Any], known: set[Node[Any]]) -> frozenset[Loop[Any]]:
        loops: set[Loop[Any]] = set()
        for source in named_by(node.plan):
            if isinstance(source, Loop) and source not in known and source.plan.value is None:
                self.complain(rules.LOOP_WITHOUT_AGAIN, source, NEVER_AGAIN)
            elif source not in known:
                text = f"needs {source.id!r} of flow {source.flow_id!r}: call that flow instead"
                self.complain(rules.STEP_OF_ANOTHER_FLOW, node, text)
            loops |= self._around.get(source, frozenset())
        own = node.plan.options.get("loop")
        if isinstance(node, Loop):
            loops.discard(node)
        elif isinstance(own, Loop):
            if own not in known:
                self.complain(rules.LOOP_WITHOUT_AGAIN, own, NEVER_AGAIN)
            loops.add(own)
        return frozenset(loops)

    def _find_strays(self, loop: Loop[Any]) -> None:
        """Nodes that follow from a loop's pass, and do not lead to its end."""
        leading, waiting = set[Node[Any]](), list(named_by(loop.plan))
        while waiting:
            node = waiting.pop()
            if node not in leading:
                leading.add(node)
                waiting += [*named_by(node.plan), *([node.start] if isinstance(node, Loop) else [])]
        for node in self._nodes:
            if self.has(loop, node) and node not in leading and node not in (loop, loop.start):
                inside = next(one for one in named_by(node.plan) if self.has(loop, one))
                self.complain(
                    rules.NEEDED_FROM_INSIDE,
                    node,
                    f"needs {inside.id!r}, which is inside of loop {loop.id!r}: need {loop.id}.output, or let the "
                    f"step that {loop.id}.again() names need {node.id!r}",
                )

    def _find_entries(self, node: Node[Any]) -> None:
        optional = optional_in(node.plan)
        for source in named_by(node.plan):
            outside = self._loops_of(node) - self._around.get(source, frozenset())
            if outside:
                outermost = min(outside, key=lambda loop: len(self._around[loop.start]))
                needed = self._entries.setdefault(outermost, {})
                needed[source] = needed.get(source, False) or source not in optional

    def _find_merged(self) -> None:
        users: dict[Node[Any], list[Node[Any]]] = {}
        for node in self._nodes:
            for source in named_by(node.plan):
                users.setdefault(source, []).append(node)
        for start, (first, *others) in users.items():
            is_alone = not others and first.plan.kind == "step" and set(named_by(first.plan)) == {start}
            if start.plan.kind == "start" and is_alone and first.plan.when is None and not first.plan.after:
                self.merged[start] = first

    def complain(self, rule: Rule, node: Node[Any], problem: str) -> None:
        """Note a problem of a node, once."""
        found = rule.at(node.id, f"{'loop' if isinstance(node, Loop) else 'node'} {node.id!r} {problem}")
        if found not in self.problems:
            self.problems.append(found)
