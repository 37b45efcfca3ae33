"""A person's answer is waited for, but not for ever."""

from typing import TypedDict

from flowcraft_core import Flow, first_of


class Answer(TypedDict):
    by: str


flow = Flow[str, str]("approval")
currency = flow.value("currency", str, default="EUR")


@flow.step
def ask(claim: str = flow.input) -> str:
    return f"a {claim}"


answer = flow.wait("answer", Answer, timeout="10s", after=ask)


@flow.step
def pay(claim: str = ask.output, by: str = answer.output["by"], unit: str = currency.value) -> str:
    return f"{claim} paid in {unit} by {by}"


@flow.step(when=answer.timed_out)
def lapse(claim: str = ask.output) -> str:
    return f"{claim} has lapsed"


flow.returns(first_of(pay.output, lapse.output))
