"""A text that is improved until it is good."""

from typing import TypedDict

from prefect import flow, task


class Draft(TypedDict):
    text: str
    score: int


@task
def begin(title: str) -> Draft:
    return Draft(text=title, score=40)


@task
def improve(draft: Draft) -> Draft:
    return Draft(text=draft["text"] + "!", score=draft["score"])


@task
def review(draft: Draft) -> Draft:
    return Draft(text=draft["text"], score=draft["score"] + 30)


@task
def publish(text: str) -> str:
    return f"{text} It is out."


@flow
def loop(title: str) -> str:
    goal = 80
    draft = begin(title)
    while draft["score"] < goal:
        draft = review(improve(draft))
    return publish(draft["text"])
