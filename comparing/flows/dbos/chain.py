"""Steps one after the other."""

from dbos import DBOS


@DBOS.step()
def split(text: str) -> list[str]:
    return text.split()


@DBOS.step()
def count(words: list[str]) -> int:
    return len(words)


@DBOS.step()
def report(number: int, of: str) -> str:
    return f"{number} {of}"


@DBOS.workflow()
def chain(text: str) -> str:
    unit = "words"
    words = split(text)
    number = count(words)
    return report(number, unit)
