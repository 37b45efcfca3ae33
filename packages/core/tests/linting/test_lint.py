"""What is told of flows, and what is left alone."""

from __future__ import annotations

import itertools
import json
import sys
from pathlib import Path
from typing import Any, TypedDict

import pytest
from flowcraft_core import (
    Blueprint,
    ConfigurationError,
    ErrorData,
    Flow,
    FlowRuntime,
    NodeResult,
    SyncNodeContext,
    create_flow,
    first_of,
)
from flowcraft_core.builder import FlowBuilder
from flowcraft_core.linting import Lintable, lint
from flowcraft_core.linting.__main__ import main


def step(ctx: Any) -> Any:
    return ctx.input


def chosen(ctx: Any) -> Any:
    return NodeResult(ctx.input, action="one" if ctx.input else "other")


def codes(flow: Lintable, **options: Any) -> list[str]:
    return [problem.code for problem in lint(flow, **options)]


def chain(*ids: str, **settings: Any) -> FlowBuilder:
    flow = create_flow("f")
    for node_id in ids:
        flow.node(node_id, step, **settings)
    for source, target in itertools.pairwise(ids):
        flow.edge(source, target)
    return flow


class TestWhatIsLookedAt:
    def test_errors_come_first(self) -> None:
        flow = chain("a", "b").node("c", "nobodys")
        assert codes(flow) == ["FC501", "FC121"]

    def test_flows_that_are_called_are_looked_at_too(self) -> None:
        inner = create_flow("inner").node("a", step).node("b", step)
        told = lint(create_flow("f").subflow("call", inner))
        assert [(problem.flow, problem.node) for problem in told] == [("inner", "a"), ("inner", "b")]

    def test_one_that_cannot_be_built_does_not_hide_the_others(self) -> None:
        broken, odd = create_flow("broken"), create_flow("odd").node("a", step).node("b", step)
        flow = create_flow("f").subflow("x", broken).subflow("y", odd).edge("x", "y")
        assert [(problem.flow, problem.code) for problem in lint(flow)] == [
            ("broken", "FC005"),
            ("odd", "FC121"),
            ("odd", "FC121"),
        ]

    def test_a_blueprint_alone_is_not_asked_for_what_others_bring(self) -> None:
        blueprint = create_flow("f").node("a", "theirs").subflow("c", "nowhere").edge("a", "c").to_blueprint()
        assert codes(blueprint) == []
        assert codes(blueprint, registry={}) == ["FC008", "FC501"]
        assert codes(blueprint, registry={"theirs": step}) == ["FC008"]

    def test_a_registry_brings_steps(self) -> None:
        assert codes(create_flow("f").node("a", "theirs"), registry={"theirs": step}) == []

    def test_a_runtime_with_all_its_flows_and_steps(self) -> None:
        router = create_flow("router").node("a", "chosen").node("b", step).edge("a", "b", action="one")
        runtime = FlowRuntime([router, chain("x", "y")], registry={"chosen": chosen})
        assert [(problem.flow, problem.code) for problem in lint(runtime)] == [("router", "FC127")]

    def test_what_making_a_flow_raises_is_told(self) -> None:
        (problem,) = lint(lambda: create_flow("f").wait("w", remind=step))
        assert problem.code == "FC001"
        assert problem.text.startswith("wait 'w': remind and remind_after go together")

    def test_two_flows_of_one_id_are_told_once(self) -> None:
        flow = create_flow("f").subflow("c", create_flow("inner").node("a", step))
        other = create_flow("inner").node("a", lambda ctx: 1)
        assert codes(create_flow("g").subflow("x", flow).subflow("y", other).edge("x", "y")) == ["FC006"]


class TestIgnoring:
    FLOW = chain("a", "b").node("c", "nobodys")

    @pytest.mark.parametrize(("ignore", "left"), [(["FC121"], ["FC501"]), (["FC1"], ["FC501"]), (["FC"], [])])
    def test_rules_are_left_out_by_code_or_its_beginning(self, ignore: list[str], left: list[str]) -> None:
        assert codes(self.FLOW, ignore=ignore) == left

    def test_a_code_that_no_rule_has_is_refused(self) -> None:
        with pytest.raises(ConfigurationError, match="no rule 'FC999' to ignore"):
            lint(self.FLOW, ignore=["FC999"])


class Page(TypedDict):
    lines: list[str]


def page(ctx: Any) -> Page:
    return {"lines": []}


def knows(ctx: Any) -> Any:
    return ctx.input["a"], ctx.input["b"]


def ignores(ctx: Any) -> str:
    return "done"


def sets(ctx: Any) -> None:
    ctx.context.set("total", 3)


LEFT_ALONE: dict[str, FlowBuilder] = {
    "the only node": chain("a"),
    "a value that a run is started with": chain("a", "b").edge("b", "c", condition="tenant == 'x'").node("c", step),
    "a value that a step sets": chain("b").node("a", sets).edge("a", "b", condition="total > 2"),
    "an error on an edge on failure": (
        chain("a").node("b", step).edge("a", "b", on="failure", transform="error.message")
    ),
    "another node": chain("a", "b").node("c", step).edge("b", "c", condition="a.size > context.b"),
    "an output by its long name": chain("a", "b").node("c", step).edge("b", "c", condition="_outputs.a.x"),
    "a dict that the code expects": (
        create_flow("f").node("a", step).node("b", step).node("c", knows).edge("a", "c").edge("b", "c")
    ),
    "a dict that nobody reads": (
        create_flow("f").node("a", step).node("b", step).node("c", ignores).edge("a", "c").edge("b", "c")
    ),
    "an action that somebody else gives": (
        chain("a").wait("w").edge("a", "w").node("b", step).edge("w", "b", action="yes")
    ),
    "an action of a step of which nothing is known": (
        create_flow("f").node("a", print).node("b", step).edge("a", "b", action="anything")
    ),
    "an action with a way for all others": (
        create_flow("f").node("a", chosen).node("b", step).node("c", step).edge("a", "b", action="one").edge("a", "c")
    ),
    "an action at the end": chain("a").node("b", chosen).edge("a", "b"),
    "branches that are taken together": (
        create_flow("f").node("r", step).node("a", step).node("b", step).node("j", step, join=2)
        .edge("r", "a").edge("r", "b").edge("a", "j").edge("b", "j")
    ),
    "the leaving of a loop": (
        chain("a", "b").loop("l", start="a", end="b", condition="input < 3").node("c", step)
        .edge("l", "c", action="break")
    ),
    "a part that is there": create_flow("f").node("p", page).node("b", step, inputs="p.lines.0").edge("p", "b"),
    "a part of what is not known": chain("a").node("b", step, inputs="a.x.y").edge("a", "b"),
    "a wait in a subflow": create_flow("f").subflow("c", create_flow("inner").wait("w")),
    "several ends whose output nobody uses": (
        create_flow("g").subflow("c", chain("a", "b").node("d", step).edge("a", "d"))
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", LEFT_ALONE)
def test_nothing_is_said_of(name: str) -> None:
    assert lint(LEFT_ALONE[name]) == []


WARNED_OF: dict[str, tuple[FlowBuilder, str]] = {
    "a name that is almost another": (
        chain("a", "b").node("total", step).edge("b", "total", condition="totl > 2"),
        "edge 'b' -> 'total': condition reads 'totl', is 'total' meant? [FC402]",
    ),
    "a member that results have not": (
        chain("a").node("b", step).edge("a", "b", transform="result.value"),
        "edge 'a' -> 'b': transform reads result.value; result has action, output [FC402]",
    ),
    "the output of no node": (
        chain("a").node("b", step).edge("a", "b", transform="_outputs.z"),
        "edge 'a' -> 'b': transform reads _outputs.z; _outputs has a, b [FC402]",
    ),
    "an error where there is none": (
        chain("a").node("b", step).edge("a", "b", condition="error.type == 'x'"),
        (
            "edge 'a' -> 'b': condition reads 'error', which there is only on an edge on failure, or one always taken "
            "[FC402]"
        ),
    ),
    "a loop's condition": (
        chain("count", "b").loop("l", start="count", end="b", condition="cuont < 3"),
        "loop 'l': condition reads 'cuont', is 'count' meant? [FC402]",
    ),
    "a part that is not there": (
        create_flow("f").node("p", page).node("b", step, inputs={"x": "p.line"}).edge("p", "b"),
        "node 'b': inputs name 'p.line', and 'p' is Page, which has no part 'line' [FC414]",
    ),
    "a part of a list by a name": (
        create_flow("f").node("p", page).node("b", step, inputs="p.lines.first").edge("p", "b"),
        "node 'b': inputs name 'p.lines.first', and 'p.lines' is list[str], which has no part 'first' [FC414]",
    ),
    "the time of a wait that has none": (
        chain("a").wait("w").edge("a", "w").node("b", step).node("c", step)
        .edge("w", "b").edge("w", "c", action="timeout"),
        "edge 'w' -> 'c': 'w' never gives the action 'timeout'; it gives none [FC126]",
    ),
    "a wait whose time may be up": (
        chain("a").wait("w", timeout="1d").edge("a", "w").node("b", step).edge("w", "b", action="approved"),
        (
            "node 'w' may give the action 'timeout', and no edge takes it, so that the path ends there: draw an edge "
            "for it, or one without an action for all others [FC127]"
        ),
    ),
    "an action of a batch": (
        chain("a").batch("p", step).edge("a", "p").node("b", step).edge("p", "b", action="done"),
        "edge 'p' -> 'b': 'p' never gives the action 'done'; it gives none [FC126]",
    ),
    "a wait deep in a batch": (
        chain("a").batch("p", create_flow("x").subflow("c", create_flow("y").wait("w"))).edge("a", "p"),
        (
            "batch 'p' calls flow 'x', and wait 'w' of flow 'y' has no timeout: an item that nobody answers holds up "
            "the whole batch; give the wait a timeout [FC234]"
        ),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", WARNED_OF)
def test_a_warning_names_where_and_what(name: str) -> None:
    flow, message = WARNED_OF[name]
    (problem,) = lint(flow)
    assert (problem.rule.severity, str(problem)) == ("warning", message)


def test_with_the_values_that_runs_are_started_with_every_other_name_is_told() -> None:
    flow = chain("a", "b").node("c", step, inputs="settings.x").edge("b", "c", condition="tenant == 'x'")
    assert codes(flow) == []
    assert codes(flow, context=["tenant", "settings"]) == []
    assert codes(flow, context=[]) == ["FC402", "FC414"]


def test_decorated_steps_that_need_only_the_input_are_no_orphans() -> None:
    flow = Flow[int, int]("f")

    @flow.step
    def one(number: int = flow.input) -> int:
        return number

    @flow.step
    def other(number: int = flow.input) -> int:
        return number

    flow.returns(one.output)
    assert lint(flow) == []


def test_the_types_of_called_flows_are_known() -> None:
    def given(ctx: SyncNodeContext[int]) -> Page:
        return {"lines": []}

    inner = create_flow("inner").node("a", given)
    flow = create_flow("f").subflow("c", inner).node("b", step, inputs="c.line").edge("c", "b")
    assert codes(flow) == ["FC414"]


class TestCommand:
    @pytest.fixture
    def folder(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        monkeypatch.chdir(tmp_path)
        monkeypatch.syspath_prepend(tmp_path)
        (tmp_path / "odd_flows.py").write_text(
            "from flowcraft_core import create_flow\n"
            "def s(ctx): ...\n"
            "good = create_flow('good').node('a', s)\n"
            "odd = create_flow('odd').node('a', s).node('b', s)\n"
        )
        blueprint = Blueprint.from_json({"id": "j", "nodes": [], "edges": []})
        (tmp_path / "bad.json").write_text(blueprint.to_json())
        return tmp_path

    def test_a_module_a_file_and_one_flow_of_it(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["odd_flows", "odd_flows.py", "odd_flows:good"]) == 0
        lines = capsys.readouterr().out.splitlines()
        assert len(lines) == 4
        assert lines[0].startswith("odd_flows: warning: flow 'odd', no edge leads to node 'a'")
        assert lines[2].startswith("odd_flows.py: warning: flow 'odd', ")

    def test_errors_and_if_strict_warnings_end_with_1(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["bad.json"]) == 1
        assert main(["odd_flows.py", "--strict"]) == 1
        assert main(["odd_flows.py", "--strict", "--ignore", "FC121"]) == 0
        assert "bad.json: error: flow 'j', it has no nodes: add at least one [FC005]" in capsys.readouterr().out

    def test_json_on_the_last_line(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["bad.json", "--json"]) == 1
        said = json.loads(capsys.readouterr().out.splitlines()[-1])
        (problem,) = said["problems"]
        assert (said["ok"], problem["reference"], problem["code"], problem["flow"]) == (False, "bad.json", "FC005", "j")

    @pytest.mark.parametrize("reference", ["nowhere", "nowhere.py", "odd_flows:nothing", "nowhere.json"])
    def test_what_is_not_there_ends_with_2(
        self, folder: Path, reference: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        with pytest.raises(SystemExit) as ended:
            main([reference])
        assert ended.value.code == 2
        assert "there is no" in capsys.readouterr().err

    @pytest.mark.parametrize("code", ["import nowhere", "1 / 0", "raise SystemExit(3)", "def", "raise OSError"])
    @pytest.mark.parametrize("reference", ["broken.py", "broken", "broken:flow"])
    def test_what_cannot_be_imported_ends_with_2(
        self,
        folder: Path,
        code: str,
        reference: str,
        capsys: pytest.CaptureFixture[str],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.delitem(sys.modules, "broken", raising=False)
        (folder / "broken.py").write_text(code)
        with pytest.raises(SystemExit) as ended:
            main([reference])
        assert ended.value.code == 2
        assert f"{reference}: " in capsys.readouterr().err


class TestWhatTheBuilderRefuses:
    @pytest.mark.parametrize(
        ("code", "settings"),
        [
            ("FC107", {"queue": "big machines"}),
            ("FC108", {"retries": -1}),
            ("FC109", {"limit": "openai:"}),
            ("FC109", {"limit": 3}),
            ("FC216", {"tolerated_failure_count": -1}),
            ("FC217", {"concurrency": 0}),
            ("FC218", {"page_size": 0}),
        ],
    )
    def test_it_names_the_rule_and_the_node_as_a_blueprint_does(self, code: str, settings: dict[str, Any]) -> None:
        [problem] = lint(lambda: create_flow("f").batch("pages", step, **settings))
        assert (problem.code, problem.node) == (code, "pages")

    @pytest.mark.parametrize("flow", [create_flow, Flow])
    def test_a_queue_of_the_flow_is_no_nodes(self, flow: Any) -> None:
        [problem] = lint(lambda: flow("f", queue="big machines"))
        assert (problem.code, problem.node) == ("FC107", None)


class TestLimits:
    def test_each_that_a_runtime_does_not_declare_is_told_with_its_flow(self) -> None:
        runtime = FlowRuntime([chain("a", "b", limit=["api", "tenant:{input.tenant}"])])
        told = [(problem.code, problem.flow, problem.node) for problem in lint(runtime)]
        assert told == [("FC505", "f", "a")] * 2 + [("FC505", "f", "b")] * 2

    def test_one_flow_by_itself_is_not_asked_for_them(self) -> None:
        assert codes(chain("a", limit="api")) == []

    @pytest.mark.parametrize(("name", "code"), [("concurrency", "FC217"), ("pageSize", "FC218")])
    def test_a_blueprint_is_told_which_number_of_items_is_none(self, name: str, code: str) -> None:
        batch = {"id": "pages", "uses": "batch", "params": {"workerUsesKey": "count", name: True}}
        assert codes(lambda: Blueprint.from_json({"id": "f", "nodes": [batch]})) == [code]


def test_a_decorated_flow_that_handles_a_failure_has_no_joins_that_miss_it() -> None:
    flow = Flow[str, str]("f")

    @flow.step
    def one(text: str = flow.input) -> str:
        return text

    @flow.step
    def two(text: str = flow.input) -> str:
        return text

    @flow.step
    def both(first: str = one.output, second: str = two.output) -> str:
        return first + second

    @flow.step
    def instead(error: ErrorData = one.failed.output) -> str:
        return error["message"]

    flow.returns(first_of(both.output, instead.output))
    assert "both.gate" in {node.id for node in flow.to_blueprint().nodes}
    assert codes(flow) == []


def test_the_size_of_pages_is_a_field_that_may_be_misspelt() -> None:
    batch = {"id": "pages", "uses": "batch", "params": {"workerUsesKey": "count", "pagesSize": 10}}
    assert codes(Blueprint.from_json({"id": "f", "nodes": [batch]})) == ["FC007"]
