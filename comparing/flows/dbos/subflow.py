"""A flow that calls another one."""

from dbos import DBOS


@DBOS.step()
def gross(net: int, share: float) -> float:
    return net * (1 + share)


@DBOS.workflow()
def tax(net: int) -> float:
    rate = 0.25
    return gross(net, rate)


@DBOS.step()
def add(lines: list[int]) -> int:
    return sum(lines)


@DBOS.step()
def show(whole: float) -> str:
    return f"{whole:g} to pay"


@DBOS.workflow()
def subflow(lines: list[int]) -> str:
    total = tax(add(lines))
    return show(total)
