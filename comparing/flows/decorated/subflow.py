"""A flow that calls another one."""

from flowcraft_core import Flow

tax = Flow[int, float]("tax")
rate = tax.value("rate", float, default=0.25)


@tax.step
def gross(net: int = tax.input, share: float = rate.value) -> float:
    return net * (1 + share)


tax.returns(gross.output)

flow = Flow[list[int], str]("subflow")


@flow.step
def add(lines: list[int] = flow.input) -> int:
    return sum(lines)


total = flow.call(tax, add.output, name="total")


@flow.step
def show(whole: float = total.output) -> str:
    return f"{whole:g} to pay"


flow.returns(show.output)
