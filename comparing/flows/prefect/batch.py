"""Each item of a list, two at a time."""

from prefect import flow, task
from prefect.task_runners import ThreadPoolTaskRunner


@task
def parse(text: str) -> int:
    return int(text)


@task
def add(numbers: list[int], times: int) -> int:
    return sum(numbers) * times


@flow(task_runner=ThreadPoolTaskRunner(max_workers=2))
def batch(texts: list[str]) -> int:
    scale = 10
    numbers = parse.map(texts).result()
    return add(numbers, scale)
