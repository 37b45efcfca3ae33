"""Steps one after the other."""

from burr.core import ApplicationBuilder, State, action
from burr.core.application import Application


@action(reads=["input"], writes=["words"])
def split(state: State) -> State:
    text: str = state["input"]
    return state.update(words=text.split())


@action(reads=["words"], writes=["number"])
def count(state: State) -> State:
    words: list[str] = state["words"]
    return state.update(number=len(words))


@action(reads=["number", "unit"], writes=["output"])
def report(state: State) -> State:
    number: int = state["number"]
    return state.update(output=f"{number} {state['unit']}")


def build(text: str) -> Application[State]:
    builder = ApplicationBuilder[State]().with_actions(split=split, count=count, report=report)
    builder = builder.with_transitions(("split", "count"), ("count", "report"))
    return builder.with_state(input=text, unit="words").with_entrypoint("split").build()
