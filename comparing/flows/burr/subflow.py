"""A flow that calls another one."""

from burr.core import ApplicationBuilder, State, action
from burr.core.application import Application


@action(reads=["net", "rate"], writes=["gross"])
def gross(state: State) -> State:
    net: int = state["net"]
    return state.update(gross=net * (1 + state["rate"]))


def build_tax(net: int) -> Application[State]:
    builder = ApplicationBuilder[State]().with_actions(gross=gross)
    return builder.with_state(net=net, rate=0.25).with_entrypoint("gross").build()


@action(reads=["input"], writes=["net"])
def add(state: State) -> State:
    lines: list[int] = state["input"]
    return state.update(net=sum(lines))


@action(reads=["net"], writes=["whole"])
def total(state: State) -> State:
    _, _, ended = build_tax(state["net"]).run(halt_after=["gross"])
    return state.update(whole=ended["gross"])


@action(reads=["whole"], writes=["output"])
def show(state: State) -> State:
    whole: float = state["whole"]
    return state.update(output=f"{whole:g} to pay")


def build(lines: list[int]) -> Application[State]:
    builder = ApplicationBuilder[State]().with_actions(add=add, total=total, show=show)
    builder = builder.with_transitions(("add", "total"), ("total", "show"))
    return builder.with_state(input=lines).with_entrypoint("add").build()
