"""Which steps of a flow run, and with what: drawn flows, held to the rules as a person would apply them."""

from __future__ import annotations

import logging
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
    """A step: what it gives, what it needs, comes after, and looks at; of failures, too, and whether it fails."""

    gives: int
    needs: tuple[int, ...]
    maybes: tuple[int, ...]
    after: tuple[int, ...]
    look: Look | None
    errors: tuple[int, ...] = ()
    maybe_errors: tuple[int, ...] = ()
    ended: tuple[int, ...] = ()
    fails: bool = False


@st.composite
def flows(draw: st.DrawFn, most: int = 9, *, failing: bool = False) -> list[Drawn]:
    drawn: list[Drawn] = []
    for place in range(draw(st.integers(1, most))):
        some = st.lists(st.integers(0, place - 1), unique=True, max_size=2).map(tuple) if place else st.just(())
        needs, maybes, after, looked_at = draw(some), draw(some), draw(some), draw(some)
        look = Look(looked_at, draw(st.integers(0, 3)), draw(st.booleans())) if draw(st.booleans()) else None
        maybes = tuple(one for one in maybes if one not in needs)
        step = Drawn(draw(st.integers(0, 3)), needs, maybes, after, look)
        if failing:
            rare = some if draw(st.booleans()) else st.just(())
            step = step._replace(
                errors=draw(rare), maybe_errors=draw(rare), ended=draw(rare), fails=draw(st.booleans())
            )
        drawn.append(step)
    return drawn


def holds(look: Look, ran: dict[int, Any], flow: list[Drawn], given: int) -> bool:
    if any(step not in ran for step in look.steps):
        return False
    more = all((flow[step].gives if step >= 0 else given) > look.bound for step in look.steps or (-1,))
    return more is not look.is_unless


def expected(flow: list[Drawn], given: int) -> dict[int, Any] | None:
    """What each step that completes is given; None if the flow fails."""
    ran: dict[int, Any] = {}
    failed: set[int] = set()
    handled = {one for step in flow for one in (*step.errors, *step.maybe_errors, *step.ended)}
    for place, step in enumerate(flow):
        required = {*step.needs, *step.after}
        if not all(one in ran for one in required) or (
            step.look is not None and not holds(step.look, ran, flow, given)
        ):
            continue
        if not failed.issuperset(step.errors) or any(one not in ran and one not in failed for one in step.ended):
            continue
        is_led_to = required or step.errors or step.ended or (step.look is not None and step.look.steps)
        optional = [one in ran for one in step.maybes] + [one in failed for one in step.maybe_errors]
        if optional and not is_led_to and not any(optional):
            continue
        if step.fails:
            failed.add(place)
            continue
        ran[place] = {
            **{f"n{one}": flow[one].gives for one in step.needs},
            **{f"m{one}": flow[one].gives if one in ran else None for one in step.maybes},
            **{f"e{one}": f"s{one}" for one in step.errors},
            **{f"f{one}": f"s{one}" if one in failed else None for one in step.maybe_errors},
        }
    return ran if failed <= handled else None


def build(drawn: list[Drawn]) -> Flow[int, Any]:
    flow = Flow[int, Any]("drawn")
    nodes: list[Any] = []
    for place, step in enumerate(drawn):
        parameters = [
            *(f"n{one}=nodes[{one}].output['n']" for one in step.needs),
            *(f"m{one}=nodes[{one}].maybe" for one in step.maybes),
            *(f"e{one}=nodes[{one}].failed.output['node']" for one in step.errors),
            *(f"f{one}=nodes[{one}].failed.maybe" for one in step.maybe_errors),
        ]
        names = [parameter.partition("=")[0] for parameter in parameters]
        got = ", ".join(f"{name!r}: {name}" for name in names)
        scope: dict[str, Any] = {"nodes": nodes}
        result = "1 / 0" if step.fails else f"{{'n': {step.gives}, 'got': {{{got}}}}}"
        source = f"async def s{place}({', '.join(parameters)}): return {result}"
        exec(source, scope)
        options: dict[str, Any] = {
            "after": [*(nodes[one] for one in step.after), *(nodes[one].ended for one in step.ended)]
        }
        if step.look is not None:
            condition: Any = flow.input > step.look.bound if not step.look.steps else None
            for one in step.look.steps:
                more = nodes[one].output["n"] > step.look.bound
                condition = more if condition is None else condition & more
            options["unless" if step.look.is_unless else "when"] = condition
        nodes.append(flow.step(**options)(scope[f"s{place}"]))
    return flow


def simplified(got: dict[str, Any]) -> dict[str, Any]:
    return {
        name: value.get("n", value.get("node")) if isinstance(value, dict) else value for name, value in got.items()
    }


def completed(outputs: dict[str, Any]) -> dict[int, Any]:
    """What each step of a run that has completed was given."""
    return {
        int(name[1:]): simplified(output["got"])
        for name, output in outputs.items()
        if name[0] == "s" and name[1:].isdigit()
    }


@settings(max_examples=200, deadline=None)
@given(flows(), st.integers(0, 3))
def test_a_step_runs_exactly_if_what_it_needs_ran_and_its_condition_holds(drawn: list[Drawn], given: int) -> None:
    flow = build(drawn)
    result = FlowRuntime([flow]).run_sync(flow, given).raise_for_status()
    assert completed(result.outputs) == expected(drawn, given)


@settings(max_examples=200, deadline=None)
@given(flows(failing=True), st.integers(0, 3))
def test_so_it_is_where_some_fail_and_others_need_that_they_did(drawn: list[Drawn], given: int) -> None:
    flow, wanted = build(drawn), expected(drawn, given)
    logging.disable()  # of each failure its traceback
    try:
        result = FlowRuntime([flow]).run_sync(flow, given)
    finally:
        logging.disable(logging.NOTSET)
    if wanted is None:
        assert result.status == "failed"
    else:
        assert (result.status, completed(result.outputs)) == ("completed", wanted)


@pytest.mark.parametrize("way", ["chain", "diamond"])
def test_what_needs_no_gate_gets_none(way: str) -> None:
    one = Drawn(1, (), (), (), None)
    flow = [one, Drawn(1, (0,), (), (), None), Drawn(1, (0,), (), (), None), Drawn(1, (1, 2, 0), (), (), None)]
    blueprint = build(flow[:2] if way == "chain" else flow).to_blueprint()
    assert [node.id for node in blueprint.nodes] == [f"s{place}" for place in range(2 if way == "chain" else 4)]
    assert len(blueprint.edges) == (1 if way == "chain" else 4)
