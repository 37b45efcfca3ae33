"""What a new user does in the first quarter of an hour, chapter by chapter. Each sees that it has come true."""

from __future__ import annotations

from walk_folder import Folder

_ITEMS = '{"items": ["apple", "plum", "pear"]}'
_CITIES = '{"cities": ["Oslo", "Lima", "Kyoto"]}'

_SETTINGS = """\
backend = "sqlite:///{root}/runs.db"
flows = ["flows:letters", "orders:orders"]
visibility = 5          # a job of a worker that has died is seen again so many seconds later
poll = 1
reconcile_interval = 5
"""

_ORDERS = '''\
"""Orders: packed, approved by somebody, charged."""

import asyncio

from flowcraft_core import NodeContext, create_flow

PRICES = {"apple": 3, "pear": 4}


async def pack(ctx: NodeContext) -> list[str]:
    """Takes a while, and says how far it is."""
    items = await ctx.context.get("items")
    for number, item in enumerate(items):
        ctx.progress(number / len(items), f"packing {item}")
        await asyncio.sleep(6)
    return items


async def charge(ctx: NodeContext) -> int:
    return sum(PRICES[item] for item in await ctx.context.get("items"))


orders = create_flow("orders").node("pack", pack).wait("approve").node("charge", charge)
orders.edge("pack", "approve").edge("approve", "charge", action="yes")
'''


def install(here: Folder) -> None:
    """The packages."""
    here.tell("# A walk")
    here.tell(
        "The first quarter of an hour with Flowcraft, as it was typed in an empty folder, and as it was printed.\n"
        "`hatch run walk` does it anew, sees at each step that what is promised has come true, and writes this page."
    )
    here.tell("## Begin")
    here.type("pip install --quiet flowcraft-cli flowcraft-sqlite", show=False)
    here.type("flowcraft init .")
    here.check((here.path / "flows.py").exists(), "init has made no flow")
    here.tell("`flows.py` has a flow of three steps. It runs in this very process, and nothing is stored:")
    printed = here.type(f"flowcraft run --in-process --input '{_CITIES}'")
    here.check("3 pages, 25 letters" in printed, "the run does not give its output")


def two_workers(here: Folder) -> None:
    """A durable run on two workers."""
    here.tell("## Two workers, and a run")
    here.tell("A second flow, in which somebody has to say yes, and the settings for both:")
    (here.path / "flows.py").write_text(
        (here.path / "flows.py")
        .read_text()
        .replace("flow = create", "letters = create")
        .replace("flow.edge", "letters.edge")
    )
    here.write("orders.py", _ORDERS)
    here.write("flowcraft.toml", _SETTINGS)
    here.type("flowcraft lint")
    here.tell("The backend is a file, which is made when it is first used. Two workers, each in a terminal of its own:")
    for _ in range(2):
        here.begin("flowcraft worker")
    here.until("flowcraft workers", lambda answer: len(answer["workers"]) == 2, "the workers are not seen")
    here.type("flowcraft workers", in_terminal=True)
    here.type(f"flowcraft start letters --id first --input '{_CITIES}'")
    printed = here.type("flowcraft tail first")
    here.check("3 pages, 25 letters" in printed, "the run does not give its output")
    here.type("flowcraft list", in_terminal=True)


def kill(here: Folder) -> None:
    """A worker is killed in the middle of a step."""
    here.tell("## Kill one")
    here.tell("An order. Its first step takes some seconds, so that there is time to see who is at it:")
    here.type(
        'flowcraft start orders --id order-17 --tag customer=kim --input \'{"items": ["apple", "plum", "pear"]}\''
    )
    at_work = here.until(
        "flowcraft show order-17",
        lambda answer: any(each["under_way"] for each in answer["instances"]),
        "nobody is seen at work",
    )
    here.type("flowcraft show order-17", in_terminal=True)
    (way,) = [each["under_way"] for each in at_work["instances"] if each["under_way"]]
    pids = {worker["name"]: worker["pid"] for worker in here.ask("flowcraft workers")["workers"]}
    (worker,) = [each for each in here.running if each.pid == pids[way["worker"]]]
    here.tell("That worker is killed, in the middle of the step. The other one goes on with it:")
    here.kill(worker)
    waits = here.until("flowcraft waits", lambda answer: answer["waits"], "the run does not come to its wait")
    here.check([wait["key"] for wait in waits["waits"]] == ["approve"], "another wait is open")
    here.type("flowcraft show order-17", in_terminal=True)


def mend(here: Folder) -> None:
    """A wait is resumed, a step fails, is mended, and its run redriven."""
    here.tell("## Answer")
    here.type("flowcraft waits", in_terminal=True)
    here.type("flowcraft resume order-17 approve --action yes")
    here.until("flowcraft show order-17", lambda answer: answer["run"]["state"] == "failed", "the run does not fail")
    here.tell("## Mend")
    here.tell("Nobody has given plums a price:")
    printed = here.type("flowcraft show order-17", in_terminal=True)
    here.check("KeyError" in printed and "charge" in printed, "show does not say what has failed")
    here.edit("orders.py", '"pear": 4}', '"pear": 4, "plum": 2}')
    here.tell("A new worker has the mended step, and the run is driven again, from what failed on:")
    here.stop_all()
    here.begin("flowcraft worker")
    printed = here.type("flowcraft redrive order-17 --id order-17b --wait")
    here.check("9" in printed, "the redriven run does not give the sum")
    shown = here.ask("flowcraft show order-17b")
    here.check(shown["run"]["state"] == "completed", "the redriven run has not completed")
    here.check(shown["run"]["tags"] == {"customer": "kim"}, "the redriven run has lost its tag")
    here.check(shown["run"]["redrive_of"] == "order-17", "the redriven run is not linked")
    packed = {each["key"]: each for each in shown["instances"]}["pack"]
    here.check(packed["output"] == ["apple", "plum", "pear"], "what was packed was not kept")
    here.type("flowcraft list --tag customer=kim", in_terminal=True)


def clear(here: Folder) -> None:
    """What is left."""
    here.tell("## Clear up")
    here.type("flowcraft queues", in_terminal=True)
    here.type("flowcraft purge --older-than 0s --yes")
    here.check(not here.ask("flowcraft list")["runs"], "there are runs after the purge")
    here.type("flowcraft list", in_terminal=True)


CHAPTERS = (install, two_workers, kill, mend, clear)
