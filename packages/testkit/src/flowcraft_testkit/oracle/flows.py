"""Flows as the oracle describes them: nested as they are meant, not flat as a blueprint is.

A loop has a body and a batch has a worker, so the model needs no compiler to see what lies inside what. The blueprint
is made from the description by ``writing``, and only the code under test reads it. What steps do is part of the
description too: a step's turns say what it gives, and an instance's key says which turn it is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal, TypeAlias

import attrs

#: How several edges are joined: all of them, the first, or so many of different sources.
JoinName: TypeAlias = Literal["all", "any"] | int
#: How what undoes a step goes: at once, at the second attempt, or never.
UndoName: TypeAlias = Literal["undo", "undo later", "undo never"]
On: TypeAlias = Literal["success", "failure", "always"]
Inputs: TypeAlias = str | Mapping[str, str] | None


class _Brief:
    """Shows itself as it would be written, without what is left at its default: what failed is to be read."""

    def __repr__(self) -> str:
        fields = attrs.fields(type(self))  # type: ignore[arg-type]  # each brief class is an attrs class
        said = [(field, getattr(self, field.name)) for field in fields]
        shown = [f"{field.name}={value!r}" for field, value in said if not _is_default(field, value)]
        return f"{type(self).__name__}({', '.join(shown)})"


def _is_default(field: attrs.Attribute[Any], value: Any) -> bool:
    return bool(value == field.default) or (isinstance(field.default, attrs.Factory) and not value)  # type: ignore[arg-type]


@attrs.frozen(repr=False)
class Turn(_Brief):
    """What a step does once.

    Attributes:
        action: Its result's action.
        n: A number in its output that conditions ask for.
        items: How long the list in its output is, at most 3.
        fails: It fails for good.
        flaky: So many attempts fail before one does not.
        defers: So often it asks at first to be tried again without that being an attempt.
        takes: How long it takes, seconds.
        sets: Names of context values that it sets.
        deletes: Names of context values that it deletes.
        reads: Names of context values that its output depends on.
    """

    action: str | None = None
    n: int = 0
    items: int = 0
    fails: bool = False
    flaky: int = 0
    defers: int = 0
    takes: float = 0.0
    sets: tuple[str, ...] = ()
    deletes: tuple[str, ...] = ()
    reads: tuple[str, ...] = ()


@attrs.frozen(repr=False)
class Step(_Brief):
    """A plain step.

    Attributes:
        id: The node's id.
        turns: What it does, by the sum of the indexes around it.
        join: How several edges into it are joined.
        inputs: What it gets instead of what its edges carry.
        fallback: The id of the node that stands in for it.
        attempts: How often it is tried.
        delay: Between two attempts, seconds.
        undo: What undoes it.
        unsure: It is undone also where it may have been cut off.
    """

    id: str
    turns: tuple[Turn, ...] = (Turn(),)
    join: JoinName = "all"
    inputs: Inputs = None
    fallback: str | None = None
    attempts: int = 1
    delay: float = 0.0
    undo: UndoName | None = None
    unsure: bool = False


@attrs.frozen(repr=False)
class Wait(_Brief):
    """A wait.

    Attributes:
        id: Its id.
        turns: What it is resumed with.
        join: How several edges into it are joined.
        timeout: How long until it goes on by itself, seconds.
        after: How long people take, seconds.
        remind: Before each of its reminders, seconds.
    """

    id: str
    turns: tuple[Turn, ...] = (Turn(),)
    join: JoinName = "all"
    timeout: float | None = None
    after: float = 0.0
    remind: tuple[float, ...] = ()


@attrs.frozen(repr=False)
class Sleep(_Brief):
    """A sleep of so many seconds."""

    id: str
    seconds: float = 1.0
    join: JoinName = "all"
    inputs: Inputs = None


@attrs.frozen(repr=False)
class Loop(_Brief):
    """A loop; ``end`` names the body's last node, its first is the only one that nothing leads to."""

    id: str
    body: Flow
    end: str
    condition: str = "false"
    join: JoinName = "all"
    checks_first: bool = False
    feedback_condition: str | None = None
    feedback_transform: str | None = None


@attrs.frozen(repr=False)
class Batch(_Brief):
    """A batch, over a step (``worker`` is its turns) or a flow; ``paired`` writes it as a scatter and a gather node.

    If the worker is a flow, ``context`` is what its calls' contexts begin with: their names to names here. No more of
    its items are under way than ``concurrency`` says, and they are stored in pages of ``page_size``. With
    ``reduce`` its output is a list of its results by pages. ``undo`` undoes what a step has done to an item, as for a
    step.
    """

    id: str
    worker: Flow | tuple[Turn, ...]
    join: JoinName = "all"
    inputs: str | None = None
    context: Mapping[str, str] | None = None
    tolerated: int = 0
    output: str | None = None
    paired: bool = False
    attempts: int = 1
    delay: float = 0.0
    concurrency: int | None = None
    undo: UndoName | None = None
    unsure: bool = False
    page_size: int | None = None
    reduce: bool = False


@attrs.frozen(repr=False)
class Call(_Brief):
    """A subflow; ``context`` as for a batch, ``outputs`` the context values that it sets: names to names inside."""

    id: str
    flow: Flow
    join: JoinName = "all"
    context: Mapping[str, str] | None = None
    outputs: Mapping[str, str] | None = None


AnyNode: TypeAlias = Step | Wait | Sleep | Loop | Batch | Call


@attrs.frozen(repr=False)
class Edge(_Brief):
    """An edge between two nodes of one graph, by their ids; ``on`` says after what it may be taken."""

    source: str
    target: str
    action: str | None = None
    condition: str | None = None
    transform: str | None = None
    on: On = "success"


@attrs.frozen(repr=False)
class Flow(_Brief):
    """A graph. Of a fallback node only its turns are kept; it is named by the steps that it stands in for."""

    id: str
    nodes: tuple[AnyNode, ...]
    edges: tuple[Edge, ...] = ()
    fallbacks: Mapping[str, tuple[Turn, ...]] = attrs.field(factory=dict)

    def node(self, node_id: str) -> AnyNode:
        """The node with an id."""
        return next(node for node in self.nodes if node.id == node_id)

    def start(self) -> AnyNode:
        """The first node that no edge leads to."""
        targets = {edge.target for edge in self.edges}
        return next(node for node in self.nodes if node.id not in targets)

    def into(self, node_id: str) -> list[Edge]:
        """The edges that lead to a node, in order."""
        return [edge for edge in self.edges if edge.target == node_id]

    def walk(self) -> Iterator[Flow]:
        """This graph and all inside it: bodies, workers and called flows."""
        yield self
        for node in self.nodes:
            match node:
                case Loop(body=inner) | Batch(worker=Flow() as inner) | Call(flow=inner):
                    yield from inner.walk()


def entry_id(node: AnyNode) -> str:
    """The id that a batch's scatter node has; else the node's own."""
    return f"{node.id}_scatter" if isinstance(node, Batch) and node.paired else node.id


def exit_id(node: AnyNode) -> str:
    """The id under which joins show the node, and that of its outcome."""
    return f"{node.id}_gather" if isinstance(node, Batch) and node.paired else node.id


def joins_some(flow: Flow, node: AnyNode) -> bool:
    """Whether a node goes on with some of several edges, whichever come first."""
    return node.join != "all" and len(flow.into(node.id)) > 1


def may_do_nothing(body: Flow) -> bool:
    """Whether there is a way through a body on which no step is: a loop around it might go on for ever.

    What ends loops is that steps give 0 from their third pass on, and one that asks first may be passed without a step.
    """
    through: set[str] = set()
    for node in body.nodes:
        before = {edge.source for edge in body.edges if edge.target == node.id}
        if (
            isinstance(node, Loop)
            and (node.checks_first or may_do_nothing(node.body))
            and (not before or before & through)
        ):
            through.add(node.id)
    return body.nodes[-1].id in through
