"""One of two ways, which meet again."""

from burr.core import ApplicationBuilder, State, action, expr
from burr.core.application import Application


@action(reads=["input"], writes=["kilos"])
def weigh(state: State) -> State:
    return state.update(kilos=state["input"])


@action(reads=["kilos"], writes=["way"])
def freight(state: State) -> State:
    kilos: int = state["kilos"]
    return state.update(way=f"{kilos} kg by freight")


@action(reads=["kilos"], writes=["way"])
def post(state: State) -> State:
    kilos: int = state["kilos"]
    return state.update(way=f"{kilos} kg by post")


@action(reads=["way"], writes=["output"])
def label(state: State) -> State:
    return state.update(output=f"{state['way']}!")


def build(kilos: int) -> Application[State]:
    builder = ApplicationBuilder[State]().with_actions(weigh=weigh, freight=freight, post=post, label=label)
    builder = builder.with_transitions(
        ("weigh", "freight", expr("kilos > limit")),
        ("weigh", "post", expr("kilos <= limit")),
        (["freight", "post"], "label"),
    )
    return builder.with_state(input=kilos, limit=30).with_entrypoint("weigh").build()
