"""A service that fails is asked again, and then something stands in."""

from prefect import flow, task


@task
def trim(question: str) -> str:
    return question.strip("?")


@task(retries=2)
def ask(question: str) -> str:
    if question == "when":
        return f"{question} now"
    raise ConnectionError(question)


@task
def cached(question: str, place: str) -> str:
    return f"{question} from the {place}"


@task
def show(answer: str) -> str:
    return f"{answer}."


@flow
def retry(question: str) -> str:
    source = "cache"
    trimmed = trim(question)
    try:
        answer = ask(trimmed)
    except ConnectionError:
        answer = cached(trimmed, source)
    return show(answer)
