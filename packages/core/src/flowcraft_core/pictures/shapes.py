"""What a picture consists of: boxes, some with a picture inside, and lines between them. Nothing of where they are."""

from __future__ import annotations

from typing import Literal, TypeAlias

import attrs

#: What is drawn. A ``verdict`` is what asks at the end of a loop's pass whether there is another one; a ``fallback`` or
#: an ``undo`` is no part of the graph, and stands beside.
BoxKind: TypeAlias = Literal["step", "wait", "sleep", "loop", "batch", "subflow", "verdict", "fallback", "undo"]

#: How a line is drawn. ``flowing`` was taken, and what it leads to has not ended; ``aside`` is no way of the graph's.
Look: TypeAlias = Literal["open", "taken", "flowing", "skipped", "aside"]


@attrs.frozen(kw_only=True)
class Box:
    """A node.

    Attributes:
        name: Names it among the boxes beside it.
        label: What people call it.
        kind: What it is.
        detail: A line below that.
        state: Where it stands, as ``InstanceDescription.state`` says; None in the picture of a flow.
        inside: What is inside of a loop or a called flow.
    """

    name: str
    label: str
    kind: BoxKind
    detail: str
    state: str | None = None
    inside: Picture | None = None


@attrs.frozen(kw_only=True)
class Line:
    """An edge, or another way from a box to one beside it.

    Attributes:
        source: Name of the box that it leads from.
        target: Name of the box that it leads to.
        label: Its action and condition, and how often it was taken, if that is not once.
        look: How it is drawn.
        goes_back: It leads from a loop's pass to the next.
    """

    source: str
    target: str
    label: str
    look: Look = "open"
    goes_back: bool = False


@attrs.frozen(kw_only=True)
class Picture:
    """A flow, a loop's body, a called flow.

    Attributes:
        title: What stands above it.
        boxes: In an order in which each comes after those that lead to it, but for loops.
        lines: Between them.
    """

    title: str
    boxes: tuple[Box, ...]
    lines: tuple[Line, ...]

    @property
    def size(self) -> int:
        """How many boxes there are, those inside others included."""
        return sum(1 + (box.inside.size if box.inside is not None else 0) for box in self.boxes)
