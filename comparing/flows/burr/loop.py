"""A text that is improved until it is good."""

from typing import TypedDict

from burr.core import ApplicationBuilder, State, action, default, expr
from burr.core.application import Application


class Draft(TypedDict):
    text: str
    score: int


@action(reads=["input"], writes=["draft", "score"])
def begin(state: State) -> State:
    return state.update(draft=Draft(text=state["input"], score=40), score=40)


@action(reads=["draft"], writes=["draft"])
def improve(state: State) -> State:
    draft: Draft = state["draft"]
    return state.update(draft=Draft(text=draft["text"] + "!", score=draft["score"]))


@action(reads=["draft"], writes=["draft", "score"])
def review(state: State) -> State:
    draft: Draft = state["draft"]
    score = draft["score"] + 30
    return state.update(draft=Draft(text=draft["text"], score=score), score=score)


@action(reads=["draft"], writes=["output"])
def publish(state: State) -> State:
    text: str = state["draft"]["text"]
    return state.update(output=f"{text} It is out.")


def build(title: str) -> Application[State]:
    builder = ApplicationBuilder[State]().with_actions(begin=begin, improve=improve, review=review, publish=publish)
    builder = builder.with_transitions(
        ("begin", "improve"),
        ("improve", "review"),
        ("review", "improve", expr("score < goal")),
        ("review", "publish", default),
    )
    return builder.with_state(input=title, goal=80).with_entrypoint("begin").build()
