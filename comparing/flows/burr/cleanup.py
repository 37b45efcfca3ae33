"""A failure is made good, and something is tidied up in any case."""

from burr.core import ApplicationBuilder, State, action, default, when
from burr.core.application import Application

tidied: list[str] = []


@action(reads=["input"], writes=["euros"])
def reserve(state: State) -> State:
    return state.update(euros=40)


def debit_card(euros: int, card: str) -> str:
    if card == "expired":
        raise PermissionError(f"the card is {card}")
    return f"{euros} paid"


@action(reads=["euros", "input"], writes=["paid", "message"])
def charge(state: State) -> State:
    try:
        return state.update(paid=debit_card(state["euros"], state["input"]), message=None)
    except PermissionError as error:
        return state.update(paid=None, message=str(error))


@action(reads=["paid"], writes=["said"])
def ship(state: State) -> State:
    return state.update(said=f"{state['paid']}, shipped")


@action(reads=["euros", "message"], writes=["said"])
def release(state: State) -> State:
    euros: int = state["euros"]
    return state.update(said=f"{euros} released, {state['message']}")


@action(reads=["said", "clerk"], writes=["output"])
def tidy(state: State) -> State:
    tidied.append(state["clerk"])
    return state.update(output=state["said"])


def build(card: str) -> Application[State]:
    builder = ApplicationBuilder[State]().with_actions(
        reserve=reserve, charge=charge, ship=ship, release=release, tidy=tidy
    )
    builder = builder.with_transitions(
        ("reserve", "charge"),
        ("charge", "ship", when(message=None)),
        ("charge", "release", default),
        (["ship", "release"], "tidy"),
    )
    return builder.with_state(input=card, clerk="Ada").with_entrypoint("reserve").build()
