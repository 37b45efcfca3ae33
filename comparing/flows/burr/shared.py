"""A context value that one step sets, and a later one reads."""

from burr.core import ApplicationBuilder, State, action
from burr.core.application import Application


@action(reads=["input"], writes=["before", "total"])
def add(state: State) -> State:
    prices: list[int] = state["input"]
    return state.update(before=sum(prices), total=sum(prices))


@action(reads=["total"], writes=["total"])
def discount(state: State) -> State:
    return state.update(total=state["total"] - state["total"] // 10)


@action(reads=["total", "before"], writes=["output"])
def report(state: State) -> State:
    total: int = state["total"]
    return state.update(output=f"{total} instead of {state['before']}")


def build(prices: list[int]) -> Application[State]:
    builder = ApplicationBuilder[State]().with_actions(add=add, discount=discount, report=report)
    builder = builder.with_transitions(("add", "discount"), ("discount", "report"))
    return builder.with_state(input=prices).with_entrypoint("add").build()
