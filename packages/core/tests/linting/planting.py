"""Flows in which a mistake is planted: in one place of a flow, however deep that lies."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any, TypedDict

import attrs
from flowcraft_core import NodeResult, create_flow
from flowcraft_core.builder import FlowBuilder


def step(ctx: Any) -> Any:
    return ctx.input


def blind(ctx: Any) -> Any:
    return {"what": "ever"}


def chosen(ctx: Any) -> Any:
    return NodeResult(ctx.input, action="one" if ctx.input else "other")


def sets(ctx: Any) -> Any:
    ctx.context.set("attempts", 3)
    return ctx.input


class Page(TypedDict):
    score: int
    lines: list[str]


def page(ctx: Any) -> Page:
    return {"score": 3, "lines": []}


@attrs.frozen
class Place:
    """Where something is planted: between two nodes of a flow.

    Attributes:
        flow: The flow.
        at: The node before it.
        to: The node behind it, which may be led to from several.
    """

    flow: FlowBuilder
    at: str
    to: str

    def lead(self, *nodes: str) -> None:
        """Lead through some nodes."""
        chain = [self.at, *nodes, self.to]
        for source, target in itertools.pairwise(chain):
            self.flow.edge(source, target)


#: Builds what is planted.
Make = Callable[[Place], object]
#: Builds something around a place, in which the rest is built; its number makes ids that no other has.
Around = Callable[[Place, int, Make], None]


def in_a_loop(place: Place, number: int, make: Make) -> None:
    first, last, flow = f"begin{number}", f"end{number}", place.flow
    flow.node(first, step).node(last, blind).edge(place.at, first).edge(first, last)
    make(Place(flow, first, last))
    flow.loop(f"again{number}", start=first, end=last, condition="input.what == 'more'")
    flow.edge(f"again{number}", place.to)


def behind_a_failure(place: Place, number: int, make: Make) -> None:
    fails, first, last, flow = f"fails{number}", f"mend{number}", f"mended{number}", place.flow
    flow.node(fails, step).node(first, step).node(last, blind).edge(place.at, fails).edge(fails, place.to)
    flow.edge(fails, first, on="failure").edge(first, last).edge(last, place.to)
    make(Place(flow, first, last))


def behind_a_race(place: Place, number: int, make: Make) -> None:
    one, other, first, last, flow = f"one{number}", f"other{number}", f"won{number}", f"on{number}", place.flow
    flow.node(one, step).node(other, step).node(first, step, join="any").node(last, blind)
    flow.edge(place.at, one).edge(place.at, other).edge(one, first).edge(other, first)
    flow.edge(first, last).edge(last, place.to)
    make(Place(flow, first, last))


def in_a_branch(place: Place, number: int, make: Make) -> None:
    choice, first, last, flow = f"choice{number}", f"chosen{number}", f"taken{number}", place.flow
    flow.node(choice, chosen).node(first, step).node(last, blind).edge(place.at, choice)
    flow.edge(choice, first, action="one").edge(first, last).edge(last, place.to).edge(choice, place.to, action="other")
    make(Place(flow, first, last))


def in_a_subflow(place: Place, number: int, make: Make) -> None:
    place.flow.subflow(f"call{number}", hosting(f"inner{number}", make))
    place.lead(f"call{number}")


def in_a_batch(place: Place, number: int, make: Make) -> None:
    place.flow.batch(f"each{number}", hosting(f"item{number}", make))
    place.lead(f"each{number}")


def hosting(flow_id: str, make: Make) -> FlowBuilder:
    """A flow with a place at its top level."""
    flow = create_flow(flow_id).node("first", step).node("last", blind).edge("first", "last")
    make(Place(flow, "first", "last"))
    return flow


AROUND: Sequence[Around] = (
    in_a_loop,
    behind_a_failure,
    behind_a_race,
    in_a_branch,
    in_a_subflow,
    in_a_batch,
)


def host(around: Sequence[Around], make: Make) -> FlowBuilder:
    """A flow with something planted inside of what is around it, the outermost first."""

    def within(number: int) -> Make:
        if number == len(around):
            return make
        return lambda place: around[number](place, number, within(number + 1))

    return hosting("host", within(0))


def flow_of(around: Sequence[Around]) -> str:
    """The id of the flow in which it is planted."""
    for number, each in reversed(list(enumerate(around))):
        if each in (in_a_subflow, in_a_batch):
            return f"{'inner' if each is in_a_subflow else 'item'}{number}"
    return "host"
