"""What a rule is, and a problem that it finds. The lowest of all: errors carry problems."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

import attrs

#: Whether a flow is refused for it, or may be run all the same.
Severity: TypeAlias = Literal["error", "warning"]


@attrs.frozen(kw_only=True)
class Rule:
    """Something that a flow may not, or should not, be.

    Attributes:
        code: What stays from version to version, such as ``FC101``; the first digit is the topic.
        name: A short name, such as ``duplicate-node``.
        meaning: What is wrong, in a sentence.
        remedy: What to do about it.
        severity: An error is refused when the flow is built; a warning is only found by those who look for it.
    """

    code: str
    name: str
    meaning: str
    remedy: str
    severity: Severity = "error"

    def at(self, node: str | None, text: str) -> Problem:
        """A problem of this kind, at a node; or, with None, with the flow as a whole.

        Args:
            node: The node's id.
            text: What is wrong there, by name, and what to do.
        """
        return Problem(rule=self, text=text, node=node)

    def along(self, source: str, target: str, text: str) -> Problem:
        """A problem of this kind, with an edge.

        Args:
            source: The edge's source.
            target: Its target.
            text: What follows the edge's ends in the message.
        """
        return Problem(rule=self, text=f"edge {source!r} -> {target!r}{text}", node=source, edge=(source, target))


@attrs.frozen(kw_only=True)
class Problem:
    """Where a flow breaks a rule.

    Attributes:
        rule: Which one.
        text: What is wrong, by name, and what to do.
        node: The node; for an edge its source; None if it is the flow as a whole.
        edge: Source and target, if it is an edge.
        flow: The flow's id, where it was said.
    """

    rule: Rule
    text: str
    node: str | None = None
    edge: tuple[str, str] | None = None
    flow: str | None = None

    @property
    def code(self) -> str:
        """The rule's code."""
        return self.rule.code

    def __str__(self) -> str:
        """The text, with the code behind it."""
        return f"{self.text} [{self.code}]"

    def in_flow(self) -> str:
        """The same, with the flow before it, unless the text names that."""
        return str(self) if self.flow is None or repr(self.flow) in self.text else f"flow {self.flow!r}, {self}"

    def to_dict(self) -> dict[str, Any]:
        """The problem as plain data."""
        return {
            "code": self.code,
            "name": self.rule.name,
            "severity": self.rule.severity,
            "flow": self.flow,
            "node": self.node,
            "edge": None if self.edge is None else list(self.edge),
            "problem": self.text,
        }
