"""Three steps side by side, and one that joins them."""

from flowcraft_core import Flow

flow = Flow[str, int]("fan")
factor = flow.value("factor", int, default=2)


@flow.step
async def people(city: str = flow.input) -> int:
    return len(city)


@flow.step
async def places(city: str = flow.input) -> list[str]:
    return [f"{city} harbour", f"{city} park"]


@flow.step
async def price(city: str = flow.input) -> float:
    return 1.5


@flow.step
async def total(
    who: int = people.output, where: list[str] = places.output, each: float = price.output, times: int = factor.value
) -> int:
    return int((who + len(where)) * each * times)


flow.returns(total.output)
