import json

import pytest
from flowcraft_cli.exits import CommandError
from flowcraft_cli.loading import load_all, load_flow
from flowcraft_cli.settings import Settings
from flowcraft_core import FlowRuntime

from .helpers import Commanding


def settings(**given: object) -> Settings:
    return Settings.find(given, {})


@pytest.mark.parametrize("reference", ["shop:order", "shop.py:order", "./shop.py:order"])
def test_a_flow_is_found_by_module_or_file(cli: Commanding, reference: str) -> None:
    assert load_flow(reference, settings()).id == "order"


def test_a_name_may_be_left_out_where_one_flow_is_meant(cli: Commanding) -> None:
    cli.write("one.py", "from shop import order as mine")
    assert load_flow("one", settings()).id == "order"
    assert load_flow(None, settings(flows=("one.py",))).id == "order"


def test_a_flow_of_the_settings_is_found_by_its_id(cli: Commanding) -> None:
    assert load_flow("asking", settings(flows=("shop",))).id == "asking"


@pytest.mark.parametrize("raises", ["class Skipped(BaseException): ...\nraise Skipped('not here')", "exit(3)"])
def test_whatever_a_module_raises_is_told_as_its_own(cli: Commanding, raises: str) -> None:
    cli.write("skipping.py", raises)
    with pytest.raises(CommandError, match=r"skipping\.py cannot be loaded: .*line \d"):
        load_flow("skipping.py", settings())


def test_a_file_that_would_stand_for_a_module_of_pythons_own_is_refused(cli: Commanding) -> None:
    cli.write("queue.py", "from shop import order")
    with pytest.raises(CommandError, match=r"queue\.py is called like a module of Python's own"):
        load_flow("queue.py:order", settings())


def test_of_flows_that_call_one_another_the_caller_is_meant(cli: Commanding) -> None:
    cli.write(
        "two.py",
        "from shop import order\nfrom flowcraft_core import create_flow\n"
        "outer = create_flow('outer').subflow('inner', order)",
    )
    assert load_flow("two", settings()).id == "outer"


def test_a_flow_of_decorated_functions_is_found_and_the_one_that_calls_others_is_meant(cli: Commanding) -> None:
    cli.write(
        "decorated.py",
        "from flowcraft_core import Flow\n"
        "inner = Flow[int, int]('inner')\n"
        "@inner.step\ndef more(n: int = inner.input) -> int:\n    return n + 1\n"
        "inner.returns(more.output)\n"
        "outer = Flow[int, int]('outer')\n"
        "call = outer.call(inner, outer.input)\n"
        "outer.returns(call.output)\n",
    )
    found = load_flow("decorated", settings())
    assert found.id == "outer"
    assert found.runtime().run_sync("outer", {"input": 3}).output == 4
    assert load_flow("decorated:inner", settings()).id == "inner"


def test_a_function_that_makes_a_flow_is_called(cli: Commanding) -> None:
    cli.write("made.py", "import shop\ndef make():\n    return shop.order")
    assert load_flow("made:make", settings()).id == "order"


def test_a_runtime_brings_its_flows_and_is_taken_as_it_is(cli: Commanding) -> None:
    cli.write(
        "app.py",
        "from flowcraft_core import FlowRuntime\nimport shop\nfrom shop import order\n"
        "runtime = FlowRuntime([shop.order, shop.asking])",
    )
    assert load_flow("app:runtime:asking", settings()).id == "asking"
    (found,) = load_all(["app"], settings())
    assert isinstance(found, FlowRuntime)


def test_a_blueprint_is_read_from_json(cli: Commanding) -> None:
    blueprint = load_flow("shop:order", settings()).blueprint
    cli.write("order.json", blueprint.to_json())
    assert load_flow("order.json", settings()).blueprint == blueprint


@pytest.mark.parametrize(
    ("reference", "why"),
    [
        ("shop", "brings several flows (asking, order): say which"),
        ("shop:ordr", "ordr is not there; flows there are: asking, order"),
        ("shop:price", "TypeError"),
        ("nowhere:order", "ModuleNotFoundError: No module named 'nowhere'"),
        ("nowhere.py:order", "there is no file 'nowhere.py'"),
        ("broken", "ZeroDivisionError: division by zero"),
        ("broken.py", "broken.py, line 2)"),
        ("empty", "has no flow"),
        ("bad.json", "a blueprint is a JSON object"),
    ],
)
def test_what_names_no_flow_is_told_without_a_traceback(cli: Commanding, reference: str, why: str) -> None:
    cli.write("broken.py", "x = 1\nx / 0\n")
    cli.write("empty.py", "")
    cli.write("bad.json", json.dumps([1]))
    result = cli("graph", reference, code=2)
    assert why in result.stderr
    assert "Traceback" not in result.output
