"""Each item of a list, two at a time."""

from flowcraft_core import Flow

flow = Flow[list[str], int]("batch")
scale = flow.value("scale", int, default=10)


@flow.batch(over=flow.input, concurrency=2)
async def parse(text: str) -> int:
    return int(text)


@flow.step
def add(numbers: list[int] = parse.output, times: int = scale.value) -> int:
    return sum(numbers) * times


flow.returns(add.output)
