"""Formatters, on the engine's records and on those of others; and what a newcomer sees without setting anything up."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import math
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from flowcraft_core import FlowRuntime, NodeContext, RunFailedError, RunResult, create_flow
from flowcraft_core.durable import StoredResult
from flowcraft_core.logging import ContextFormatter, JsonFormatter
from flowcraft_core.logging.catalogue import ATTEMPT_FAILED, PASSED_ON
from flowcraft_core.logging.journal import Journal, Rarely, node_of

Ctx = NodeContext[Any, Any]


def record(message: object = "hello", *args: Any, **extra: Any) -> logging.LogRecord:
    return logging.getLogger("someone.else").makeRecord(
        "someone.else", logging.INFO, __file__, 1, message, args, None, extra=extra
    )


def failed(message: str = "it broke") -> logging.LogRecord:
    try:
        raise ValueError("first line\nsecond line")
    except ValueError:
        return logging.LogRecord("someone.else", logging.ERROR, __file__, 1, message, (), sys.exc_info())


class Hostile:
    def __repr__(self) -> str:
        raise RuntimeError("no repr")

    def __str__(self) -> str:
        raise RuntimeError("no str")


def _circle() -> list[Any]:
    circle: list[Any] = []
    circle.append(circle)
    return circle


FOREIGN = {
    "plain": record(),
    "arguments": record("%s and %d", "one", 2),
    "arguments that do not fit": record("%d of %s", "one"),
    "a dict of arguments": record("%(a)s", {"a": 1}),
    "no text": record(["not", "text"]),
    "an error": failed(),
    "two lines": record("one\ntwo"),
    "hostile text": record("\ud800 \x00 \x1b[31m"),
    "hostile arguments": record("%s", Hostile()),
    "fields of all kinds": record("x", number=1, none=None, nan=math.nan, raw=b"\xff", many={("a", 1): {2}}),
    "a circle": record("x", circle=_circle()),
    "a hostile field": record("x", field=Hostile()),
    "fields by taken names": record("x", level="mine", timestamp="mine", exception="mine"),
}


class TestJsonFormatter:
    @pytest.mark.parametrize("name", FOREIGN)
    def test_gives_one_object_on_one_line_for_any_record(self, name: str) -> None:
        text = JsonFormatter().format(FOREIGN[name])
        assert text.isascii()
        assert text.isprintable()
        line = json.loads(text, parse_constant=lambda constant: pytest.fail(f"{constant} is no JSON"))
        assert line["logger"] == "someone.else"
        assert line["level"] in ("INFO", "ERROR")
        assert datetime.fromisoformat(line["timestamp"]).utcoffset() is not None

    def test_has_the_fields_that_were_given_under_their_names(self) -> None:
        line = json.loads(JsonFormatter().format(record("x %s", 1, run_id="r", order=5, nested={"a": [1]})))
        assert {name: line[name] for name in ("message", "run_id", "order", "nested")} == {
            "message": "x 1",
            "run_id": "r",
            "order": 5,
            "nested": {"a": [1]},
        }

    def test_keeps_a_field_by_one_of_its_own_names(self) -> None:
        line = json.loads(JsonFormatter().format(FOREIGN["fields by taken names"]))
        assert (line["level"], line["level_"], line["exception_"]) == ("INFO", "mine", "mine")

    def test_has_the_traceback_inside(self) -> None:
        line = json.loads(JsonFormatter().format(failed()))
        assert line["exception"].startswith("Traceback")
        assert line["exception"].endswith("ValueError: first line\nsecond line")

    def test_says_what_does_not_fit_beside_what_does(self) -> None:
        line = json.loads(JsonFormatter().format(record("x", good=1, bad=math.nan)))
        assert (line["good"], line["bad"]) == (1, "nan")

    def test_leaves_the_record_as_it_is_for_other_handlers(self) -> None:
        bad = record("%d of %s", "one")
        JsonFormatter().format(bad)
        assert (bad.msg, bad.args) == ("%d of %s", ("one",))


class TestContextFormatter:
    @pytest.mark.parametrize("name", FOREIGN)
    def test_gives_a_line_for_any_record(self, name: str) -> None:
        assert "someone.else" in ContextFormatter().format(FOREIGN[name])

    def test_shows_where_it_happened_behind_the_line(self) -> None:
        line = ContextFormatter("%(message)s").format(record("hi", run_id="r", instance="pages[1].ocr", attempt=2))
        assert line == 'hi [run_id=r instance="pages[1].ocr" attempt=2]'

    def test_adds_nothing_to_the_lines_of_others(self) -> None:
        assert ContextFormatter("%(message)s").format(record("hi", other=1)) == "hi"

    def test_fills_fields_that_a_format_names_and_a_record_lacks(self) -> None:
        formatter = ContextFormatter("%(run_id)s %(message)s")
        assert formatter.format(record("hi")) == "- hi"
        assert formatter.format(record("hi", run_id="r")) == "r hi"
        assert ContextFormatter("{run_id} {message}", style="{").format(record("hi")) == "- hi"

    def test_keeps_a_hostile_id_on_its_line(self) -> None:
        line = ContextFormatter("%(message)s").format(record("hi", run_id="r\nERROR root: forged ] x=1"))
        assert line.count("\n") == 0
        assert line == 'hi [run_id="r\\nERROR root: forged ] x=1"]'

    def test_has_the_traceback_below(self) -> None:
        assert ContextFormatter("%(message)s").format(failed()).endswith("ValueError: first line\nsecond line")


class TestJournal:
    @pytest.fixture
    def lines(self) -> Iterator[io.StringIO]:
        stream, logger = io.StringIO(), logging.getLogger("flowcraft")
        handler = logging.StreamHandler(stream)
        logger.addHandler(handler)
        yield stream
        logger.removeHandler(handler)

    def test_keeps_ids_and_reasons_on_one_line(self, lines: io.StringIO) -> None:
        journal = Journal({"run_id": "r\nERROR forged"})
        journal.tell(PASSED_ON, ValueError(), at="a", reason="one\ntwo \ud800", seconds=1.0, times=1)
        assert lines.getvalue().count("\n") == 1
        assert "r\\nERROR forged" in lines.getvalue()

    @pytest.mark.parametrize("text", ["a lone surrogate \ud83d", "\x00"])
    def test_writes_a_traceback_that_any_stream_takes(self, lines: io.StringIO, text: str) -> None:
        try:
            raise ValueError(text)
        except ValueError as error:
            Journal({"run_id": "r"}).tell(ATTEMPT_FAILED, error, at="a", attempt=1, retry_in=1.0)
        assert "in test_writes_a_traceback" in lines.getvalue()
        assert lines.getvalue().encode()

    @pytest.mark.parametrize("raised", [RuntimeError, KeyboardInterrupt])
    def test_survives_errors_that_have_no_text(self, lines: io.StringIO, raised: type[BaseException]) -> None:
        class MuteError(Exception):
            def __str__(self) -> str:
                raise raised

        Journal({"run_id": "r"}).tell(ATTEMPT_FAILED, MuteError(), at="a", attempt=1, retry_in=1.0)
        assert lines.getvalue().startswith("run r: attempt 1 at a failed")

    def test_says_from_where_it_was_told(self, lines: io.StringIO) -> None:
        logging.getLogger("flowcraft").handlers[-1].setFormatter(logging.Formatter("%(funcName)s"))
        Journal({"run_id": "r"}).tell(PASSED_ON, ValueError(), at="a", reason="", seconds=1.0, times=1)
        assert lines.getvalue() == "test_says_from_where_it_was_told\n"

    def test_does_no_work_for_what_is_not_heard(self) -> None:
        logging.getLogger("flowcraft").setLevel(logging.ERROR)
        try:
            Journal().tell(ATTEMPT_FAILED)  # it has none of its fields, and nobody asks for them
        finally:
            logging.getLogger("flowcraft").setLevel(logging.NOTSET)

    @pytest.mark.parametrize(
        ("key", "node_id"),
        [
            ("check", "check"),
            ("retry_loop[2].check", "check"),
            ("retry_loop[2]", "retry_loop"),
            ("charge/validate", "validate"),
            ("charge:entry", "charge"),
            ("a[1].b[2].c%2Ed", "c.d"),
            ("", ""),
        ],
    )
    def test_knows_the_node_of_a_key(self, key: str, node_id: str) -> None:
        assert node_of(key) == node_id


class TestRarely:
    def test_says_a_thing_at_once_and_then_ever_more_rarely_with_its_count(self) -> None:
        rarely, said = Rarely(), []
        for second in range(3_600):
            if times := rarely.times("it", float(second)):
                said.append((second, times))
        assert said[:4] == [(0, 1), (5, 5), (15, 10), (35, 20)]
        assert len(said) == 10
        assert sum(times for _, times in said) <= 3_600

    def test_says_what_begins_anew_at_once(self) -> None:
        rarely = Rarely()
        for second in range(100):
            rarely.times("it", float(second))
        assert rarely.times("it", 10_000.0) == 1

    def test_tells_things_apart(self) -> None:
        rarely = Rarely()
        assert [rarely.times(what, 0.0) for what in ("a", "b", "a")] == [1, 1, 0]

    def test_remembers_a_bounded_number_of_things(self) -> None:
        rarely = Rarely()
        for number in range(30_000):
            assert rarely.times(number, 0.0) == 1
        assert len(rarely._known) <= 10_000


PROGRAM = """
from flowcraft_core import FlowRuntime, create_flow

def report(ctx):
    return ctx.input["cities"]

flow = create_flow("letters").node("fetch", lambda ctx: ["a"]).node("report", report).edge("fetch", "report")
result = FlowRuntime([flow]).run_sync(flow, run_id="r")
print(result)
result.raise_for_status()
"""


class TestANewcomersFirstBug:
    @pytest.fixture
    def seen(self, tmp_path: Path) -> tuple[str, str]:
        """What the program prints, and what it says beside that, with no logging set up."""
        program = tmp_path / "letters.py"
        program.write_text(textwrap.dedent(PROGRAM))
        done = subprocess.run([sys.executable, str(program)], capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 1
        return done.stdout, done.stderr

    def test_is_on_the_screen_with_its_line_and_without_the_engines(self, seen: tuple[str, str]) -> None:
        logged, _, raised = seen[1].partition("run r of flow 'letters' has failed")
        assert logged.splitlines()[0] == "run r: attempt 1 at report failed, and with it the node for good"
        assert 'letters.py", line 5, in report' in logged
        assert "flowcraft_core" not in logged
        assert logged.rstrip().endswith("TypeError: list indices must be integers or slices, not str")
        assert "report: TypeError: list indices" in raised

    def test_is_in_the_results_repr(self, seen: tuple[str, str]) -> None:
        assert seen[0] == (
            "RunResult('r', failed, 2 instances, report: TypeError: list indices must be integers or slices, not str)\n"
        )

    def test_is_raised_on_demand_with_the_steps_traceback(self, seen: tuple[str, str]) -> None:
        assert "RunFailedError: run 'r' has failed: report: TypeError: list indices" in seen[1]
        assert seen[1].count('letters.py", line 5, in report') == 2


class TestRaiseForStatus:
    async def test_gives_the_result_of_a_run_that_has_not_failed(self) -> None:
        async def one(ctx: Ctx) -> int:
            return 1

        flow = create_flow("f").node("a", one).node("b", one)
        result = await FlowRuntime([flow]).run(flow)
        assert result.raise_for_status() is result
        waits = create_flow("w").wait("approval")
        waiting: RunResult = await FlowRuntime([waits]).run(waits)
        assert waiting.raise_for_status() is waiting

    async def test_lists_every_failure(self) -> None:
        gate = asyncio.Barrier(2)

        async def broken(ctx: Ctx) -> None:
            await gate.wait()
            raise ValueError(f"bug in {ctx.node_id}")

        async def items(ctx: Ctx) -> list[int]:
            return [0, 1]

        flow = create_flow("f").node("s", items).batch("both", broken).edge("s", "both")
        result = await FlowRuntime([flow]).run(flow, run_id="r")
        with pytest.raises(RunFailedError, match=r"^run 'r' has failed:") as raised:
            result.raise_for_status()
        assert raised.value.errors == result.errors
        assert all(str(error) in str(raised.value) for error in result.errors)
        assert len(raised.value.__notes__) == 2 * len(result.errors)  # the way to each, and its traceback

    async def test_is_raised_of_a_cancelled_run_too(self) -> None:
        waits = create_flow("w").wait("approval")
        handle = FlowRuntime([waits]).start(waits, run_id="r")
        handle.cancel()
        with pytest.raises(RunFailedError, match=r"^run 'r' was cancelled") as raised:
            (await handle.result()).raise_for_status()
        assert raised.value.status == "cancelled"

    def test_tells_the_reason_of_a_stored_run_without_failures(self) -> None:
        result = StoredResult("r", "failed", {}, {}, (), "gave up at c after 601 s", 0)
        with pytest.raises(RunFailedError, match=r"^run 'r' has failed: gave up at c after 601 s$"):
            result.raise_for_status()
        assert StoredResult("r", "running", {}, {}, (), None, 0).raise_for_status().status == "running"

    def test_survives_being_copied_between_processes(self) -> None:
        import copy

        error = RunFailedError("r", "failed", (), "why")
        assert str(copy.copy(error)) == str(error)


def test_the_package_adds_no_handler_and_sets_no_level() -> None:
    code = """
import logging, flowcraft_core, flowcraft_core.durable, flowcraft_core.logging
for name, logger in logging.root.manager.loggerDict.items():
    if name.startswith("flowcraft") and isinstance(logger, logging.Logger):
        assert not logger.handlers and not logger.level, name
assert not logging.root.handlers
print("none")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "none"
