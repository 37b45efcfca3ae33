"""A service that fails is asked again, and then something stands in."""

from burr.core import ApplicationBuilder, State, action, default, when
from burr.core.application import Application


@action(reads=["input"], writes=["question"])
def trim(state: State) -> State:
    question: str = state["input"]
    return state.update(question=question.strip("?"))


def service(question: str) -> str:
    if question == "when":
        return f"{question} now"
    raise ConnectionError(question)


@action(reads=["question"], writes=["answer"])
def ask(state: State) -> State:
    for _ in range(3):
        try:
            return state.update(answer=service(state["question"]))
        except ConnectionError:
            continue
    return state.update(answer=None)


@action(reads=["question", "source"], writes=["answer"])
def cached(state: State) -> State:
    return state.update(answer=f"{state['question']} from the {state['source']}")


@action(reads=["answer"], writes=["output"])
def show(state: State) -> State:
    answer: str = state["answer"]
    return state.update(output=f"{answer}.")


def build(question: str) -> Application[State]:
    builder = ApplicationBuilder[State]().with_actions(trim=trim, ask=ask, cached=cached, show=show)
    builder = builder.with_transitions(
        ("trim", "ask"), ("ask", "cached", when(answer=None)), ("ask", "show", default), ("cached", "show")
    )
    return builder.with_state(input=question, source="cache").with_entrypoint("trim").build()
