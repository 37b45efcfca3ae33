"""A person's answer is waited for, but not for ever."""

from prefect import flow, pause_flow_run, task
from prefect.exceptions import FlowPauseTimeout
from prefect.input import RunInput


class Answer(RunInput):
    by: str


@task
def ask(claim: str) -> str:
    return f"a {claim}"


@task
def pay(claim: str, by: str, unit: str) -> str:
    return f"{claim} paid in {unit} by {by}"


@task
def lapse(claim: str) -> str:
    return f"{claim} has lapsed"


@flow
def approval(claim: str) -> str:
    currency = "EUR"
    question = ask(claim)
    try:
        answer = pause_flow_run(wait_for_input=Answer, timeout=10, poll_interval=1)
    except FlowPauseTimeout:
        return lapse(question)
    return pay(question, answer.by, currency)
