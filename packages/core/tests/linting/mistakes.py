"""Mistakes, each with the rule that is to find it, and where."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs
from flowcraft_core import RetryPolicy, create_flow

from .planting import Place, blind, chosen, page, sets, step


@attrs.frozen
class Mistake:
    """What is planted.

    Attributes:
        make: Plants it.
        codes: The rules of which one is to find it, and nothing else anything; deep inside of loops it may look
            otherwise than at the top.
        node: The node at which it is told; that before the place, if it is ``BEFORE``.
        also: What may be told besides, since it follows from it in some hosts.
    """

    make: Callable[[Place], object]
    codes: frozenset[str]
    node: str
    also: frozenset[str] = frozenset()


BEFORE = "(before)"
MISTAKES: dict[str, Mistake] = {}


def found_as(*codes: str, at: str, also: str | None = None) -> Callable[[Callable[[Place], object]], Any]:
    """Plant what a function does."""

    def keep(make: Callable[[Place], object]) -> Any:
        MISTAKES[make.__name__] = Mistake(
            make, frozenset(codes), at, frozenset() if also is None else frozenset({also})
        )
        return make

    return keep


@found_as("FC501", at="p")
def missing_step(place: Place) -> None:
    place.flow.node("p", "nobodys")
    place.lead("p")


@found_as("FC102", at="p")
def unknown_end(place: Place) -> None:
    place.flow.node("p", step).edge("p", "nowhere")
    place.lead("p")


@found_as("FC102", at="nowhere")
def unknown_source(place: Place) -> None:
    place.flow.node("p", step).edge("nowhere", "p")
    place.lead("p")


@found_as("FC121", at="p", also="FC235")
def orphan(place: Place) -> None:
    place.flow.node("p", step)


@found_as("FC122", at="p")
def unreachable(place: Place) -> None:
    place.flow.node("p", step).edge(place.at, "p", condition="1 > 2").edge("p", place.to)


@found_as("FC104", at="q")
def cycle(place: Place) -> None:
    place.flow.node("p", step).node("q", step).edge(place.at, "p").edge("p", "q").edge("q", "p").edge("q", place.to)


@found_as("FC204", at=BEFORE)
def second_entry(place: Place) -> None:
    place.flow.node("p", step).node("q", step).edge(place.at, "p").edge("p", "q").loop(
        "l", start="p", end="q", condition="input.x < 3"
    ).edge("l", place.to).edge(place.at, "q")


@found_as("FC205", "FC204", at="p")
def second_exit(place: Place) -> None:
    place.flow.node("p", step).node("q", step).edge(place.at, "p").edge("p", "q").loop(
        "l", start="p", end="q", condition="input.x < 3"
    ).edge("l", place.to).edge("p", place.to)


@found_as("FC502", at="nobody")
def unknown_fallback(place: Place) -> None:
    place.flow.node("p", step, fallback="nobody")
    place.lead("p")


@found_as("FC008", at="p")
def unknown_subflow(place: Place) -> None:
    place.flow.subflow("p", "nowhere")
    place.lead("p")


@found_as("FC008", at="p")
def unknown_subflow_of_batch(place: Place) -> None:
    place.flow._add("p", "batch", {"workerBlueprintId": "nowhere"}, None, None)
    place.lead("p")


@found_as("FC503", at="nobody")
def unknown_worker(place: Place) -> None:
    place.flow.batch("p", "nobody")
    place.lead("p")


@found_as("FC401", at=BEFORE)
def bad_condition(place: Place) -> None:
    place.flow.node("p", step).edge(place.at, "p", condition="1 +").edge("p", place.to)


@found_as("FC401", at=BEFORE)
def bad_transform(place: Place) -> None:
    place.flow.node("p", step).edge(place.at, "p", transform="len(x)").edge("p", place.to)


@found_as("FC401", at="l")
def bad_loop_condition(place: Place) -> None:
    place.flow.node("p", step).edge(place.at, "p").loop("l", start="p", end="p", condition="input <").edge(
        "l", place.to
    )


@found_as("FC402", at="p")
def name_in_condition(place: Place) -> None:
    place.flow.node("p", sets).node("q", step).edge(place.at, "p").edge("p", "q", condition="atempts < 3").edge(
        "q", place.to
    )


@found_as("FC402", at="p")
def name_in_transform(place: Place) -> None:
    place.flow.node("p", sets).node("q", step).edge(place.at, "p").edge("p", "q", transform="context.attemps").edge(
        "q", place.to
    )


@found_as("FC402", at="l")
def name_in_loop_condition(place: Place) -> None:
    place.flow.node("p", sets).edge(place.at, "p").loop("l", start="p", end="p", condition="atempts < 3").edge(
        "l", place.to
    )


@found_as("FC402", at="l")
def context_name_in_loop_condition(place: Place) -> None:
    place.flow.node("p", sets).edge(place.at, "p").loop("l", start="p", end="p", condition="context.atempts < 3").edge(
        "l", place.to
    )


@found_as("FC402", at="l")
def unlike_name_in_loop_condition(place: Place) -> None:
    place.flow.node("p", step).edge(place.at, "p").loop("l", start="p", end="p", condition="tries < 3").edge(
        "l", place.to
    )


@found_as("FC402", at="l")
def member_in_loop_condition(place: Place) -> None:
    place.flow.node("p", step).edge(place.at, "p").loop("l", start="p", end="p", condition="result.otput < 3").edge(
        "l", place.to
    )


@found_as("FC402", at="l")
def input_in_loop_condition(place: Place) -> None:
    place.flow.node("p", step).edge(place.at, "p").loop("l", start="p", end="p", condition="inptu < 3").edge(
        "l", place.to
    )


@found_as("FC402", at="l")
def result_in_loop_condition(place: Place) -> None:
    place.flow.node("p", step).edge(place.at, "p").loop("l", start="p", end="p", condition="reslt.output < 3").edge(
        "l", place.to
    )


@found_as("FC402", at="l")
def typed_in_loop_condition(place: Place) -> None:
    place.flow.node("p", page).edge(place.at, "p").loop(
        "l", start="p", end="p", condition="result.output.scroe < 3"
    ).edge("l", place.to)


@found_as("FC402", at="l")
def typed_input_in_loop_condition(place: Place) -> None:
    place.flow.node("p", page).edge(place.at, "p").loop("l", start="p", end="p", condition="input.scroe < 3").edge(
        "l", place.to
    )


@found_as("FC402", at="l")
def typed_node_in_loop_condition(place: Place) -> None:
    place.flow.node("p", page).edge(place.at, "p").loop("l", start="p", end="p", condition="p.scroe < 3").edge(
        "l", place.to
    )


@found_as("FC402", at="p")
def typed_in_condition(place: Place) -> None:
    place.flow.node("p", page).node("q", step).edge(place.at, "p").edge(
        "p", "q", condition="result.output.scroe < 3"
    ).edge("q", place.to)


@found_as("FC402", at="p")
def typed_input_in_transform(place: Place) -> None:
    place.flow.node("p", page).node("q", step).edge(place.at, "p").edge("p", "q", transform="input.scroe").edge(
        "q", place.to
    )


@found_as("FC402", at="p")
def typed_node_in_condition(place: Place) -> None:
    place.flow.node("p", page).node("q", step).edge(place.at, "p").edge("p", "q", condition="p.scroe < 3").edge(
        "q", place.to
    )


@found_as("FC402", at="p")
def error_member(place: Place) -> None:
    place.flow.node("p", step).node("q", blind).edge(place.at, "p").edge("p", place.to).edge(
        "p", "q", on="failure", condition="error.tpe == 'x'"
    ).edge("q", place.to)


@found_as("FC402", at="p")
def error_off_failure(place: Place) -> None:
    place.flow.node("p", step).node("q", step).edge(place.at, "p").edge("p", "q", condition="error.type == 'x'").edge(
        "q", place.to
    )


@found_as("FC402", at="p")
def resutl(place: Place) -> None:
    place.flow.node("p", step).node("q", step).edge(place.at, "p").edge("p", "q", condition="resutl.output > 3").edge(
        "q", place.to
    )


@found_as("FC126", at="p")
def action_never_given(place: Place) -> None:
    place.flow.node("p", chosen).node("q", step).node("r", step).edge(place.at, "p").edge("p", "q", action="oen").edge(
        "p", "r"
    ).edge("q", place.to).edge("r", place.to)


@found_as("FC127", at="p")
def action_lost(place: Place) -> None:
    place.flow.node("p", chosen).node("q", step).edge(place.at, "p").edge("p", "q", action="one")
    place.flow.edge("q", place.to)


@found_as("FC126", at="p", also="FC234")
def timeout_of_wait_without(place: Place) -> None:
    place.flow.wait("p").node("q", step).node("r", step).edge(place.at, "p").edge("p", "q", action="timeout").edge(
        "p", "r"
    ).edge("q", place.to).edge("r", place.to)


@found_as("FC127", at="p")
def timeout_lost(place: Place) -> None:
    place.flow.wait("p", timeout="1d").node("q", step).edge(place.at, "p").edge("p", "q", action="yes").edge(
        "q", place.to
    )


@found_as("FC414", at="p")
def inputs_misspelt(place: Place) -> None:
    place.flow.node("fetch", step).node("p", step, inputs="fetsh")
    place.lead("fetch", "p")


@found_as("FC414", at="p")
def inputs_dict_misspelt(place: Place) -> None:
    place.flow.node("fetch", step).node("p", step, inputs={"x": "fetsh.body"})
    place.lead("fetch", "p")


@found_as("FC414", at="p")
def inputs_path_misspelt(place: Place) -> None:
    place.flow.node("fetch", page).node("p", step, inputs="fetch.scroe")
    place.lead("fetch", "p")


@found_as("FC414", at="p")
def items_misspelt(place: Place) -> None:
    place.flow.node("fetch", step).batch("p", step, items="fetsh")
    place.lead("fetch", "p")


@found_as("FC414", at="p")
def subflow_inputs_misspelt(place: Place) -> None:
    place.flow.node("fetch", step).subflow("p", create_flow("in1").node("i", step), inputs={"x": "fetsh"})
    place.lead("fetch", "p")


@found_as("FC414", at="p")
def subflow_outputs_misspelt(place: Place) -> None:
    place.flow.subflow("p", create_flow("in2").node("total", step), outputs={"x": "totla"})
    place.lead("p")


@found_as("FC402", at="p")
def limit_key_misspelt(place: Place) -> None:
    place.flow.node("s", sets).node("p", step, limit="api:{context.atempts}")
    place.lead("s", "p")


@found_as("FC101", at="p")
def duplicate(place: Place) -> None:
    place.flow.node("p", step).node("p", step)
    place.lead("p")


@found_as("FC128", at="p", also="FC124")
def edge_twice(place: Place) -> None:
    place.flow.node("p", step).node("q", step).edge("p", "q").edge("p", "q").edge("q", place.to)
    place.flow.edge(place.at, "p")


@found_as("FC123", at="j")
def join_never(place: Place) -> None:
    place.flow.node("p", chosen).node("q", step).node("r", step).node("j", blind, join=2).edge(place.at, "p").edge(
        "p", "q", action="one"
    ).edge("p", "r", action="other").edge("q", "j").edge("r", "j").edge("j", place.to)


@found_as("FC122", at="j")
def any_join_never(place: Place) -> None:
    place.flow.node("q", step).node("r", step).node("j", step, join="any").edge(place.at, "q").edge(place.at, "r").edge(
        "q", "j", condition="false"
    ).edge("r", "j", condition="1 > 2").edge("j", place.to)


@found_as("FC105", at="j")
def too_many(place: Place) -> None:
    place.flow.node("q", step).node("r", step).node("j", blind, join=3).edge(place.at, "q").edge(place.at, "r").edge(
        "q", "j"
    ).edge("r", "j").edge("j", place.to)


@found_as("FC234", at="p")
def endless_wait(place: Place) -> None:
    place.flow.batch("p", create_flow("in3").wait("w"))
    place.lead("p")


@found_as("FC124", at="j")
def dict_input(place: Place) -> None:
    place.flow.node("q", step).node("r", step).node("j", step).edge(place.at, "q").edge(place.at, "r").edge(
        "q", "j"
    ).edge("r", "j").edge("j", place.to)


@found_as("FC103", at="p")
def action_on_failure(place: Place) -> None:
    place.flow.node("p", step).node("q", blind).edge(place.at, "p").edge("p", place.to).edge(
        "p", "q", on="failure", action="x"
    ).edge("q", place.to)


@found_as("FC125", at="j")
def failure_missed(place: Place) -> None:
    place.flow.node("q", step).node("r", step).node("h", blind).node("j", blind).edge(place.at, "q").edge(
        place.at, "r"
    ).edge("q", "j").edge("r", "j").edge("q", "h", on="failure").edge("j", place.to).edge("h", place.to)


@found_as("FC206", at="p")
def loop_failure_edge(place: Place) -> None:
    place.flow.node("p", step).node("q", step).node("m", blind).edge(place.at, "p").edge("p", "q").loop(
        "l", start="p", end="q", condition="input.x < 3"
    ).edge("l", place.to).edge("p", "m", on="failure")


@found_as("FC311", at="p")
def undo_wait(place: Place) -> None:
    place.flow.node("p", step, undo="w").wait("w")
    place.lead("p")


@found_as("FC315", at="u")
def undo_edge(place: Place) -> None:
    place.flow.node("p", step, undo="u").node("u", step).edge("u", place.to)
    place.lead("p")


@found_as("FC501", at="nobody")
def unknown_undo(place: Place) -> None:
    place.flow.node("p", step, undo="nobody")
    place.lead("p")


@found_as("FC501", at="p")
def unknown_retry_if(place: Place) -> None:
    place.flow.node("p", step, retries=RetryPolicy(retry_if="nobody"))
    place.lead("p")


@found_as("FC501", at="p")
def unknown_reduce(place: Place) -> None:
    place.flow.batch("p", step, reduce="nobody")
    place.lead("p")


@found_as("FC501", at="p", also="FC234")
def unknown_remind(place: Place) -> None:
    place.flow.wait("p", remind="nobody", remind_after="1d")
    place.lead("p")


@found_as("FC301", at="p")
def fallback_wait(place: Place) -> None:
    place.flow.node("p", step, fallback="w").wait("w")
    place.lead("p")


@found_as("FC305", at=BEFORE)
def edge_to_fallback(place: Place) -> None:
    place.flow.node("p", step, fallback="b").node("b", step).edge(place.at, "b")
    place.lead("p")


@found_as("FC413", at="r")
def too_early(place: Place) -> None:
    place.flow.node("q", step).node("r", step, inputs="q").edge(place.at, "q").edge(place.at, "r").edge(
        "q", place.to
    ).edge("r", place.to)


@found_as("FC235", at="p")
def several_ends(place: Place) -> None:
    place.flow.subflow(
        "p", create_flow("in4").node("a", step).node("b", step).node("c", step).edge("a", "b").edge("a", "c")
    )
    place.lead("p")


@found_as("FC202", at="l")
def loop_without_body(place: Place) -> None:
    place.flow.loop("l", start="l", end="l", condition="input.x < 3").edge(place.at, "l").edge("l", place.to)


@found_as("FC107", at="p")
def bad_queue(place: Place) -> None:
    place.flow.node("p", step, queue="big machines")
    place.lead("p")


@found_as("FC109", at="p")
def bad_limit(place: Place) -> None:
    place.flow.node("p", step, limit="api:")
    place.lead("p")


@found_as("FC110", at="")
def no_id(place: Place) -> None:
    place.flow.node("", step)
    place.lead("")


@found_as("FC110", at="p" * 501)
def long_id(place: Place) -> None:
    place.flow.node("p" * 501, step)
    place.lead("p" * 501)


@found_as("FC108", at="p")
def bad_retries(place: Place) -> None:
    place.flow.node("p", step, retries=-1)
    place.lead("p")
