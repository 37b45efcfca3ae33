"""Each item of a list, two at a time."""

from dbos import DBOS


@DBOS.workflow()
def parse(text: str) -> int:
    return int(text)


@DBOS.step()
def add(numbers: list[int], times: int) -> int:
    return sum(numbers) * times


@DBOS.workflow()
def batch(texts: list[str]) -> int:
    scale = 10
    handles = [DBOS.enqueue_workflow("parse", parse, text) for text in texts]
    return add([handle.get_result() for handle in handles], scale)


def register() -> None:
    DBOS.register_queue("parse", global_concurrency=2)
