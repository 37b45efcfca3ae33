import re
import subprocess
import sys
from typing import Any

import pytest
from flowcraft_core import Blueprint, Flow, FlowBuilder, FlowRuntime, RunResult, create_flow
from flowcraft_core.graph.compile import compile_blueprint
from flowcraft_core.pictures import mermaid, picture_of, svg
from flowcraft_core.pictures.showing import MOST_SHOWN
from flowcraft_core.runtime.pictures import picture_of_recorded
from hypothesis import given
from hypothesis import strategies as st

from .helpers import boxes, lines, root_of, shown_texts, words


async def one(ctx: Any) -> int:
    return 1


async def fails(ctx: Any) -> None:
    raise ValueError("no")


def nested() -> FlowBuilder:
    """A loop with a batch of called flows inside, a branch, a fallback and a wait."""

    async def count(ctx: Any) -> int:
        number = int(await ctx.context.get("n", 0)) + 1
        await ctx.context.set("n", number)
        return number

    async def pages(ctx: Any) -> list[int]:
        return [1, 2, 3]

    page = create_flow("page").node("ocr", one).node("check", one).edge("ocr", "check")
    flow = create_flow("nested").node("begin", one).node("pages", pages).batch("read", page).node("count", count)
    flow.edge("begin", "pages").edge("pages", "read").edge("read", "count")
    flow.loop("again", start="pages", end="count", condition="context.n < 2").edge("again", "judge")
    flow.node("judge", one).node("good", one, fallback=one).node("bad", one).wait("ask")
    flow.edge("judge", "good", condition="result.output == 1").edge("judge", "bad", condition="result.output == 2")
    return flow.edge("good", "ask")


def run(flow: FlowBuilder) -> RunResult:
    return FlowRuntime([flow]).run_sync(flow, run_id="r1")


def test_a_flow_is_drawn_with_what_is_inside_of_its_constructs() -> None:
    found = boxes(nested().to_svg())
    assert set(found) == {
        *("begin", "again", "pages", "read", "ocr", "check", "count", "again?"),
        *("judge", "good", "bad", "ask", "fallback"),
    }
    assert {"pages", "ocr", "check", "count"} <= set(found["again"].inside)
    assert {text for text in found["read"].inside if not text.startswith("from")} == {"ocr", "check"}
    assert found["ask"].looks == {"wait"}
    assert "from again to pages: open" in lines(nested().to_svg())  # to the next pass
    assert "from judge to good, if result.output == 1: open" in lines(nested().to_svg())


def test_a_run_is_drawn_with_the_ways_it_took_states_and_counts() -> None:
    drawn = run(nested()).to_svg()
    found, ways = boxes(drawn), lines(drawn)
    assert {label: found[label].looks for label in ("judge", "bad", "ask")} == {
        "judge": {"step", "done"},
        "bad": {"step", "dead"},
        "ask": {"wait", "waiting"},
    }
    assert found["again"].told == "again; loop · 2 passes · done"
    assert found["read"].told == "read; batch · calls page · 6 items"
    assert found["ocr"].told == "ocr; 6 done"
    assert {
        "from ocr to check, \u00d76: taken",
        "from pages to read, \u00d72: taken",
        "from again to pages: taken",
        "from judge to good, if result.output == 1: taken",
        "from judge to bad, if result.output == 2: skipped",
        "from good to ask: flowing",
    } <= ways
    assert shown_texts(drawn)[0] == "nested · r1 · awaiting"


def test_a_fallback_is_drawn_with_whether_it_stood_in() -> None:
    flow = create_flow("f").node("shaky", fails, fallback="spare").node("spare", one)
    drawn = run(flow).to_svg()
    assert boxes(drawn)["spare"].looks == {"fallback", "done"}
    assert boxes(drawn)["shaky"].told == "shaky; done · by spare"
    assert "from shaky to fallback spare, fallback: taken" in lines(drawn)
    calm = run(create_flow("f").node("shaky", one, fallback="spare").node("spare", one)).to_svg()
    assert boxes(calm)["spare"].looks == {"fallback", "dead"}


def test_failed_items_are_counted_apart() -> None:
    async def items(ctx: Any) -> list[int]:
        return [1, 2, 3]

    async def odd(ctx: Any) -> None:
        if ctx.input == 2:
            raise ValueError("even")

    each = create_flow("each").node("odd", odd)
    flow = create_flow("f").node("items", items).batch("all", each, tolerated_failure_count=1).edge("items", "all")
    found = boxes(run(flow).to_svg())
    assert found["odd"].told == "odd; 2 done, 1 failed"
    assert found["odd"].looks == {"step", "failed"}
    assert found["all"].looks >= {"batch", "done"}


def test_what_was_undone_is_said() -> None:
    flow = create_flow("f").node("book", one, undo=one).node("pay", fails).edge("book", "pay")
    assert boxes(run(flow).to_svg())["book"].told == "book; done · undone"


def test_a_recorded_run_is_drawn_as_the_run_was() -> None:
    result = run(nested())
    assert svg(picture_of_recorded(result.state)) == result.to_svg()
    done = FlowRuntime([nested()]).resume_sync(result.state, "ask")
    assert svg(picture_of_recorded(done.state)) == done.to_svg()
    assert boxes(done.to_svg())["ask"].looks == {"wait", "done"}


async def test_a_waiting_result_is_drawn_as_it_stood_though_the_run_has_gone_on() -> None:
    flow = nested()
    handle = FlowRuntime([flow]).start(flow)
    waiting = await handle.result()
    handle.resume("ask")
    await handle.result()
    assert boxes(waiting.to_svg())["ask"].looks == {"wait", "waiting"}


def test_a_flow_of_decorated_steps_is_drawn_alike() -> None:
    flow = Flow[int, int]("typed")

    @flow.step
    def double(number: int = flow.input) -> int:
        return 2 * number

    flow.returns(double.output)
    assert set(boxes(flow.to_svg())) == {"double"}


def test_a_flow_that_calls_itself_is_not_opened_again() -> None:
    blueprint = Blueprint.from_json(
        {"id": "round", "nodes": [{"id": "on", "uses": "subflow", "params": {"blueprintId": "round"}}]}
    )
    graph = compile_blueprint(blueprint)
    drawn = svg(picture_of(graph, {"round": graph}.get))
    assert boxes(drawn)["on"].told == "on; calls round"


def test_mermaid_nests_what_svg_nests() -> None:
    text = run(nested()).to_mermaid()
    assert text.startswith("flowchart TD\n")
    assert text.count("subgraph") == text.count("    end\n") == 2
    assert "✓ again · loop · 2 passes · done" in words(text)
    assert "classDef done" in text
    assert re.search(r'n\d+ ==>\|"#215;6"\| n\d+', text)


NASTY = [
    'a"] --> b["x',
    "<script>alert(1)</script>",
    "]]></style><img src=x onerror=alert(1)>",
    "end",
    "`markdown` **bold** _x_",
    "1. a list",
    "#quot; &amp; #35;",
    "%%{init: {}}%%",
    "click n0 href javascript:alert(1)",
    "line\nbreak\x00\x07",
]


@pytest.mark.parametrize("name", NASTY)
def test_no_name_is_anything_but_text(name: str) -> None:
    flow = create_flow(name).node(name, one).node("b", one).edge(name, "b", action=name)
    drawn = flow.to_svg()
    readable = "".join(character if character.isprintable() or character == "\n" else "\ufffd" for character in name)
    assert {box.told for box in boxes(drawn).values()} == {readable, "b"}
    assert {each.tag.rpartition("}")[2] for each in root_of(drawn).iter()} <= {
        *("svg", "style", "rect", "text", "g", "title", "path"),
    }
    text = flow.to_mermaid()
    flat = " ".join(name.split())
    assert words(text) == [flat, "b", flat]
    assert [re.sub(r'"[^"]*"', '""', line) for line in text.splitlines()] == [
        "flowchart TD",
        '    n0[""]',
        '    n1[""]',
        '    n0 -->|""| n1',
    ]


_PRINTED = st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=30)


@given(st.lists(_PRINTED, min_size=1, max_size=4, unique=True))
def test_whatever_a_node_is_called_a_picture_can_be_read_again(names: list[str]) -> None:
    flow = create_flow("f")
    for name in names:
        flow.node(name, one)
    assert {box.told for box in boxes(flow.to_svg()).values()} == set(names)
    assert words(flow.to_mermaid()) == [" ".join(name.split()) for name in names]


def test_a_notebook_is_shown_the_picture_or_why_there_is_none() -> None:
    flow = create_flow("f").node("a", one)
    bundle = flow._repr_mimebundle_()
    assert bundle["image/svg+xml"] == flow.to_svg()
    assert run(flow)._repr_mimebundle_()["text/plain"].startswith("RunResult('r1', completed")
    broken = create_flow("f").node("a", one).edge("a", "gone")._repr_mimebundle_()
    assert list(broken) == ["text/plain"]
    assert "there is no node 'gone'" in broken["text/plain"]


def test_a_flow_too_large_to_be_shown_is_still_drawn_on_demand() -> None:
    flow = create_flow("f")
    for number in range(MOST_SHOWN + 1):
        flow.node(f"n{number}", one)
    assert "to_svg() draws them all" in flow._repr_mimebundle_()["text/plain"]
    assert len(boxes(flow.to_svg())) == MOST_SHOWN + 1


def test_nothing_of_pictures_is_loaded_before_somebody_wants_one() -> None:
    code = (
        "import sys, flowcraft_core\n"
        "flow = flowcraft_core.create_flow('f').node('a', lambda ctx: 1)\n"
        "flowcraft_core.FlowRuntime([flow]).run_sync(flow)\n"
        "print(sorted(name for name in sys.modules if name.startswith('flowcraft_core.pictures')))\n"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_mermaid_and_svg_are_the_same_for_the_same_flow() -> None:
    one_, other = nested(), nested()
    assert (one_.to_svg(), one_.to_mermaid()) == (other.to_svg(), other.to_mermaid())
    graph = one_.compile()
    assert "calls page" in mermaid(picture_of(graph, lambda _: None))
