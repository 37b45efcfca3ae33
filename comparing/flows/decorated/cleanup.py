"""A failure is made good, and something is tidied up in any case."""

from flowcraft_core import ErrorData, Flow, first_of

tidied: list[str] = []
flow = Flow[str, str]("cleanup")
clerk = flow.value("clerk", str, default="Ada")


@flow.step
def reserve(card: str = flow.input) -> int:
    return 40


@flow.step
def charge(euros: int = reserve.output, card: str = flow.input) -> str:
    if card == "expired":
        raise PermissionError(f"the card is {card}")
    return f"{euros} paid"


@flow.step
def ship(paid: str = charge.output) -> str:
    return f"{paid}, shipped"


@flow.step
def release(euros: int = reserve.output, error: ErrorData = charge.failed.output) -> str:
    return f"{euros} released, {error['message']}"


@flow.step(after=charge.ended)
def tidy(by: str = clerk.value) -> None:
    tidied.append(by)


flow.returns(first_of(ship.output, release.output))
