"""A text that is improved until it is good."""

from typing import TypedDict

from dbos import DBOS


class Draft(TypedDict):
    text: str
    score: int


@DBOS.step()
def begin(title: str) -> Draft:
    return Draft(text=title, score=40)


@DBOS.step()
def improve(draft: Draft) -> Draft:
    return Draft(text=draft["text"] + "!", score=draft["score"])


@DBOS.step()
def review(draft: Draft) -> Draft:
    return Draft(text=draft["text"], score=draft["score"] + 30)


@DBOS.step()
def publish(text: str) -> str:
    return f"{text} It is out."


@DBOS.workflow()
def loop(title: str) -> str:
    goal = 80
    draft = begin(title)
    while draft["score"] < goal:
        draft = review(improve(draft))
    return publish(draft["text"])
