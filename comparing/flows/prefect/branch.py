"""One of two ways, which meet again."""

from prefect import flow, task


@task
def weigh(kilos: int) -> int:
    return kilos


@task
def freight(kilos: int) -> str:
    return f"{kilos} kg by freight"


@task
def post(kilos: int) -> str:
    return f"{kilos} kg by post"


@task
def label(way: str) -> str:
    return f"{way}!"


@flow
def branch(kilos: int) -> str:
    limit = 30
    weight = weigh(kilos)
    way = freight(weight) if weight > limit else post(weight)
    return label(way)
