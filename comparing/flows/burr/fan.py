"""Three steps side by side, and one that joins them."""

from collections.abc import Generator
from typing import Any

from burr.core import ApplicationBuilder, ApplicationContext, State, action
from burr.core.application import Application
from burr.core.parallelism import MapActions


@action(reads=["input"], writes=["people"])
def people(state: State) -> State:
    return state.update(people=len(state["input"]))


@action(reads=["input"], writes=["places"])
def places(state: State) -> State:
    city: str = state["input"]
    return state.update(places=[f"{city} harbour", f"{city} park"])


@action(reads=["input"], writes=["price"])
def price(state: State) -> State:
    return state.update(price=1.5)


class Fetch(MapActions):
    def actions(self, state: State, context: ApplicationContext, inputs: dict[str, Any]) -> Generator[Any, None, None]:
        yield from (people, places, price)

    def reduce(self, state: State, states: Any) -> State:
        for each in states:
            state = state.update(**{name: each[name] for name in self.writes if name in each})
        return state

    @property
    def reads(self) -> list[str]:
        return ["input"]

    @property
    def writes(self) -> list[str]:
        return ["people", "places", "price"]


@action(reads=["people", "places", "price", "factor"], writes=["output"])
def total(state: State) -> State:
    where: list[str] = state["places"]
    return state.update(output=int((state["people"] + len(where)) * state["price"] * state["factor"]))


def build(city: str) -> Application[State]:
    builder = ApplicationBuilder[State]().with_actions(fetch=Fetch(), total=total)
    builder = builder.with_transitions(("fetch", "total"))
    return builder.with_state(input=city, factor=2).with_entrypoint("fetch").build()
