"""What a node needs, as its definition says."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import attrs

from ..blueprint import JoinStrategy
from ..durations import Duration
from ..errors import ConfigurationError
from ..retries import RetryPolicy
from .needs import Signature
from .terms import OutputOf, Term, nodes_in, root_of

if TYPE_CHECKING:
    from .nodes import Node


@attrs.frozen(eq=False, kw_only=True)
class Settings:
    """How a node is tried and bounded; as for ``FlowBuilder.node``."""

    retries: int | RetryPolicy | None = None
    timeout: Duration | None = None
    lease: bool = False
    queue: str | None = None
    limit: str | Sequence[str] | None = None
    undo_unsure: bool = False

    def given(self) -> dict[str, Any]:
        """Those that were given, as the builder takes them."""
        given: dict[str, Any] = {
            "retries": self.retries,
            "timeout": self.timeout,
            "lease": self.lease or None,
            "queue": self.queue,
            "limit": self.limit,
            "undo_unsure": self.undo_unsure or None,
        }
        return {name: setting for name, setting in given.items() if setting is not None}


@attrs.frozen(eq=False)
class Undo:
    """What takes back what a node has done, and how that is tried.

    Attributes:
        signature: Of the function.
        settings: How it is tried; of those that a node has, retries and a timeout.
    """

    signature: Signature
    settings: Settings


def undo_of(
    done: Signature,
    function: Callable[..., Any] | None,
    retries: int | RetryPolicy | None,
    timeout: Duration | None,
) -> Undo | None:
    """The undo of a function; None if it has none.

    Raises:
        ConfigurationError: It says how an undo is tried, and has none; or the undo is no function that could be it.
    """
    if function is not None:
        return Undo(done.of_undo(function), Settings(retries=retries, timeout=timeout))
    if retries is not None or timeout is not None:
        raise ConfigurationError(
            f"{done.where} says with undo_retries= or undo_timeout= how its undo is tried, and has none: give undo="
        )
    return None


@attrs.define(eq=False, kw_only=True)
class Plan:
    """What a node needs, as its definition says.

    Attributes:
        kind: What is made of it: ``step``, ``batch``, ``each``, ``call``, ``wait``, ``sleep``, ``start`` (of a loop's
            pass), ``loop``, ``first``, or how another node ended: ``failed`` or ``ended``.
        needs: For a step: the terms that its parameters take, by parameter.
        value: For all but steps and waits: the term that it is given.
        after: The nodes that it comes after without needing their outputs.
        when: The condition under which it runs.
        signature: Of the function.
        calls: The flow that it calls.
        settings: How it is tried.
        options: What else its kind knows.
        fallback: The function that stands in.
        undo: What takes back what it has done.
        type: What it gives, as far as annotations say.
    """

    kind: str
    needs: dict[str, Term] = attrs.field(factory=dict)
    value: Term | None = None
    after: tuple[Node[Any], ...] = ()
    when: Term | None = None
    signature: Signature | None = None
    calls: Any = None
    settings: Settings = attrs.field(factory=Settings)
    options: dict[str, Any] = attrs.field(factory=dict)
    fallback: Signature | None = None
    undo: Undo | None = None
    join: JoinStrategy | None = None
    type: Any = Any

    @property
    def is_ending(self) -> bool:
        """Whether it is no step, but how another node ended."""
        return self.kind in ("failed", "ended")

    @property
    def tolerates(self) -> bool:
        """Whether it is a batch of which some items may fail, so that not all of its results are what it gives."""
        return any(name.startswith("tolerated_") for name in self.options)


def terms_of(plan: Plan) -> Iterator[Term]:
    """The terms whose values a node is given."""
    yield from plan.needs.values()
    if plan.value is not None:
        yield plan.value


def named_by(plan: Plan) -> Iterator[Node[Any]]:
    """All nodes that a node's definition names."""
    for term in terms_of(plan):
        yield from nodes_in(term)
    if plan.when is not None:
        yield from nodes_in(plan.when)
    yield from plan.after


def with_endings(nodes: Iterable[Node[Any]]) -> list[Node[Any]]:
    """Some nodes, and before each what it names of how others end."""
    return list(dict.fromkeys(found for node in nodes for found in (*_endings_in(node), node)))


def _endings_in(node: Node[Any]) -> Iterator[Node[Any]]:
    for named in named_by(node.plan):
        if named.plan.is_ending:
            yield from _endings_in(named)
            yield named


def optional_in(plan: Plan) -> set[Node[Any]]:
    """The nodes that a node can do without, whatever else it says of them."""
    roots = [root for term in terms_of(plan) if isinstance(root := root_of(term), OutputOf)]
    required = {root.node for root in roots if not root.optional} | set(plan.after)
    return {root.node for root in roots if root.optional} - required
