"""Loops, calls, runs and results."""

from dataclasses import dataclass
from typing import assert_type

from flowcraft_core import Flow, FlowRuntime, RunResult, Stepped, create_flow
from flowcraft_core.durable import Client, Started, StoredResult, SyncClient


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
    return Draft(draft.text, draft.score + 30)


again.again(improve.output, when=improve.output.score < 80)
drafts.returns(again.output)

books = Flow[list[str], int]("books")
each = books.call_each(drafts, books.input)
one = books.call(drafts, books.input[0], name="one")


@books.step
def add_up(all_of_them: list[Draft] = each.output, first: Draft = one.output) -> int:
    return sum(draft.score for draft in all_of_them) + first.score


books.returns(add_up.output)
nightly = Flow("nightly")
quiet = Flow[None, int]("quiet")
built = create_flow("built").subflow("drafts", drafts).batch("books", books)

assert_type(again.value, Draft)
assert_type(again.output, Draft)
assert_type(each.output, list[Draft])
assert_type(one.output, Draft)


async def run(runtime: FlowRuntime, client: Client) -> None:
    """In one process and on workers."""
    assert_type(await runtime.run(drafts, "tea", run_id="one", timeout="5s"), RunResult[Draft])
    assert_type((await runtime.run(books, ["tea"], concurrency=3)).output, int)
    assert_type(runtime.run_sync(drafts, "tea").raise_for_status().output, Draft)
    assert_type(runtime.run_sync(quiet).output, int)
    runtime.run_sync(nightly)
    runtime.run_sync(built, {"any": "thing"})
    runtime.run_sync("drafts", {"input": "tea"})
    async with runtime.stepping(drafts, "tea", run_id="one") as run:
        async for step in run:
            assert_type(step, Stepped)
        assert_type((await run.result()).output, Draft)
    runtime.stepping(built, {"any": "thing"})
    runtime.stepping(nightly)
    handle = runtime.start(books, ["tea"])
    assert_type((await handle.result()).output, int)
    started = await client.start(drafts, "tea", tags={"for": "Ada"})
    assert_type(started, Started[Draft])
    assert_type(await client.wait(started, timeout="5s"), StoredResult[Draft])
    assert_type((await client.result(started)).output, Draft)
    await client.start(quiet)
    await client.start(built)
    await client.wait("by id")


def run_here(client: SyncClient) -> None:
    """The same for code that is not async."""
    assert_type(client.wait(client.start(books, ["tea"])).output, int)
    client.start("books", {"input": ["tea"]})
