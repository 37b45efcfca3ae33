"""Classes that annotations of flows name: every command knows them, by the flows of the settings."""

import sys

import pytest
from flowcraft_cli.loading import load, runtime_of
from flowcraft_cli.settings import Settings
from flowcraft_core import FlowRuntime

from .helpers import Commanding

CART = """
from dataclasses import dataclass
from flowcraft_core import Flow, FlowRuntime, Serializer

print("loading")

@dataclass
class Cart:
    items: int

shop = Flow[Cart, Cart]("shop")

@shop.step
def total(cart: Cart = shop.input) -> Cart:
    return cart

sure = shop.wait("sure", bool, after=total)
shop.returns(total.output)
serializer = Serializer()

def runtime():
    return FlowRuntime([shop])
"""

INPUT = '{"input": {"items": 2}}'

COMMANDS = (
    ("show", "r"),
    ("cost", "r"),
    ("export", "r"),
    ("diff", "r", "r"),
    ("graph", "--run", "r"),
    ("waits", "r"),
    ("reconcile", "r"),
    ("schedules", "show", "s"),
    ("schedules", "pause", "s"),
    ("schedules", "trigger", "s"),
    ("schedules", "edit", "s", "--every", "2h"),
    ("fork", "r", "--from", "total"),
    ("resume", "r", "sure", "--output", "true", "--early"),
    ("cancel", "r"),
)


def _begin(cli: Commanding) -> None:
    cli.write("carts.py", CART)
    cli.write("flowcraft.toml", f'backend = "{cli.url}"\n')
    cli("start", "shop:asking", "-i", '{"items": {}}', "--id", "a")
    cli("start", "carts.py:shop", "-i", INPUT, "--id", "r")
    cli("schedules", "make", "s", "carts.py:shop", "--every", "1h", "-i", INPUT)
    cli("schedules", "make", "t", "shop:order", "--every", "1h")


def _until_they_wait(cli: Commanding) -> None:
    cli.write("both.py", "import carts, shop\nboth = carts.FlowRuntime([carts.shop, shop.asking])\n")
    cli("run", "both.py:both:shop", "-i", INPUT, "--id", "r", code=6)


def test_commands_read_classes_of_the_flows_that_the_settings_name(cli: Commanding) -> None:
    _begin(cli)
    cli.write("flowcraft.toml", f'backend = "{cli.url}"\nflows = ["carts.py:shop"]\n')
    for command in COMMANDS:
        assert "loading" not in cli(*command).stdout


def test_what_is_unreadable_keeps_no_other_from_being_listed_and_names_the_remedy(cli: Commanding) -> None:
    _begin(cli)
    _until_they_wait(cli)
    for command in ("show", "cancel"):
        said = cli.said(command, "r", code=2)["error"]["message"]
        assert "'Cart', which is unknown here" in said
        assert "the setting 'flows'" in said
        assert "--serializer" in said
    said = cli.said("waits")
    assert ([wait["run_id"] for wait in said["waits"]], said["unreadable"]) == (["a"], ["r"])
    assert "'Cart'" in cli("waits").stderr
    said = cli.said("schedules", "list")
    assert ([one["schedule"] for one in said["schedules"]], said["unreadable"]) == (["t"], ["s"])
    assert [run["run_id"] for run in cli.said("list")["runs"]] == ["r", "a"]
    cli.write("flowcraft.toml", f'backend = "{cli.url}"\nflows = ["carts.py:shop"]\n')
    exported = cli.write("run.json", cli("export", "r").stdout)
    assert "items=2" in cli("replay", str(exported)).stdout
    assert "bool" in cli("resume", "r", "sure", "--output", '"perhaps"', code=2).stderr  # as the flow says of its wait
    cut = cli("waits", "--limit", "1")
    assert (len(cut.stdout.splitlines()), "more than 1 runs" in cut.stderr) == (1, True)
    assert [cli.said("waits", "--limit", limit)["more"] for limit in ("1", "2")] == [True, False]


def test_flows_of_the_settings_that_cannot_be_loaded_are_noted_and_hold_nothing_up(cli: Commanding) -> None:
    _begin(cli)
    cli.write("broken.py", "import nowhere_at_all")
    cli.write("other.py", CART.replace('"shop"', '"other"'))
    names = '["broken.py", "carts.py:shop", "other.py:shop"]'
    cli.write("flowcraft.toml", f'backend = "{cli.url}"\nflows = {names}\n')
    result = cli("show", "r")
    assert "nowhere_at_all" in result.stderr
    assert "is stored as 'Cart' already" in result.stderr
    assert "nowhere_at_all" not in cli("list").stderr  # which reads no values


@pytest.mark.parametrize("reference", ["carts.py:shop", "carts.py:runtime"])
@pytest.mark.parametrize("more", [(), ("--serializer", "carts:serializer")])
def test_each_kind_of_reference_knows_annotated_classes(cli: Commanding, reference: str, more: tuple[str, ...]) -> None:
    cli.write("carts.py", CART)
    here = (*more, "-b", cli.url)
    assert "Cart(items=2)" in cli("run", reference, "-i", INPUT, *more, "--in-process", code=6).stdout
    assert "is to be Cart" in cli("start", reference, "-i", '{"input": 5}', *here, code=2).stderr
    assert "takes Cart" in cli("start", reference, *here, code=2).stderr


def test_a_runtime_with_a_serializer_of_the_settings_knows_what_its_registry_is_annotated_with(
    cli: Commanding,
) -> None:
    cli.write(
        "registered.py",
        CART + "from flowcraft_core import create_flow\n"
        "async def step(ctx) -> Cart: ...\n"
        "flow = create_flow('f').node('n', 'step')\n"
        "registered = FlowRuntime([flow], registry={'step': step})\n",
    )
    (runtime,) = load("registered:registered", Settings.find({}, {}))
    assert isinstance(runtime, FlowRuntime)
    module = sys.modules["registered"]
    assert not module.serializer.knows(module.Cart)
    assert runtime_of([runtime], serializer=module.serializer).serializer.knows(module.Cart)
    assert not module.serializer.knows(module.Cart)
