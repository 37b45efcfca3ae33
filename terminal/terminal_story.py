"""What a user does in a day with ``flowcraft``, in chapters; the effects are looked up by a client."""

from __future__ import annotations

import json
import os
import time
import urllib.request
from collections.abc import Callable

import pexpect
from flowcraft_cli import main as command
from flowcraft_core.ports import Message
from terminal_session import PATIENCE, Session

FLOWS = """
import time
from pathlib import Path

from flowcraft_core import RetryPolicy, create_flow

BROKEN = Path(__file__).parent / "broken"


async def numbers(ctx):
    return list(range(await ctx.context.get("n")))


def slow(ctx):
    time.sleep(0.25)
    return ctx.input


async def total(ctx):
    return sum(ctx.input)


work = create_flow("work").node("numbers", numbers).batch("slow", slow).node("total", total)
work.edge("numbers", "slow").edge("slow", "total")


async def first(ctx):
    return 20


async def brittle(ctx):
    if BROKEN.exists():
        raise ValueError("the disk is full")
    return ctx.input + 1


mending = create_flow("mending").node("first", first).node("brittle", brittle).edge("first", "brittle")
asking = create_flow("asking").node("first", first).wait("approve").node("after", brittle)
asking.edge("first", "approve").edge("approve", "after")


async def refuses(ctx):
    raise ConnectionError("nobody answers")


taking = create_flow("taking").node("back", refuses, retries=RetryPolicy(max_attempts=100, delay=600))
taking.node("first", first, undo="back").node("last", refuses).edge("first", "last")
"""


def a_project_is_made_and_looked_at(session: Session) -> None:
    """init, lint, graph, config, completion."""
    session.call("init", "letters")
    session.check((session.folder / "letters" / "flows.py").exists(), "init makes no flows.py")
    session.call("init", "letters", code=4, says="would be overwritten")
    session.call("lint", "letters/flows.py", says="nothing to mend")
    (session.folder / "flows.py").write_text(FLOWS, encoding="utf-8")
    (session.folder / "bad.py").write_text(
        "from flowcraft_core import create_flow\nflow = create_flow('bad').node('a', 'nobodys')\n", encoding="utf-8"
    )
    session.call("lint", "bad.py", code=1, says="nobodys")
    session.call("graph", "work", says="flowchart TD")
    session.call("schema", says="json-schema.org")
    session.call("config", says="environment, FLOWCRAFT_BACKEND")
    session.call("config", "--backend", "mydb://me:hunter2@host/x", says="mydb://***@host/x")
    session.call("completion", "bash", says="_FLOWCRAFT_COMPLETE")
    session.call("lisst", code=2, says="No such command")


def a_run_in_this_process_is_drawn_as_a_tree(session: Session) -> None:
    """run, without a backend."""
    printed = session.call("run", "work", "--in-process", "-i", '{"n": 4}', says="completed")
    session.check("✓" in printed, f"no tree is drawn: {printed!r:.1000}")
    session.call("run", "mending", "--in-process", "-i", "[]", code=2, says="--input must be a JSON object")


def a_backend_is_provided(session: Session) -> None:
    """provision; and a run on the backend, worked on by the command itself."""
    session.call("provision", says="sqlite")
    session.check((session.folder / "runs.db").exists(), "provision makes no file")
    if "doctor" in command.commands:
        session.call("doctor")
    session.call("run", "work", "--id", "alone", "-i", '{"n": 3}', "-t", "kind=first", says="completed")
    session.check(session.outputs("alone")["total"] == 3, "the run gave something else")


def workers_work_and_one_is_killed(session: Session) -> None:
    """worker, start, workers, show, tail: two processes, one of them killed, and the run ends all the same."""
    workers = session.begin("worker", "--processes", "2")
    pids = {
        worker.pid
        for worker in session.until(lambda c: c.workers(within="30s"), lambda found: len(found) == 2, "two workers")
    }
    session.call("workers", says="work ")
    session.call("start", "work", "-i", '{"n": 60}', "--id", "killed", "-t", "kind=killed", says="killed")
    following = session.begin("tail", "killed")
    session.until(
        lambda c: c.describe("killed", inside="slow", values=False),
        lambda found: found.counts.get("done", 0) >= 8,
        "some items are done",
    )
    session.kill(min(pids))
    workers.expect("ended by signal 9; another begins")
    session.check(session.outputs("killed")["total"] == sum(range(60)), "the run gave something else")
    session.ended(following, "tail killed", says="completed")
    session.call("show", "killed", says="total")
    session.call("show", "killed", "--inside", "slow[7]", says="slow[7]")
    session.until(lambda c: c.workers(within="15s"), lambda found: {w.pid for w in found} - pids, "one in its place")


def runs_are_found(session: Session) -> None:
    """list, queues."""
    printed = session.call("list", "--tag", "kind=killed")
    session.check("killed" in printed, "list does not show the run")
    session.check("alone" not in printed, "list shows a run without the tag")
    listed = json.loads(session.call("list", "--json").splitlines()[-1])
    found = session.ask(_ids)
    session.check({run["run_id"] for run in listed["runs"]} == found, f"list --json gives {listed}")
    session.call("queues", says="0")


async def _ids(client: object) -> set[str]:
    return {run.run_id async for run in client.runs()}  # type: ignore[attr-defined]


def somebody_is_waited_for(session: Session) -> None:
    """waits, resume, cancel, reconcile."""
    for run_id in ("asked", "dropped"):
        session.call("start", "asking", "--id", run_id)
        session.until(lambda c, r=run_id: c.describe(r), lambda found: found.waits, "it waits")  # type: ignore[misc]
    session.call("reconcile", "asked", "dropped")
    session.check(session.state("asked") == "awaiting", "reconcile does not say that it only waits")
    session.call("waits", says="approve")
    session.call("resume", "asked", "approve", "--output", "41")
    session.check(session.outputs("asked")["after"] == 42, "resume gives something else")
    session.call("resume", "asked", "approve", code=4, says="has ended")
    session.call("cancel", "dropped", "--reason", "ordered twice")
    session.call("start", "taking", "--id", "taking")
    session.until(
        lambda c: c.describe("taking"),
        lambda found: found.stopped is not None and found.stopped.next,
        "a run that has failed is undone",
    )
    session.call("abandon", "taking", "--reason", "undone by hand", says="undone no further")
    session.until(lambda c: c.status("taking"), lambda found: found.state == "failed", "it ends")
    session.call("abandon", "taking", code=4, says="not being undone")
    session.check(session.ask(lambda c: c.status("dropped")).reason == "ordered twice", "cancel does not say why")
    session.call("cancel", "nobody", code=3, says="there is no run")


def runs_are_looked_at_on_a_page(session: Session) -> None:
    """ui, until Ctrl-C; and not where others reach it without a token."""
    session.call("ui", "--host", "0.0.0.0", code=2, says="set a token")  # noqa: S104 - it is refused
    page = session.begin("ui", "--port", "0")
    page.expect(r"(http://127\.0\.0\.1:\d+/) only looks")
    assert page.match is not None
    with urllib.request.urlopen(page.match[1], timeout=PATIENCE) as answer:  # noqa: S310 - its own address
        session.check("<h1>Runs</h1>" in answer.read().decode(), "the page does not list runs")
    page.sendintr()
    session.ended(page, "ui")


def what_failed_is_mended_and_tried_again(session: Session) -> None:
    """redrive, fork, diff, cost."""
    broken = session.folder / "broken"
    broken.touch()
    session.call("start", "mending", "--id", "bad", "--wait", code=1, says="the disk is full")
    session.check(session.state("bad") == "failed", "it has not failed")
    broken.unlink()
    session.call("redrive", "bad", "--id", "mended", "--wait", says="completed")
    session.check(session.outputs("mended") == {"first": 20, "brittle": 21}, "the redrive gave something else")
    session.check(session.ask(lambda c: c.status("bad")).redriven_as == "mended", "the runs are not linked")
    session.call("redrive", "mended", code=4, says="only a failed run")
    session.call("fork", "mended", "--from", "brittle", "--id", "forked", "--wait", says="completed")
    session.check(session.ask(lambda c: c.status("forked")).redrive_of == "mended", "the fork is not linked")
    session.call("diff", "mended", "forked", says="they do not differ")
    session.call("diff", "mended", "bad", code=1, says="the disk is full")
    cost = json.loads(session.call("cost", "mended", "--json").splitlines()[-1])
    session.check(cost["steps"] == 2, f"cost gives {cost}")


def dead_letters_are_looked_after(session: Session) -> None:
    """dead-letters list, show, send-back, drop."""

    def letters(number: int) -> list[str]:
        found = session.until(lambda c: c.dead_letters(), lambda found: len(found) == number, f"{number} dead letters")
        return [letter.run_id for letter in found]

    session.on_backend(lambda backend: backend.queue.send([Message("no job at all")]))
    (first,) = letters(1)
    session.call("dead-letters", "list", says=first)
    session.call("dead-letters", "show", first, says="no job at all")
    session.call("dead-letters", "send-back", first)
    (second,) = letters(1)
    if second == first:
        session.until(lambda c: c.dead_letters(), lambda f: f and f[0].run_id != first, "it comes again")
        (second,) = letters(1)
    asking = session.begin("dead-letters", "drop", second)
    asking.expect("for good")
    asking.sendline("y")
    session.ended(asking, "dead-letters drop")
    letters(0)


def a_run_is_taken_home_and_stepped_through(session: Session) -> None:
    """export, replay, with a breakpoint in a step."""
    session.call("export", "mended", "--output", "run.json")
    exported = json.loads((session.folder / "run.json").read_text(encoding="utf-8"))
    session.check(set(exported["outcomes"]) == {"first", "brittle"}, "export leaves something out")
    debugging = session.begin("replay", "run.json", "mending", "--break", "brittle")
    debugging.expect("if BROKEN.exists")
    debugging.expect("Pdb")
    debugging.sendline("p ctx.input * 1000")
    debugging.expect("20000")
    debugging.sendline("c")
    session.ended(debugging, "replay --break", says="1 executed, 0 differ")


def runs_start_by_themselves(session: Session) -> None:
    """Schedules make, list, show, edit, pause, resume, trigger, remove; a worker starts what is due."""
    session.call("schedules", "make", "often", "mending", "--every", "1s", "--tag", "kind=often", says="every 1.0 s")
    session.call("schedules", "make", "often", "mending", "--every", "1h", code=2, says="--replace")

    async def started(client: object) -> list[str]:
        found = client.runs("completed", tags={"schedule": "often"})  # type: ignore[attr-defined]
        return [run.run_id async for run in found]

    session.until(started, lambda found: len(found) >= 2, "a worker has started two runs")
    session.call("schedules", "list", says="often")
    session.call("schedules", "pause", "often", says="is paused")
    session.call("schedules", "edit", "often", "--cron", "30 2 * * *", "--timezone", "Europe/Oslo", says="30 2")
    session.call("schedules", "show", "often", says="paused")
    session.call("schedules", "resume", "often", says="goes on")
    session.call("schedules", "trigger", "often", "--id", "by hand", says="by hand")
    session.check(session.outputs("by hand")["first"] == 20, "what was triggered gave something else")
    session.call("schedules", "remove", "often", "--yes", says="removed")
    session.call("schedules", "show", "often", code=3, says="there is no schedule")


def what_has_ended_is_purged(session: Session) -> None:
    """purge, of one run and of old ones."""
    session.call("purge", "alone", "--yes")
    session.check("alone" not in session.ask(_ids), "purge leaves the run")
    session.call("purge", "--older-than", "1d", "--yes", says="0 runs purged")
    session.call("start", "asking", "--id", "live")
    session.until(lambda c: c.describe("live"), lambda found: found.waits, "it waits")
    session.call("purge", "live", "--yes", code=4, says="cancel it before")
    session.call("purge", "--older-than", "0s", "--yes")
    session.check(session.ask(_ids) == {"live"}, "purge leaves what has ended, or takes what has not")


def workers_end_as_they_are_told(session: Session) -> None:
    """worker: drains on Ctrl-C, ends at once on the second, begins anew when code changes."""
    (workers, *_) = [each for each in session._open if each.isalive()]
    session.call("start", "work", "-i", '{"n": 40}', "--id", "drained")
    session.until(lambda c: c.describe("drained"), lambda found: found.steps >= 4, "it is under way")
    workers.sendintr()
    session.ended(workers, "worker", says="stopping")
    session.check(session.state("drained") in ("running", "awaiting"), "the run has ended with its workers")
    reloading = session.begin("worker", "--reload")
    session.check(session.outputs("drained")["total"] == sum(range(40)), "the run does not go on")
    text = FLOWS.replace("return ctx.input + 1", "return ctx.input + 100")
    (session.folder / "flows.py").write_text(text, encoding="utf-8")
    os.utime(session.folder / "flows.py", (time.time() + 5, time.time() + 5))
    reloading.expect("code has changed")
    reloading.expect("has started")
    session.call("resume", "live", "approve", "--output", "1")
    session.check(session.outputs("live")["after"] == 101, "the worker has the code of before")
    session.call("start", "work", "-i", '{"n": 400}', "--id", "cut")
    session.until(lambda c: c.describe("cut"), lambda found: found.steps >= 4, "it is under way")
    begun = time.monotonic()
    reloading.sendintr()
    reloading.expect("once more ends at once")
    reloading.sendintr()
    try:
        reloading.expect(pexpect.EOF, timeout=PATIENCE)
    finally:
        reloading.close()
    session.check(reloading.exitstatus == 130, f"the second Ctrl-C: exit code {reloading.exitstatus}")
    session.check(time.monotonic() - begun < 5.0, "the second Ctrl-C does not end it at once")
    session.call("cancel", "cut")


CHAPTERS: tuple[Callable[[Session], None], ...] = (
    a_project_is_made_and_looked_at,
    a_run_in_this_process_is_drawn_as_a_tree,
    a_backend_is_provided,
    workers_work_and_one_is_killed,
    runs_are_found,
    somebody_is_waited_for,
    runs_are_looked_at_on_a_page,
    what_failed_is_mended_and_tried_again,
    dead_letters_are_looked_after,
    a_run_is_taken_home_and_stepped_through,
    runs_start_by_themselves,
    what_has_ended_is_purged,
    workers_end_as_they_are_told,
)
