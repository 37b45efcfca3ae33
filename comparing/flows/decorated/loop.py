"""A text that is improved until it is good."""

from typing import TypedDict

from flowcraft_core import Flow


class Draft(TypedDict):
    text: str
    score: int


flow = Flow[str, str]("loop")
goal = flow.value("goal", int, default=80)


@flow.step
def begin(title: str = flow.input) -> Draft:
    return Draft(text=title, score=40)


again = flow.loop("again", begin.output)


@flow.step
def improve(draft: Draft = again.value) -> Draft:
    return Draft(text=draft["text"] + "!", score=draft["score"])


@flow.step
def review(draft: Draft = improve.output) -> Draft:
    return Draft(text=draft["text"], score=draft["score"] + 30)


again.again(review.output, when=review.output["score"] < goal.value)


@flow.step
def publish(text: str = again.output["text"]) -> str:
    return f"{text} It is out."


flow.returns(publish.output)
