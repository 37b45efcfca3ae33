"""A context value that one step sets, and a later one reads."""

from dbos import DBOS


@DBOS.step()
def add(prices: list[int]) -> int:
    return sum(prices)


@DBOS.step()
def discount(total: int) -> int:
    return total - total // 10


@DBOS.step()
def report(total: int, full: int) -> str:
    return f"{total} instead of {full}"


@DBOS.workflow()
def shared(prices: list[int]) -> str:
    before = add(prices)
    total = discount(before)
    return report(total, before)
