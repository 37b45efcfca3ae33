"""A flow that calls another one."""

from prefect import flow, task


@task
def gross(net: int, share: float) -> float:
    return net * (1 + share)


@flow
def tax(net: int) -> float:
    rate = 0.25
    return gross(net, rate)


@task
def add(lines: list[int]) -> int:
    return sum(lines)


@task
def show(whole: float) -> str:
    return f"{whole:g} to pay"


@flow
def subflow(lines: list[int]) -> str:
    total = tax(add(lines))
    return show(total)
