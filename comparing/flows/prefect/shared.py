"""A context value that one step sets, and a later one reads."""

from prefect import flow, task


@task
def add(prices: list[int]) -> int:
    return sum(prices)


@task
def discount(total: int) -> int:
    return total - total // 10


@task
def report(total: int, full: int) -> str:
    return f"{total} instead of {full}"


@flow
def shared(prices: list[int]) -> str:
    before = add(prices)
    total = discount(before)
    return report(total, before)
