"""A context value that one step sets, and a later one reads."""

from flowcraft_core import Flow, SyncNodeContext

flow = Flow[list[int], str]("shared")
before = flow.value("before", int, default=0)


@flow.step
def add(ctx: SyncNodeContext, prices: list[int] = flow.input) -> int:
    before.set(ctx, sum(prices))
    return sum(prices)


@flow.step
def discount(total: int = add.output) -> int:
    return total - total // 10


@flow.step
def report(total: int = discount.output, full: int = before.value) -> str:
    return f"{total} instead of {full}"


flow.returns(report.output)
