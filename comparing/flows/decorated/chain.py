"""Steps one after the other."""

from flowcraft_core import Flow

flow = Flow[str, str]("chain")
unit = flow.value("unit", str, default="words")


@flow.step
def split(text: str = flow.input) -> list[str]:
    return text.split()


@flow.step
def count(words: list[str] = split.output) -> int:
    return len(words)


@flow.step
def report(number: int = count.output, of: str = unit.value) -> str:
    return f"{number} {of}"


flow.returns(report.output)
