"""Inputs and outputs of flows that are not what they say."""

from dataclasses import dataclass

from flowcraft_core import Flow, FlowRuntime
from flowcraft_core.durable import Client, SyncClient


@dataclass
class Draft:
    text: str
    score: int


drafts = Flow[str, Draft]("drafts")


@drafts.step
def begin(title: str = drafts.input) -> Draft:
    return Draft(title, 0)


again = drafts.loop("again", begin.output)


@drafts.step
def improve(draft: Draft = again.value) -> Draft:
    return draft


@drafts.step
def grade(draft: Draft = improve.output) -> int:
    return draft.score


again.again(grade.output, when=grade.output < 80)  #: mypy=arg-type pyright=reportArgumentType
again.again(improve.output, when=improve.output.scor < 80)  #: mypy=attr-defined pyright=reportAttributeAccessIssue


@drafts.step
def wrong_value(text: str = again.value) -> None: ...  #: mypy=assignment pyright=reportArgumentType


drafts.returns(grade.output)  #: mypy=arg-type pyright=reportArgumentType

books = Flow[list[int], int]("books")
wrong_item = books.call_each(drafts, books.input)  #: mypy=misc pyright=reportArgumentType
wrong_call = books.call(drafts, books.input[0])  #: mypy=misc pyright=reportArgumentType
right_call = books.call(drafts, "tea")


@books.step
def wrong_result(score: int = right_call.output) -> None: ...  #: mypy=assignment pyright=reportArgumentType


nightly = Flow("nightly")
wrong_need = nightly.input.title  #: mypy=attr-defined pyright=reportAttributeAccessIssue


async def run(runtime: FlowRuntime, client: Client) -> None:
    """With inputs that the flow does not take, for outputs that it does not give."""
    await runtime.run(drafts, 3)  #: mypy=misc pyright=reportCallIssue,reportArgumentType
    await runtime.run(drafts)  #: mypy=arg-type pyright=reportCallIssue,reportArgumentType
    runtime.run_sync(drafts, {"input": "tea"})  #: mypy=misc pyright=reportCallIssue,reportArgumentType
    runtime.run_sync(nightly, "tea")  #: mypy=misc pyright=reportCallIssue,reportArgumentType
    runtime.start(books, ["tea"])  #: mypy=misc pyright=reportCallIssue,reportArgumentType
    runtime.stepping(drafts, 3)  #: mypy=misc pyright=reportCallIssue,reportArgumentType
    runtime.stepping(drafts, "tea", timeout=3)  #: mypy=call-overload pyright=reportCallIssue
    runtime.run_sync(drafts, "tea", timout=3)  #: mypy=call-overload pyright=reportCallIssue
    text: str = runtime.run_sync(drafts, "tea").output  #: mypy=assignment pyright=reportAssignmentType
    await client.start(drafts, 3)  #: mypy=misc pyright=reportCallIssue,reportArgumentType
    started = await client.start(drafts, "tea")
    text = (await client.wait(started)).output  #: mypy=assignment pyright=reportAssignmentType
    text.upper()


def run_here(client: SyncClient) -> None:
    """The same for code that is not async."""
    client.start(books, "tea")  #: mypy=misc pyright=reportCallIssue,reportArgumentType
