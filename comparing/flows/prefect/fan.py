"""Three steps side by side, and one that joins them."""

from prefect import flow, task


@task
def people(city: str) -> int:
    return len(city)


@task
def places(city: str) -> list[str]:
    return [f"{city} harbour", f"{city} park"]


@task
def price(city: str) -> float:
    return 1.5


@task
def total(who: int, where: list[str], each: float, times: int) -> int:
    return int((who + len(where)) * each * times)


@flow
def fan(city: str) -> int:
    factor = 2
    who, where, each = people.submit(city), places.submit(city), price.submit(city)
    return total(who.result(), where.result(), each.result(), factor)
