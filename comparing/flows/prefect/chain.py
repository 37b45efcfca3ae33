"""Steps one after the other."""

from prefect import flow, task


@task
def split(text: str) -> list[str]:
    return text.split()


@task
def count(words: list[str]) -> int:
    return len(words)


@task
def report(number: int, of: str) -> str:
    return f"{number} {of}"


@flow
def chain(text: str) -> str:
    unit = "words"
    words = split(text)
    number = count(words)
    return report(number, unit)
