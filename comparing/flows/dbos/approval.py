"""A person's answer is waited for, but not for ever."""

from typing import TypedDict

from dbos import DBOS


class Answer(TypedDict):
    by: str


@DBOS.step()
def ask(claim: str) -> str:
    return f"a {claim}"


@DBOS.step()
def pay(claim: str, by: str, unit: str) -> str:
    return f"{claim} paid in {unit} by {by}"


@DBOS.step()
def lapse(claim: str) -> str:
    return f"{claim} has lapsed"


@DBOS.workflow()
def approval(claim: str) -> str:
    currency = "EUR"
    question = ask(claim)
    answer: Answer | None = DBOS.recv("answer", timeout_seconds=10)
    if answer is None:
        return lapse(question)
    return pay(question, answer["by"], currency)
