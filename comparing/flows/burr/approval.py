"""A person's answer is waited for, but not for ever; whoever runs it looks at the clock."""

from burr.core import ApplicationBuilder, State, action, default, when
from burr.core.application import Application


@action(reads=["input"], writes=["claim"])
def ask(state: State) -> State:
    return state.update(claim=f"a {state['input']}")


@action(reads=[], writes=["by"])
def answer(state: State, by: str | None) -> State:
    return state.update(by=by)


@action(reads=["claim", "by", "currency"], writes=["output"])
def pay(state: State) -> State:
    claim: str = state["claim"]
    return state.update(output=f"{claim} paid in {state['currency']} by {state['by']}")


@action(reads=["claim"], writes=["output"])
def lapse(state: State) -> State:
    return state.update(output=f"{state['claim']} has lapsed")


def build(claim: str) -> Application[State]:
    builder = ApplicationBuilder[State]().with_actions(ask=ask, answer=answer, pay=pay, lapse=lapse)
    builder = builder.with_transitions(
        ("ask", "answer"), ("answer", "lapse", when(by=None)), ("answer", "pay", default)
    )
    return builder.with_state(input=claim, currency="EUR").with_entrypoint("ask").build()
