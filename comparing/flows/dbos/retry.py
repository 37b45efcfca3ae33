"""A service that fails is asked again, and then something stands in."""

from dbos import DBOS, error


@DBOS.step()
def trim(question: str) -> str:
    return question.strip("?")


@DBOS.step(retries_allowed=True, max_attempts=3, interval_seconds=0.01)
def ask(question: str) -> str:
    if question == "when":
        return f"{question} now"
    raise ConnectionError(question)


@DBOS.step()
def cached(question: str, place: str) -> str:
    return f"{question} from the {place}"


@DBOS.step()
def show(answer: str) -> str:
    return f"{answer}."


@DBOS.workflow()
def retry(question: str) -> str:
    source = "cache"
    trimmed = trim(question)
    try:
        answer = ask(trimmed)
    except error.DBOSMaxStepRetriesExceeded:
        answer = cached(trimmed, source)
    return show(answer)
