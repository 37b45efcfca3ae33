"""Each item of a list, two at a time."""

from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from burr.core import ApplicationBuilder, ApplicationContext, State, action
from burr.core.application import Application
from burr.core.parallelism import MapStates


@action(reads=["text"], writes=["number"])
def parse(state: State) -> State:
    return state.update(number=int(state["text"]))


class ParseAll(MapStates):
    def states(self, state: State, context: ApplicationContext, inputs: dict[str, Any]) -> Generator[State, None, None]:
        for text in state["input"]:
            yield state.update(text=text)

    def action(self, state: State, inputs: dict[str, Any]) -> Any:
        return parse

    def reduce(self, state: State, states: Any) -> State:
        return state.update(numbers=[each["number"] for each in states])

    @property
    def reads(self) -> list[str]:
        return ["input"]

    @property
    def writes(self) -> list[str]:
        return ["numbers"]


@action(reads=["numbers", "scale"], writes=["output"])
def add(state: State) -> State:
    numbers: list[int] = state["numbers"]
    return state.update(output=sum(numbers) * state["scale"])


def build(texts: list[str]) -> Application[State]:
    builder = ApplicationBuilder[State]().with_actions(parse_all=ParseAll(), add=add)
    builder = builder.with_transitions(("parse_all", "add"))
    builder = builder.with_parallel_executor(lambda: ThreadPoolExecutor(max_workers=2))
    return builder.with_state(input=texts, scale=10).with_entrypoint("parse_all").build()
