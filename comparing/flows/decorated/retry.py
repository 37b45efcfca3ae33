"""A service that fails is asked again, and then something stands in."""

from flowcraft_core import Flow

flow = Flow[str, str]("retry")
source = flow.value("source", str, default="cache")


@flow.step
def trim(question: str = flow.input) -> str:
    return question.strip("?")


@flow.step(retries=2)
def ask(question: str = trim.output, place: str = source.value) -> str:
    if question == "when":
        return f"{question} now"
    raise ConnectionError(question)


@ask.fallback
def cached(question: str, place: str) -> str:
    return f"{question} from the {place}"


@flow.step
def show(answer: str = ask.output) -> str:
    return f"{answer}."


flow.returns(show.output)
