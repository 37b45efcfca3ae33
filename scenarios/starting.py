"""Scenarios 1 to 7: starting and ending."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import expect
from backend import Backend
from durable_backend import Durable
from flowcraft_core import Blueprint, BlueprintError, ConfigurationError, FlowBuilder, create_flow
from flowcraft_core.jobs import Job, encode_job
from scenario import Scenario
from small_steps import AsyncStep, Context, Tally, echo, fails, gives, takes

CHAIN = Scenario(id=1, title="A chain of three nodes is run: it completes, and its status says so")
BY_HAND = Scenario(
    id=2,
    title="A run is started by writing its records and sending its first jobs by hand: it completes",
    absent={"in-process": "a run in one process has no records to write and no queue to send to"},
)
ORPHAN = Scenario(
    id=3,
    title="A job arrives whose run nobody has started: it is set aside with its reason, and not tried for ever",
    absent={"in-process": "there are no jobs, so none can come without its run"},
)
VERSIONS = Scenario(
    id=4,
    title="A newer version is deployed while runs of the old one are under way: each ends on the graph it began with",
)
SAME_ID = Scenario(
    id=5,
    title="Two starts with one run id: there is one run, and the second start is told that it exists",
    absent={"in-process": "a run is not stored, so nothing knows which ids have been used"},
)
BAD_INPUT = Scenario(
    id=6,
    title="An unknown flow, an unknown node, malformed JSON, an empty object: each is refused, and the reason named",
)
LOOKED_AT_AGAIN = Scenario(
    id=7, title="A completed run and a failed one are looked at again: they stay as they are, and nothing runs"
)


def _chain(first: AsyncStep) -> FlowBuilder:
    flow = create_flow("chain").node("first", first).node("second", echo).node("third", echo)
    return flow.edge("first", "second").edge("second", "third")


@CHAIN.check
async def three_nodes(backend: Backend) -> None:
    """Each node runs once, in order, and gets what the one before it gave."""
    result = await backend.run(_chain(gives(7)))
    expect.completed(result)
    expect.equal("what ran, in order", expect.keys(result), ["first", "second", "third"])
    expect.equal("the last output", result.outputs["third"], 7)


@CHAIN.check_durable
async def and_is_left_alone(backend: Durable) -> None:
    """The status says that it is completed, and no reconciler looks at it again."""
    await backend.launch(_chain(gives(1)), run_id="chain")
    await backend.run_of("chain").result()
    expect.equal("the status", (await backend.status("chain")).state, "completed")
    await backend.pass_time(10 * backend.day)
    expect.equal("what a reconciler looks at", (await backend.reconcile()).scanned, 0)


@BY_HAND.check_durable
async def of_two_start_nodes(backend: Durable) -> None:
    """A message per start node, each delivered twice: one run, with the values that were written for it."""

    async def look(ctx: Context) -> Any:
        return await ctx.context.get("city")

    flow = create_flow("by hand").node("left", echo).node("right", echo).node("both", look)
    flow = flow.edge("left", "both").edge("right", "both")
    backend.deploy(flow)
    await backend.staff()
    await backend.begin_by_hand("begun", {"city": "Bern"})
    for node in ("left", "right", "left", "right"):
        await backend.send(json.dumps({"runId": "begun", "blueprintId": "by hand", "nodeId": node}))
    result = await backend.run_of("begun").result()
    expect.completed(result)
    expect.equal("what the last node read", result.outputs["both"], "Bern")
    expect.equal("the status", (await backend.status("begun")).state, "completed")
    expect.equal("the dead letters", await backend.dead_letters(), [])


@ORPHAN.check_durable
async def of_each_form(backend: Durable) -> None:
    """Its dead letter names the run; the job was not tried all the time, and other runs go on."""
    await backend.staff()
    await backend.send(
        encode_job(Job(id="j", run_id="nobody's", key="first")),
        json.dumps({"runId": "no-one's", "blueprintId": "chain", "nodeId": "first"}),
    )
    expect.completed(await backend.run(_chain(gives(1))))
    await backend.until_dead(2)
    letters = await backend.dead_letters()
    for run_id in ("nobody's", "no-one's"):
        expect.mentions("the reasons", " ".join(letter.reason or "" for letter in letters), run_id)
    expect.at_most("the messages", backend.messages, 100)


@SAME_ID.check_durable
async def one_after_the_other(backend: Durable) -> None:
    """Nothing runs a second time, whether the first run is under way or has ended."""
    tally = Tally()
    run = await backend.launch(_chain(tally.step).wait("pause").edge("third", "pause"), run_id="one")
    client = await backend.client()
    expect.equal("whether a second start made a run", (await client.start("chain", run_id="one")).created, False)
    await run.result()
    expect.equal("whether a third start made a run", (await client.start("chain", run_id="one")).created, False)
    await run.resume("pause")
    await run.result()
    expect.equal("whether a fourth start made a run", (await client.start("chain", run_id="one")).created, False)
    await backend.clock.sleep(backend.hour)
    expect.equal("what was executed", tally.executed, ["first"])
    expect.completed(await run.result(), ran=["first", "second", "third", "pause"])


@SAME_ID.check_durable
async def at_once(backend: Durable) -> None:
    """One of many clients is told that it made the run."""
    await backend.launch(_chain(gives(1)), run_id="other")
    clients = [await backend.client() for _ in range(8)]
    started = await asyncio.gather(*(client.start("chain", run_id="one") for client in clients))
    expect.equal("how many made the run", sum(one.created for one in started), 1)
    expect.completed(await backend.run_of("one").result(), ran=["first", "second", "third"])


@SAME_ID.check_durable
async def after_one_that_was_cut_short(backend: Durable) -> None:
    """A start that ended before its job was sent is finished by the next one."""
    backend.deploy(_chain(gives(1)))
    await backend.cut(lambda client: client.start("chain", run_id="half"))
    await backend.start("chain", run_id="half")
    expect.completed(await backend.run_of("half").result(), ran=["first", "second", "third"])


@BAD_INPUT.check_durable
async def on_the_queue(backend: Durable) -> None:
    """Each message becomes a dead letter that says what is wrong with it, and can be sent back."""
    await backend.staff()
    bodies = ['{"cut": ', "{}", "[]", '{"runId": 3}', '{"v": "x"}', ""]
    await backend.send(*bodies)
    await backend.until_dead(len(bodies))
    letters = {letter.body: letter for letter in await backend.dead_letters()}
    expect.equal("the messages set aside", set(letters), set(bodies))
    for body, part in (('{"cut": ', "JSON"), ("{}", "runId"), ("[]", "list"), ('{"runId": 3}', "runId")):
        expect.mentions("the reason", letters[body].reason or "", part)
    await (await backend.client()).send_back(letters["{}"].run_id)
    await backend.clock.sleep(backend.beat)
    await backend.until_dead(len(bodies))


@BAD_INPUT.check_durable
async def an_unknown_node_of_a_known_run(backend: Durable) -> None:
    """The job is set aside, and its run fails by the node's name."""
    run = await backend.launch(_chain(takes(backend.clock, backend.hour)), run_id="known")
    await backend.send(encode_job(Job(id="j", run_id="known", key="ghost", first_seen=backend.clock.now())))
    await backend.until_dead(1)
    (letter,) = await backend.dead_letters()
    expect.mentions("the reason", letter.reason or "", "known", "ghost")
    expect.status(await run.result(), "failed")
    expect.mentions("why the run failed", (await backend.status("known")).reason or "", "ghost")


@LOOKED_AT_AGAIN.check_durable
async def by_reconcilers(backend: Durable) -> None:
    """Neither their statuses nor their facts change."""
    tally = Tally()
    flow = create_flow("flow").node("first", tally.step).node("second", fails("no"), join="all").edge("first", "second")
    good = _chain(tally.step)
    await backend.run(flow, good, run_id="bad")
    await backend.start("chain", run_id="good")
    await backend.run_of("good").result()
    before = [await backend.status(run_id) for run_id in ("good", "bad")]
    executed = len(tally.executed)
    await backend.pass_time(10 * backend.day)
    expect.equal("what a reconciler looks at", (await backend.reconcile()).scanned, 0)
    expect.equal("the statuses", [await backend.status(run_id) for run_id in ("good", "bad")], before)
    expect.equal("how often steps were executed", len(tally.executed), executed)


def _asking(*nodes: str, version: str | None) -> FlowBuilder:
    flow = create_flow("asking").wait("ask")
    for before, node in zip(("ask", *nodes), nodes, strict=False):
        flow.node(node, echo).edge(before, node)
    return flow if version is None else flow.metadata(version=version)


@VERSIONS.check
async def with_a_version_and_without(backend: Backend) -> None:
    """A version in the metadata changes nothing about how a run goes."""
    for version in ("1", None):
        run = await backend.launch(_asking("end", version=version))
        await run.result()
        await run.resume("ask")
        expect.completed(await run.result(), ran=["ask", "end"])


@VERSIONS.check
async def a_newer_one_while_the_old_waits(backend: Backend) -> None:
    """Two versions are under way side by side, and neither disturbs the other."""
    for old, new in (("1", "2"), (None, "2"), ("1", None)):
        before = await backend.launch(_asking("end", version=old))
        await before.result()
        after = await backend.launch(_asking("check", "end", version=new))
        await after.result()
        await before.resume("ask")
        expect.completed(await before.result(), ran=["ask", "end"])
        await after.resume("ask")
        expect.completed(await after.result(), ran=["ask", "check", "end"])


@VERSIONS.check
async def a_newer_one_and_a_restart(backend: Backend) -> None:
    """A run that was kept goes on with its own graph where only the newer one is deployed."""
    run = await backend.launch(_asking("end", version="1"))
    backend.deploy(_asking("check", "end", version="2"))
    await run.restart()
    await run.resume("ask")
    expect.completed(await run.result(), ran=["ask", "end"])


@BAD_INPUT.check
async def an_unknown_flow(backend: Backend) -> None:
    """The flow that is missing is named."""
    with expect.refused(ConfigurationError, "nowhere"):
        await backend.start("nowhere")


@BAD_INPUT.check
async def an_unknown_node(backend: Backend) -> None:
    """The edge that leads nowhere is named, before anything runs."""
    with expect.refused(BlueprintError, "astray", "ghost"):
        await backend.launch(create_flow("astray").node("first", echo).edge("first", "ghost"))


@BAD_INPUT.check
async def an_unknown_step_and_an_unknown_call(backend: Backend) -> None:
    """The node whose step or called flow is missing is named, before anything runs."""
    with expect.refused(ConfigurationError, "first", "not-registered"):
        await backend.launch(create_flow("stepless").node("first", "not-registered"))
    with expect.refused(ConfigurationError, "call", "nowhere"):
        await backend.launch(create_flow("calling").subflow("call", "nowhere"))


@BAD_INPUT.check
async def a_blueprint_that_is_none(backend: Backend) -> None:
    """The field that is wrong is named."""
    with expect.refused(BlueprintError, "JSON"):
        Blueprint.from_json('{"id": "cut short"')
    with expect.refused(BlueprintError, "'id'"):
        Blueprint.from_json("{}")
    with expect.refused(BlueprintError, "b", "nodes"):
        Blueprint.from_json('{"id": "b", "nodes": "none"}')


@LOOKED_AT_AGAIN.check
async def completed(backend: Backend) -> None:
    """The result is the same, and no step is executed again."""
    tally = Tally()
    run = await backend.launch(create_flow("done").node("only", tally.step))
    first = await run.result()
    await run.restart()
    again = await run.result()
    expect.completed(again, ran=["only"])
    expect.equal("the outputs", again.outputs, first.outputs)
    expect.equal("how often it was executed", tally.executed, ["only"])


@LOOKED_AT_AGAIN.check
async def failed(backend: Backend) -> None:
    """The error is the same, and what did not run before does not run now."""
    tally = Tally()
    flow = create_flow("lost").node("first", tally.step).node("second", fails("broken")).node("third", tally.step)
    run = await backend.launch(flow.edge("first", "second").edge("second", "third"))
    first = await run.result()
    await run.restart()
    again = await run.result()
    expect.failed(again, "second")
    expect.equal("the errors", again.errors, first.errors)
    expect.equal("what was executed", tally.executed, ["first"])
