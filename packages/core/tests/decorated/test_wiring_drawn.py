"""Which steps of a flow run, and with what: drawn flows, held to the rules as a person would apply them."""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest
from flowcraft_core import Flow, FlowRuntime
from hypothesis import given, settings
from hypothesis import strategies as st


class Look(NamedTuple):
    """A condition: each of some steps, or the flow's input, gave more than so much."""

    steps: tuple[int, ...]
    bound: int
    is_unless: bool


class Drawn(NamedTuple):
    """A step: what it gives, what it needs, comes after, and looks at."""

    gives: int
    needs: tuple[int, ...]
    maybes: tuple[int, ...]
    after: tuple[int, ...]
    look: Look | None


@st.composite
def flows(draw: st.DrawFn, most: int = 9) -> list[Drawn]:
    drawn: list[Drawn] = []
    for place in range(draw(st.integers(1, most))):
        some = st.lists(st.integers(0, place - 1), unique=True, max_size=2).map(tuple) if place else st.just(())
        needs, maybes, after, looked_at = draw(some), draw(some), draw(some), draw(some)
        look = Look(looked_at, draw(st.integers(0, 3)), draw(st.booleans())) if draw(st.booleans()) else None
        maybes = tuple(one for one in maybes if one not in needs)
        drawn.append(Drawn(draw(st.integers(0, 3)), needs, maybes, after, look))
    return drawn


def holds(look: Look, ran: dict[int, Any], flow: list[Drawn], given: int) -> bool:
    if any(step not in ran for step in look.steps):
        return False
    more = all((flow[step].gives if step >= 0 else given) > look.bound for step in look.steps or (-1,))
    return more is not look.is_unless


def expected(flow: list[Drawn], given: int) -> dict[int, Any]:
    """What each step that runs is given."""
    ran: dict[int, Any] = {}
    for place, step in enumerate(flow):
        required = {*step.needs, *step.after}
        if not all(one in ran for one in required) or (
            step.look is not None and not holds(step.look, ran, flow, given)
        ):
            continue
        only_optional = step.maybes and not required and not (step.look is not None and step.look.steps)
        if only_optional and not any(one in ran for one in step.maybes):
            continue
        ran[place] = {
            **{f"n{one}": flow[one].gives for one in step.needs},
            **{f"m{one}": flow[one].gives if one in ran else None for one in step.maybes},
        }
    return ran


def build(drawn: list[Drawn]) -> Flow[int, Any]:
    flow = Flow[int, Any]("drawn")
    nodes: list[Any] = []
    for place, step in enumerate(drawn):
        parameters = [
            *(f"n{one}=nodes[{one}].output['n']" for one in step.needs),
            *(f"m{one}=nodes[{one}].maybe" for one in step.maybes),
        ]
        names = [*(f"n{one}" for one in step.needs), *(f"m{one}" for one in step.maybes)]
        got = ", ".join(f"{name!r}: {name}" for name in names)
        scope: dict[str, Any] = {"nodes": nodes}
        source = f"async def s{place}({', '.join(parameters)}): return {{'n': {step.gives}, 'got': {{{got}}}}}"
        exec(source, scope)
        options: dict[str, Any] = {"after": [nodes[one] for one in step.after]}
        if step.look is not None:
            condition: Any = flow.input > step.look.bound if not step.look.steps else None
            for one in step.look.steps:
                more = nodes[one].output["n"] > step.look.bound
                condition = more if condition is None else condition & more
            options["unless" if step.look.is_unless else "when"] = condition
        nodes.append(flow.step(**options)(scope[f"s{place}"]))
    return flow


def simplified(got: dict[str, Any]) -> dict[str, Any]:
    return {name: value["n"] if isinstance(value, dict) else value for name, value in got.items()}


@settings(max_examples=200, deadline=None)
@given(flows(), st.integers(0, 3))
def test_a_step_runs_exactly_if_what_it_needs_ran_and_its_condition_holds(drawn: list[Drawn], given: int) -> None:
    flow = build(drawn)
    result = FlowRuntime([flow]).run_sync(flow, given).raise_for_status()
    ran = {
        int(name[1:]): simplified(output["got"])
        for name, output in result.outputs.items()
        if name[0] == "s" and name[1:].isdigit()
    }
    assert ran == expected(drawn, given)


@pytest.mark.parametrize("way", ["chain", "diamond"])
def test_what_needs_no_gate_gets_none(way: str) -> None:
    one = Drawn(1, (), (), (), None)
    flow = [one, Drawn(1, (0,), (), (), None), Drawn(1, (0,), (), (), None), Drawn(1, (1, 2, 0), (), (), None)]
    blueprint = build(flow[:2] if way == "chain" else flow).to_blueprint()
    assert [node.id for node in blueprint.nodes] == [f"s{place}" for place in range(2 if way == "chain" else 4)]
    assert len(blueprint.edges) == (1 if way == "chain" else 4)
