import contextlib
import json
import os
import re
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from typing import Any
from xml.etree import ElementTree as ET

import click
import flowcraft_ui.serving  # before a test has modules of its own: some of these can be loaded only once
import pytest
from click.testing import CliRunner
from flowcraft_cli import main
from flowcraft_cli.exits import Exit
from flowcraft_cli.loading import load_flow
from flowcraft_cli.output import Output
from flowcraft_cli.settings import Settings
from flowcraft_core.ports import Message

from .helpers import FLOWS, Commanding

BIG, SMALL = '{"items": {"car": 5000}}', '{"items": {"tea": 3, "pot": 20}}'


ODD = """
from flowcraft_core import create_flow

VALUES = {"keys": {("Oslo", 2026): 3}, "big": 10**5000, "half": "caf\\udce9 \\ud800", "nan": float("nan")}
flows = [create_flow(name).node("n", lambda ctx, value=value: value) for name, value in VALUES.items()]
keys, big, half, nan = flows
"""


# --- flows ---


def test_lint_lists_all_that_building_refuses(cli: Commanding) -> None:
    cli.write(
        "bad.py",
        "from flowcraft_core import create_flow\nasync def a(ctx): ...\n"
        "flow = create_flow('bad').node('a', a).edge('a', 'b').edge('c', 'a')",
    )
    said = cli.said("lint", "bad", "shop", code=1)
    assert [(problem["reference"], problem["flow"], problem["code"]) for problem in said["problems"]] == [
        ("bad", "bad", "FC102"),
        ("bad", "bad", "FC102"),
    ]
    assert (said["errors"], said["warnings"], said["flows"]) == (2, 0, ["bad", "order", "asking"])
    assert cli.said("lint", "shop")["problems"] == []


def test_lint_warns_of_what_is_seldom_meant_and_is_content_unless_it_is_strict(cli: Commanding) -> None:
    cli.write(
        "odd.py",
        "from flowcraft_core import create_flow\nasync def s(ctx): ...\n"
        "inner = create_flow('inner').node('a', s).node('c', s).node('j', s).node('h', s)"
        ".edge('a', 'j').edge('c', 'j').edge('a', 'h', on='failure')\n"
        "flow = create_flow('odd').subflow('call', inner)\n",
    )
    said = cli.said("lint", "odd:flow")
    (warning,) = said["problems"]
    assert (said["ok"], warning["severity"], warning["reference"]) == (True, "warning", "odd:flow")
    assert (warning["flow"], warning["node"], warning["code"]) == ("inner", "j", "FC125")
    assert warning["problem"].startswith("node 'j': it may go on without 'a'")
    text = cli("lint", "odd:flow", "shop").stdout
    assert f"odd:flow: warning: flow 'inner', {warning['problem']} [FC125]" in text
    assert "3 flows, nothing to mend, 1 warning: odd, order, asking" in text
    assert cli.said("lint", "odd:flow", "--strict", code=1)["errors"] == 0
    assert cli.said("lint", "odd:flow", "--strict", "--ignore", "FC125")["problems"] == []
    cli.write("flowcraft.toml", 'lint_ignore = ["FC1"]\n')
    assert cli.said("lint", "odd:flow", "--strict")["problems"] == []
    assert "no rule 'FC9' to ignore" in cli("lint", "odd:flow", "--ignore", "FC9", code=2).output


def test_lint_explains_a_rule_by_its_example(cli: Commanding) -> None:
    said = cli.said("lint", "--explain", "fc102")
    assert (said["rule"]["name"], "stroe" in said["bad"], "stroe" in said["good"]) == ("unknown-end", True, False)
    assert "An edge leads from or to a node that is not there." in cli("lint", "--explain", "FC102").stdout
    assert "there is no rule 'FC999'" in cli("lint", "--explain", "FC999", code=2).output


def test_lint_takes_the_names_of_what_runs_are_started_with(cli: Commanding) -> None:
    cli.write(
        "given.py",
        "from flowcraft_core import create_flow\nasync def s(ctx): ...\n"
        "flow = create_flow('given').node('a', s).node('b', s).edge('a', 'b', condition='tenant')",
    )
    assert cli.said("lint", "given")["problems"] == []
    assert cli.said("lint", "given", "--context", "tenant")["problems"] == []
    (problem,) = cli.said("lint", "given", "--context", "customer")["problems"]
    assert problem["code"] == "FC402"


def test_lint_names_a_step_that_is_missing(cli: Commanding) -> None:
    cli.write("missing.py", "from flowcraft_core import create_flow\nflow = create_flow('f').node('a', 'nobodys')")
    (problem,) = cli.said("lint", "missing", code=1)["problems"]
    assert "nobodys" in problem["problem"]
    assert (problem["code"], problem["node"]) == ("FC501", "a")


def test_a_graph_is_drawn_with_what_ids_would_break_escaped(cli: Commanding) -> None:
    cli.write(
        "odd.py",
        "from flowcraft_core import create_flow\nasync def s(ctx): ...\n"
        "flow = create_flow('odd').node('a\"]', s).node('end', s, fallback='b').node('b', s)"
        ".edge('a\"]', 'end', action='go', condition='result.output > 1').edge('a\"]', 'end', on='failure')",
    )
    text = cli("graph", "odd").stdout
    assert text.splitlines()[0] == "flowchart TD"
    assert 'n0["a#34;#93;"]' in text
    assert 'n0 -->|"go#44; if result.output #62; 1"| n1' in text
    assert 'n0 -->|"on failure"| n1' in text
    assert 'n1 -.->|"fallback"| n2' in text
    picture = cli("graph", "odd", "--svg").stdout
    assert "<title>a&quot;]</title>" in picture
    assert ET.fromstring(picture).tag == "{http://www.w3.org/2000/svg}svg"


def test_a_stored_run_is_drawn_with_the_ways_it_took(cli: Commanding) -> None:
    cli("run", "shop:asking", "--input", SMALL, "--id", "r", "-b", cli.url, code=Exit.WAITING)
    said = cli.said("graph", "--run", "r", "--svg", "-b", cli.url)
    assert (said["run"], said["boxes"]) == ("r", 3)
    assert "<title>approve; wait · waiting</title>" in said["svg"]
    assert "from price to approve: flowing" in said["svg"]
    assert "==>" in cli("graph", "--run", "r", "-b", cli.url).stdout
    assert "not both" in cli("graph", "shop:asking", "--run", "r", "-b", cli.url, code=2).output


def test_the_schema_is_printed(cli: Commanding) -> None:
    assert json.loads(cli("schema").stdout) == cli.said("schema")["schema"]
    assert cli.said("schema")["schema"]["required"] == ["id", "nodes"]


def test_two_flows_are_told_apart_field_by_field_also_in_yaml(cli: Commanding) -> None:
    cli.write("one.json", '{"id": "f", "nodes": [{"id": "a", "uses": "u"}]}')
    cli.write("two.yaml", "id: f\nnodes:\n- id: a\n  uses: v\n- {id: b, uses: u}\n")
    assert cli("diff", "--flows", "one.json", "two.yaml", code=1).stdout.splitlines() == [
        '~ node a: uses: "u" -> "v"',
        '+ node b: {"uses": "u"}',
    ]
    (change, _) = cli.said("diff", "--flows", "one.json", "two.yaml", code=1)["changes"]
    assert (change["at"], change["field"], change["before"], change["after"]) == ("a", "uses", "u", "v")
    assert "do not differ" in cli("diff", "--flows", "two.yaml", "two.yaml").stdout
    cli.write("bad.yml", "id: f\nnodes:\n- id: a\n")
    assert "line 3: blueprint.nodes[0] has no 'uses'" in cli("lint", "bad.yml", code=1).output


# --- running in this process ---


def test_a_run_in_process_says_what_came_out(cli: Commanding) -> None:
    said = cli.said("run", "shop:order", "--input", SMALL)
    assert (said["state"], said["outputs"]) == ("completed", {"price": 23, "pay": "paid 23"})


def test_a_run_that_fails_exits_with_1_and_names_the_step(cli: Commanding) -> None:
    result = cli("run", "shop:order", "-i", BIG, code=1)
    assert "pay" in result.stdout
    assert "5000 is too much" in result.stdout
    assert cli.said("run", "shop:order", "-i", BIG, code=1)["errors"][0]["node_id"] == "pay"


def test_a_run_that_waits_for_somebody_exits_with_6(cli: Commanding) -> None:
    assert cli.said("run", "shop:asking", "-i", SMALL, code=6)["waiting"] == ["approve"]


@pytest.mark.parametrize("how", ["-", "@input.json"])
def test_input_is_read_from_a_file_or_standard_input(cli: Commanding, how: str) -> None:
    cli.write("input.json", SMALL)
    assert cli.said("run", "shop:order", "-i", how, stdin=SMALL)["outputs"]["price"] == 23


@pytest.mark.parametrize("text", ["{", "[1]", '{"a": NaN}', "@nowhere.json"])
def test_input_that_cannot_be_used_is_refused(cli: Commanding, text: str) -> None:
    said = cli.said("run", "shop:order", "-i", text, code=2)
    assert "--input" in said["error"]["message"]


# --- on a backend ---


def test_a_run_on_a_backend_is_stored_and_listed(cli: Commanding) -> None:
    here = ("-b", cli.url)
    assert cli.said("run", "shop:order", "-i", SMALL, "--id", "first", "-t", "a=b", *here)["state"] == "completed"
    assert cli.said("run", "shop:order", "-i", BIG, "--id", "second", *here, code=1)["state"] == "failed"
    assert {run["run_id"]: run["state"] for run in cli.said("list", *here)["runs"]} == {
        "first": "completed",
        "second": "failed",
    }
    assert [run["run_id"] for run in cli.said("list", "-s", "failed", *here)["runs"]] == ["second"]
    assert [run["run_id"] for run in cli.said("list", "--tag", "a=b", *here)["runs"]] == ["first"]
    assert cli.said("list", "--limit", "1", *here)["more"]
    assert len(cli("list", *here).stdout.splitlines()) == 2
    assert cli.ask(lambda client: client.result("first")).outputs["pay"] == "paid 23"


@pytest.mark.parametrize(
    "command", ["list", "show run", "cancel run", "waits", "queues", "purge --older-than 1d --yes"]
)
def test_who_looks_at_runs_creates_no_file_where_there_is_none(cli: Commanding, command: str) -> None:
    """Else a mistyped path is a new place without runs."""
    result = cli(*command.split(), "-b", cli.url, code=5)
    assert f"there is no SQLite file '{cli.folder}/runs.db'" in result.stderr
    assert not list(cli.folder.glob("runs.db*"))


def test_start_begins_a_run_once(cli: Commanding) -> None:
    here = ("-b", cli.url)
    assert cli.said("start", "shop:order", "-i", SMALL, "--id", "x", "--run-timeout", "1h", *here)["created"]
    assert not cli.said("start", "shop:order", "-i", SMALL, "--id", "x", *here)["created"]
    assert cli.ask(lambda client: client.status("x")).state == "running"
    assert cli("start", "shop:order", "-i", SMALL, "--id", "y", *here).stdout == "y\n"
    assert cli.said("start", "shop:order", "--id", "x", "--wait", "--timeout", "0s", *here, code=6)


def test_cancel_ends_a_run_and_says_when_it_had_ended(cli: Commanding) -> None:
    here = ("-b", cli.url)
    cli("start", "shop:order", "--id", "x", *here)
    assert cli.said("cancel", "x", "--reason", "twice", *here)["cancelled"] == {"x": True}
    assert cli.ask(lambda client: client.status("x")).reason == "twice"
    assert cli.said("cancel", "x", *here, code=4)["cancelled"] == {"x": False}
    assert "run x had ended already" in cli("cancel", "x", *here, code=4).stdout


def test_cancel_says_what_is_done_though_some_runs_are_not_there(cli: Commanding) -> None:
    here = ("-b", cli.url)
    for run in ("a", "b"):
        cli("start", "shop:order", "--id", run, *here)
    said = cli.said("cancel", "a", "nobody", "b", *here, code=3)
    assert (said["cancelled"], said["unknown"]) == ({"a": True, "b": True}, ["nobody"])
    assert "no run 'nobody'" in cli("cancel", "nobody", *here, code=3).stderr


def test_an_id_of_a_run_of_another_flow_is_refused(cli: Commanding) -> None:
    """Else its outputs would be taken for those of the flow that was meant."""
    here = ("-b", cli.url)
    cli("run", "shop:order", "-i", SMALL, "--id", "x", *here)
    for command in (("run",), ("start",), ("start", "--wait")):
        said = cli.said(*command, "shop:asking", "--id", "x", *here, code=4)
        assert "'x' is one of flow 'order', not of 'asking'" in said["error"]["message"]
    assert "another input" in cli("start", "shop:order", "-i", BIG, "--id", "x", *here).stderr


def test_a_time_without_a_unit_is_seconds(cli: Commanding) -> None:
    here = ("-b", cli.url)
    cli("start", "shop:order", "--id", "x", *here)
    assert "still running after 0.1s" in cli("tail", "x", "--timeout", "0.1", *here, code=6).stderr
    refused = cli.said("tail", "x", "--timeout", "soon", *here, code=2)["error"]["message"]
    assert "'--timeout': 'soon': give seconds, or a time such as" in refused


def test_what_is_not_there_is_said_to_be_unknown(cli: Commanding) -> None:
    here = ("-b", cli.url)
    cli("start", "shop:asking", "-i", SMALL, "--id", "x", *here)
    cli("schedules", "make", "often", "shop:order", "--every", "3600", *here)
    refused = cli.said("schedules", "make", "often", "shop:order", "--every", "2h", *here, code=2)
    assert "make it with --replace" in refused["error"]["message"]
    assert cli.said("schedules", "remove", "often", "--yes", *here)["removed"] == "often"
    for command in (
        "schedules remove often --yes",
        "schedules remove nosuch --yes",
        "resume x nosuch",
        "resume x price",
        "resume x nosuch --early",
        "show x --inside nosuch",
        "purge nosuch --yes",
        "dead-letters show nosuch",
        "dead-letters drop nosuch --yes",
    ):
        said = cli.said(*command.split(), *here, code=3)["error"]["message"]
        assert "nosuch" in said or "often" in said or "price" in said
        assert ("no run 'nosuch'" in said) is command.startswith("purge")


def test_a_reader_that_has_gone_is_no_failure(cli: Commanding) -> None:
    here = ("-b", cli.url)
    cli("start", "shop:order", "--id", "x", *here)
    program = [sys.executable, "-m", "flowcraft_cli", "list", *here]
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb") as nowhere:
        done = subprocess.run(program, stdout=nowhere, stderr=subprocess.PIPE, check=False)
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="it writes to a device that is full")
def test_an_answer_that_cannot_be_written_is_told_as_that(cli: Commanding) -> None:
    program = [sys.executable, "-m", "flowcraft_cli", "config"]
    with open("/dev/full", "wb") as full:
        done = subprocess.run(program, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "standard output cannot be written" in done.stderr


def test_nothing_is_coloured_for_who_wants_no_colour(
    cli: Commanding, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(Output, "is_terminal", True)
    monkeypatch.setattr(click.utils, "should_strip_ansi", lambda stream=None, color=None: color is False)
    for value in ("", "1"):
        monkeypatch.setenv("NO_COLOR", value)
        Output().heading(["RUN"])
        Output().row(["failed"])
        Output().note("beside")
        Output().problem("bad")
        said = capsys.readouterr()
        assert ("\x1b" in said.out, "\x1b" in said.err) == (not value, not value)


def test_abandon_says_that_nothing_is_undone_where_nothing_is(cli: Commanding) -> None:
    here = ("-b", cli.url)
    cli("start", "shop:order", "--id", "x", *here)
    assert cli.said("abandon", "x", *here, code=4)["abandoned"] is False
    cli("abandon", "nobody", *here, code=3)


def test_redrive_and_fork_begin_a_new_run(cli: Commanding) -> None:
    here = ("-b", cli.url)
    cli("run", "shop:order", "-i", BIG, "--id", "x", *here, code=1)
    assert cli.said("redrive", "x", "--id", "again", *here)["created"]
    assert cli.ask(lambda client: client.status("x")).redriven_as == "again"
    assert cli.said("fork", "x", "--from", "price", "--id", "forked", *here)["redrive_of"] == "x"
    assert cli.ask(lambda client: client.status("forked")).redrive_of == "x"
    assert "no instance nowhere" in cli.said("fork", "x", "--from", "nowhere", *here, code=3)["error"]["message"]
    assert cli.said("redrive", "again", *here, code=4)["error"]["type"] == "CommandError"


def test_a_fork_goes_on_in_a_mended_flow_with_mended_input(cli: Commanding) -> None:
    here = ("-b", cli.url)
    cli("run", "shop:order", "-i", BIG, "--id", "x", *here, code=1)
    begin = "from shop import *\norder = create_flow('order')"
    begin += ".node('price', price).node('pay', pay).node('ship', ship)\n"
    cli.write("mended.py", begin + "order.edge('price', 'pay').edge('pay', 'ship')\n")
    cli.write("other.py", begin + "order.edge('price', 'pay').edge('price', 'ship')\n")
    said = cli.said("redrive", "x", "--onto", "other:order", *here, code=4)
    assert "'price': it has other ways on" in said["error"]["message"]
    cli("fork", "x", "--from", "price", "--onto", "mended:order", "-i", SMALL, "--id", "new", *here)
    assert cli.ask(lambda client: client.result("new")).context == {"items": {"tea": 3, "pot": 20}}
    assert "ship" in {each.key for each in cli.ask(lambda client: client.describe("new")).instances}


def test_reconcile_counts_what_it_does(cli: Commanding) -> None:
    here = ("-b", cli.url)
    cli("start", "shop:order", "--id", "x", *here)
    assert cli.said("reconcile", "x", *here)["revived"] == 1
    assert cli.said("reconcile", *here)["scanned"] == 0
    assert cli.said("reconcile", "nobody", *here, code=3)


def test_resume_refuses_an_action_that_no_edge_takes(cli: Commanding) -> None:
    """A typo of it would end the run without what comes after the wait, for good."""
    here = ("-b", cli.url)
    cli.write(
        "asks.py",
        "from flowcraft_core import create_flow\n"
        "flow = create_flow('asks').wait('ask').node('ship', lambda ctx: 1).edge('ask', 'ship', action='yes')\n",
    )
    for run in ("x", "y", "z"):
        cli("run", "asks:flow", "--id", run, *here, code=6)
    for early in ((), ("--early",)):
        said = cli.said("resume", "x", "ask", "--action", "yse", *early, *here, code=4)["error"]["message"]
        assert "give one of 'yes'" in said
        assert "--any-action" in said
    cli("start", "asks:flow", "--id", "soon", "--delay", "1h", *here)
    cli("resume", "soon", "ask", "--action", "yse", "--early", *here, code=4)
    cli("resume", "x", "ask", "--action", "yes", *here)
    assert cli.said("run", "asks:flow", "--id", "x", *here)["outputs"]["ship"] == 1
    cli("resume", "y", "ask", "--action", "yse", "--any-action", *here)
    assert cli.said("run", "asks:flow", "--id", "y", *here)["steps"] == 1


def test_resume_goes_on_once(cli: Commanding) -> None:
    here = ("-b", cli.url)
    cli("start", "shop:asking", "-i", SMALL, "--id", "x", *here)
    assert cli.said("resume", "x", "approve", *here, code=4)
    assert cli.said("resume", "nobody", "approve", *here, code=3)


def test_purge_removes_what_has_ended_and_nothing_else(cli: Commanding) -> None:
    here = ("-b", cli.url)
    cli("run", "shop:order", "-i", SMALL, "--id", "x", *here)
    cli("start", "shop:order", "--id", "live", "--delay", "1h", *here)
    assert "add --yes" in cli.said("purge", "x", *here, code=2)["error"]["message"]
    assert cli.said("purge", "live", "-y", *here, code=4)
    assert cli.said("purge", "x", "-y", *here)["purged"] == 1
    cli("run", "shop:order", "-i", SMALL, "--id", "y", *here)
    assert cli.said("purge", "--older-than", "1d", "-y", *here)["purged"] == 0
    assert cli.said("purge", "--older-than", "0s", "-y", *here)["purged"] == 1
    assert [run["run_id"] for run in cli.said("list", *here)["runs"]] == ["live"]


def test_dead_letters_are_listed_shown_sent_back_and_dropped(cli: Commanding) -> None:
    here = ("-b", cli.url)
    cli("provision", *here)
    assert cli.said("dead-letters", "list", *here)["dead_letters"] == []
    cli.on_backend(lambda backend: backend.queue.send([Message("no job"), Message("none either")]))
    cli("run", "shop:order", "-i", SMALL, *here)  # its worker meets them, too
    letters = cli.said("dead-letters", "list", *here)["dead_letters"]
    assert len(letters) == 2
    first, second = (letter["id"] for letter in letters)
    body = cli.said("dead-letters", "show", first, *here)["body"]
    assert body in ("no job", "none either")
    assert cli.said("dead-letters", "send-back", first, *here)["sent_back"] == [first]
    assert cli.said("dead-letters", "drop", second, "--yes", *here)["dropped"] == [second]
    assert cli.ask(lambda client: client.dead_letters()) == []
    received = cli.on_backend(lambda backend: backend.queue.receive(max_messages=1, wait=5.0, visibility=1.0))
    assert [delivery.body for delivery in received] == [body]
    assert cli.said("dead-letters", "drop", second, "--yes", *here, code=3)


def test_a_schedule_is_made_shown_changed_triggered_and_removed(cli: Commanding) -> None:
    here = ("-b", cli.url)
    cli("provision", *here)
    assert cli.said("schedules", "list", *here)["schedules"] == []
    nightly = ("schedules", "make", "nightly", "shop:order", "-i", SMALL, "--cron", "30  2 * * *", *here)
    made = cli.said(*nightly, "--timezone", "Europe/Oslo", "--overlap", "skip", "--tag", "kind=nightly")
    assert (made["cron"], made["timezone"], made["overlap"]) == ("30 2 * * *", "Europe/Oslo", "skip")
    assert (made["state"], made["flow"], made["tags"]) == ("active", "order", {"kind": "nightly"})
    assert made["input"] == json.loads(SMALL)
    assert cli.said(*nightly, code=2)["error"]["message"].startswith("there is a schedule 'nightly'")
    assert cli.said(*nightly, "--replace")["revision"] == 1
    edited = cli.said("schedules", "edit", "nightly", "--every", "6h", "--missed", "all", "--grace", "5m", *here)
    assert (edited["every"], edited["cron"], edited["missed"], edited["grace"]) == (21_600, None, "all", 300)
    assert cli.said("schedules", "edit", "nightly", "--to", "shop:asking", *here)["flow"] == "asking"
    assert cli.said("schedules", "pause", "nightly", *here)["upcoming"] == []
    assert cli.said("schedules", "resume", "nightly", *here)["state"] == "active"
    assert "every 6 h 0 min" in cli("schedules", "show", "nightly", *here).stdout
    assert [one["schedule"] for one in cli.said("schedules", "list", *here)["schedules"]] == ["nightly"]
    run_id = cli.said("schedules", "trigger", "nightly", *here)["run_id"]
    (run,) = cli.said("list", "--tag", "schedule=nightly", *here)["runs"]
    assert (run["run_id"], run["flow"]) == (run_id, "asking")
    assert cli.said("schedules", "remove", "nightly", "--yes", *here)["removed"] == "nightly"
    for command in ("show", "pause", "resume", "trigger"):
        assert "nightly" in cli.said("schedules", command, "nightly", *here, code=3)["error"]["message"]
    assert cli.said("schedules", "make", "x", "shop:order", "--cron", "61 * * * *", *here, code=2)
    assert cli.said("schedules", "make", "x", "shop:order", *here, code=2)


def test_a_schedule_is_not_triggered_with_the_id_of_another_flows_run(cli: Commanding) -> None:
    here = ("-b", cli.url)
    cli("start", "shop:order", "--id", "r", *here)
    cli("schedules", "make", "s", "shop:asking", "--every", "1h", *here)
    said = cli.said("schedules", "trigger", "s", "--id", "r", *here, code=4)
    assert "'r' is one of flow 'order', not of 'asking'" in said["error"]["message"]
    assert [cli.said("schedules", "trigger", "s", "--id", "t", *here)["created"] for _ in "12"] == [True, False]


def test_a_fork_from_nothing_is_refused(cli: Commanding) -> None:
    assert "--from: name a node" in cli("fork", "r", "--from", "", "-b", cli.url, code=2).stderr


@pytest.mark.parametrize("name", ["json:__name__", "json:dumps"])
def test_what_the_page_is_to_show_for_a_value_is_a_function(cli: Commanding, name: str) -> None:
    cli("start", "shop:order", "--id", "r", "-b", cli.url)
    assert name in cli("ui", "--redact", name, "-b", cli.url, code=2).stderr


def test_provision_says_what_is_there(cli: Commanding) -> None:
    assert cli.said("provision", "-b", cli.url)["there"] == [f"sqlite {cli.folder.resolve()}/runs.db"]
    assert (cli.folder / "runs.db").exists()


def test_a_project_is_made_that_runs_and_overwrites_nothing(cli: Commanding) -> None:
    said = cli.said("init", "letters")
    assert {"letters/flows.py", "letters/flowcraft.toml", "letters/tests/test_flows.py"} <= set(said["files"])
    assert "$name" not in (cli.folder / "letters/flows.py").read_text(encoding="utf-8")
    assert cli.said("init", "letters", code=4)
    ran = cli.said("run", "letters/flows.py", "-i", '{"cities": ["Oslo", "Lima"]}')
    assert ran["outputs"]["report"] == "2 pages, 16 letters"


# --- all of them ---


def test_a_project_that_cannot_be_made_is_refused_and_leaves_no_half(cli: Commanding) -> None:
    cli.write("afile", "")
    cli.write("p/tests", "")
    (cli.folder / "link").symlink_to("/nonexistent/folder")
    for folder in ("afile/sub", "p", "link", "x" * 300):
        assert folder[:9].split("/")[0] in cli("init", folder, code=2).stderr
    assert [path.name for path in (cli.folder / "p").iterdir()] == ["tests"]
    for name in ('my "new" one', "a\nb", "-"):
        assert "--name" in cli("init", "q", "--name", name, code=2).stderr
    assert not (cli.folder / "q").exists()
    assert "cd 'my proj' && " in cli("init", "my proj").stderr


def _commands() -> list[list[str]]:
    found: list[list[str]] = []
    for name, command in main.commands.items():
        inside = getattr(command, "commands", None)
        found += [[name]] if inside is None else [[name, each] for each in inside]
    return found


@pytest.mark.parametrize("names", _commands(), ids=" ".join)
def test_every_command_has_help_examples_json_and_debug(names: list[str]) -> None:
    text = CliRunner().invoke(main, [*names, "--help"]).output
    assert "--json" in text
    assert "--debug" in text
    assert re.search(rf"Examples:\n  .*flowcraft {' '.join(names)}", text)


def test_what_the_command_line_says_wrongly_is_told_with_the_usage(cli: Commanding) -> None:
    assert "Try 'flowcraft list --help'" in cli("list", "--state", "loud", code=2).stderr.replace("main", "flowcraft")
    assert cli.said("list", "--state", "loud", code=2)["error"]["type"] == "UsageError"
    cli(code=2)


def test_without_a_backend_it_is_said_how_to_name_one(cli: Commanding) -> None:
    assert "--backend URL" in cli.said("list", code=2)["error"]["message"]


def test_a_backend_that_cannot_be_reached_exits_with_5(cli: Commanding) -> None:
    said = cli.said("list", "-b", "sqlite:///nowhere/runs.db", code=5)
    assert said["error"]["type"] == "BackendError"


def test_errors_show_no_secret_of_a_url(cli: Commanding) -> None:
    for url in ("mydb://me:hunter2@host", "sqlite://me:hunter2@x/runs.db", "AccountName=a;AccountKey=hunter2"):
        for extra in ((), ("--debug",)):
            assert "hunter2" not in CliRunner().invoke(main, ["list", "-b", url, *extra]).output


def test_a_defect_is_told_as_one_and_shown_with_debug(cli: Commanding, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise KeyError("oh")

    monkeypatch.setattr("flowcraft_cli.commands.graph.load_flow", broken)
    assert "Traceback" not in (plain := cli("graph", "shop:order", code=Exit.DEFECT)).output
    assert "--debug shows where" in plain.stderr
    assert "Traceback" in cli("graph", "shop:order", "--debug", code=Exit.DEFECT).stderr


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_shells_are_told_how_to_complete(cli: Commanding, shell: str) -> None:
    assert "_FLOWCRAFT_COMPLETE" in cli("completion", shell).stdout


def test_with_json_the_last_line_is_all_that_is_printed(cli: Commanding) -> None:
    result = cli("run", "shop:order", "-i", SMALL, "--json")
    assert json.loads(result.stdout)["ok"]


# --- looking ---


def test_show_tells_of_each_instance_with_values_and_errors(cli: Commanding) -> None:
    here = ("-b", cli.url)
    cli("run", "shop:order", "-i", BIG, "--id", "x", "-t", "kind=nightly", *here, code=1)
    said = cli.said("show", "x", *here)
    assert {each["key"]: (each["state"], each["output"]) for each in said["instances"]} == {
        "price": ("done", 5000),
        "pay": ("failed", None),
    }
    assert "5000 is too much" in said["instances"][1]["errors"][0]["message"]
    text = cli("show", "x", *here).stdout
    assert all(word in text for word in ("kind=nightly", "failed", "5000 is too much", "price"))
    assert cli.said("show", "nobody", *here, code=3)


@pytest.mark.parametrize(
    ("flow", "shown"),
    [
        ("keys", {"('Oslo', 2026)": 3}),
        ("big", hex(10**5000)),
        ("half", "caf\\udce9 \\ud800"),
        ("nan", "NaN"),
    ],
)
def test_whatever_a_step_has_returned_can_be_looked_at(cli: Commanding, flow: str, shown: object) -> None:
    """What the engine stores is more than JSON can say; a run with such a value in it is a run like another."""
    cli.write("odd.py", ODD)
    on = ("-b", cli.url)
    cli("run", f"odd:{flow}", "--in-process").stdout.encode()
    assert cli.said("run", f"odd:{flow}", "--id", "r", *on)["outputs"] == {"n": shown}
    assert cli.said("start", f"odd:{flow}", "--id", "r", "--wait", *on)["outputs"] == {"n": shown}
    assert cli.said("show", "r", *on)["instances"][0]["output"] == shown
    for command in ("show", "tail"):
        cli(command, "r", *on).stdout.encode()
    last = cli("tail", "r", "--json", *on).stdout.splitlines()[-1]
    assert json.loads(last)["outputs"] == {"n": shown}


def test_show_opens_what_is_folded(cli: Commanding) -> None:
    here = ("-b", cli.url)
    cli("init", "letters")
    cli("run", "letters/flows.py", "-i", '{"cities": ["Oslo", "Lima"]}', "--id", "x", *here)
    opened = cli.said("show", "x", "--inside", "count", *here)["instances"]
    assert [each["output"] for each in opened] == [8, 8]
    assert all(each["output"] is None for each in cli.said("show", "x", "--no-values", *here)["instances"])


def test_tail_tells_each_thing_and_ends_as_the_run_did(cli: Commanding) -> None:
    here = ("-b", cli.url)
    cli("run", "shop:order", "-i", BIG, "--id", "x", *here, code=1)
    lines = [json.loads(line) for line in cli("tail", "x", *here, "--json", code=1).stdout.splitlines()]
    assert [(line["key"], line["state"]) for line in lines[:-1]] == [("price", "done"), ("pay", "failed")]
    assert (lines[-1]["ok"], lines[-1]["state"]) == (False, "failed")
    cli("start", "shop:order", "--id", "y", *here)
    assert cli("tail", "y", "--timeout", "0s", *here, code=6).stderr


def test_waits_say_what_to_resume_and_resume_does_it(cli: Commanding) -> None:
    here = ("-b", cli.url)
    first = cli("run", "shop:asking", "-i", SMALL, "--id", "x", *here, code=6)
    assert "flowcraft resume x approve" in first.stdout
    (wait,) = cli.said("waits", *here)["waits"]
    assert (wait["run_id"], wait["key"], wait["kind"]) == ("x", "approve", "wait")
    assert cli.said("waits", "x", *here)["waits"] == [wait]
    cli("resume", "x", "approve", "--output", "true", *here)
    assert cli.said("run", "shop:asking", "-i", SMALL, "--id", "x", *here)["outputs"]["approve"] is True
    assert cli.said("waits", *here)["waits"] == []


def test_a_wait_is_answered_before_a_run_comes_to_it(cli: Commanding) -> None:
    here = ("-b", cli.url)
    cli("start", "shop:asking", "-i", SMALL, "--id", "x", *here)
    cli("resume", "x", "approve", "--output", "true", *here, code=4)
    assert "approve answered" in cli("resume", "x", "approve", "--output", "true", "--early", *here).stdout
    assert "already" in cli("resume", "x", "approve", "--early", *here, code=4).stderr
    assert "nowhere" in cli("resume", "x", "nowhere", "--early", *here, code=3).stderr
    assert cli.said("run", "shop:asking", "-i", SMALL, "--id", "x", *here)["outputs"]["approve"] is True


def test_queues_tell_how_much_there_is_to_do(cli: Commanding) -> None:
    here = ("-b", cli.url)
    cli("start", "shop:order", *here)
    cli("start", "shop:order", "--delay", "1h", *here)
    (queue,) = cli.said("queues", *here)["queues"]
    assert (queue["visible"], queue["delayed"]) == (1, 1)
    assert cli.said("queues", "--over", "0.1", *here)["queues"][0]["per_second"] == 0
    assert cli.said("workers", *here)["workers"] == []


def test_a_list_can_be_cut_by_time(cli: Commanding) -> None:
    here = ("-b", cli.url)
    cli("start", "shop:order", "--id", "x", *here)
    assert len(cli.said("list", "--since", "1h", *here)["runs"]) == 1
    assert cli.said("list", "--until", "1h", *here)["runs"] == []
    assert cli.said("list", "--since", "2001-01-01", "--flow", "other", *here)["runs"] == []
    assert "--since" in cli.said("list", "--since", "soon", *here, code=2)["error"]["message"]


# --- what has been recorded ---


def _exported(cli: Commanding, text: str = SMALL, code: int = 0) -> tuple[str, str]:
    here = ("-b", cli.url)
    cli("run", "shop:order", "-i", text, "--id", "x", *here, code=code)
    cli("export", "x", "-o", "run.json", *here)
    return here


def test_an_exported_run_is_gone_through_without_a_backend(cli: Commanding) -> None:
    _exported(cli, BIG, code=1)
    (cli.folder / "runs.db").unlink()
    said = cli.said("replay", "run.json")
    assert [(each["key"], each["state"]) for each in said["instances"]] == [("price", "completed"), ("pay", "failed")]
    assert said["instances"][1]["input"] == 5000
    assert (said["executed"], said["state"]) == (0, "failed")


def test_a_replay_executes_steps_again_and_says_what_differs(cli: Commanding) -> None:
    _exported(cli, BIG, code=1)
    assert cli.said("replay", "run.json", "shop:order", "--execute")["executed"] == 2
    mended = FLOWS.replace("> 100", "> 10_000")
    cli.write("mended.py", mended)
    said = cli.said("replay", "run.json", "mended:order", "--only", "pay", code=1)
    assert (said["executed"], said["differing"]) == (1, ["pay"])
    assert said["instances"][1]["again"]["error"]["is"] is None
    assert cli.said("replay", "run.json", "shop:order", "--only", "nowhere", code=3)


def test_a_replay_stops_in_a_step_with_the_input_of_then(cli: Commanding) -> None:
    _exported(cli)
    result = cli("replay", "run.json", "shop:order", "--break", "pay", stdin="p ctx.input + 1\nc\n")
    assert "24" in result.stdout
    assert "if ctx.input > 100" in result.stdout
    cli("replay", "run.json", "shop:order", "--break", "pay", stdin="q\n", code=130)


def test_a_replay_can_be_stepped_through(cli: Commanding) -> None:
    _exported(cli)
    result = cli("replay", "run.json", "shop:order", "--step", stdin="n\ne\n")
    assert "1 executed, 0 differ" in result.stdout


def test_cost_counts_what_is_stored(cli: Commanding) -> None:
    here = _exported(cli)
    said = cli.said("cost", "x", *here)
    assert (said["steps"], said["facts"], said["writes"]) == (2, {"run": 1, "outcomes": 2}, 5)


def test_diff_tells_in_what_two_runs_differ(cli: Commanding) -> None:
    here = _exported(cli)
    cli("run", "shop:order", "-i", SMALL, "--id", "same", *here)
    cli("run", "shop:order", "-i", BIG, "--id", "other", *here, code=1)
    assert cli.said("diff", "x", "same", *here)["differences"] == []
    found = cli.said("diff", "x", "other", *here, code=1)["differences"]
    assert {(each["at"], each["what"]) for each in found} >= {("run", "status"), ("price", "output"), ("pay", "error")}


NESTED = """
from flowcraft_core import create_flow

page = create_flow("page").node("scan", lambda ctx: ctx.input)
book = create_flow("book").node("n", lambda ctx: [1, 2]).batch("p", page).node("end", lambda ctx: 1)
book.edge("n", "p").edge("p", "end")
"""


def test_a_recording_of_which_a_part_is_missing_is_none(cli: Commanding) -> None:
    cli.write("nested.py", NESTED)
    whole = load_flow("nested.py:book", Settings.find({}, {})).runtime().run_sync("book").state

    def without(*path: str | int) -> dict[str, object]:
        data: dict[str, object] = json.loads(whole)
        part: Any = data
        for key in path[:-1]:
            part = part[key]
        del part[path[-1]]
        return data

    def said(data: object, code: int = 0) -> str:
        cli.write("r.json", json.dumps(data))
        return cli("replay", "r.json", code=code).stderr

    with_empty = json.loads(whole)
    with_empty["outcomes"]["n"] = {}
    assert len(cli.said("replay", str(cli.write("r.json", whole)))["instances"]) == 6
    assert "r.json: this is no recorded run: node 'p'" in said(without("blueprints", 1), code=2)
    said(without("outcomes", "p:entry"))  # what follows from it is not gone through
    assert "no recorded run" in said(with_empty, code=2)
    assert "has format 99" in said({**json.loads(whole), "format": 99}, code=2)


@pytest.mark.parametrize("text", ["{}", "no JSON"])
def test_what_is_no_recorded_run_is_told(cli: Commanding, text: str) -> None:
    cli.write("bad.json", text)
    assert "no recorded run" in cli("replay", "bad.json", code=2).stderr


# --- the doctor ---


def test_the_doctor_says_what_is_wrong_and_what_to_do(cli: Commanding) -> None:
    cli("provision", "-b", "sqlite:///sick.db")
    assert cli.said("doctor", "-b", "sqlite:///sick.db")["findings"] == []
    with contextlib.closing(sqlite3.connect("sick.db")) as connection:
        connection.execute("PRAGMA user_version = 99")
    said = cli.said("doctor", "-b", "sqlite:///sick.db", code=Exit.FAILED)
    assert [finding["code"] for finding in said["findings"]] == ["SQLITE-SCHEMA-NEWER"]
    assert "upgrade flowcraft-sqlite" in cli("doctor", "-b", "sqlite:///sick.db", code=Exit.FAILED).stdout


def test_a_warning_of_the_doctor_is_no_failure(cli: Commanding) -> None:
    (finding,) = cli.said("doctor", "-b", "sqlite:///not-yet.db")["findings"]
    assert (finding["code"], finding["severity"]) == ("SQLITE-FILE-MISSING", "warning")


# --- the page ---


def test_the_page_is_not_served_beyond_this_machine_without_a_token(cli: Commanding) -> None:
    cli("provision", "-b", cli.url)
    error = cli("ui", "--host", "0.0.0.0", "-b", cli.url, code=Exit.USAGE).stderr
    assert "set a token: FLOWCRAFT_UI_TOKEN" in error


def test_the_page_says_where_it_is_and_shows_no_secret_of_its_settings(
    cli: Commanding, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLOWCRAFT_UI_TOKEN", "a-token-long-enough")
    cli("provision", "-b", cli.url)
    given: dict[str, object] = {}

    async def serve(client: object, listening: Callable[[str], None], **settings: object) -> None:
        given.update(settings)
        listening("http://127.0.0.1:1/")

    monkeypatch.setattr(flowcraft_ui.serving, "serve", serve)
    shown = cli("ui", "--allow-writes", "--allow-host", "example.org", "-b", "sqlite:///runs.db")
    assert "http://127.0.0.1:1/ can change runs" in shown.stdout
    assert (given["token"], given["allow_hosts"], given["redact"]) == ("a-token-long-enough", ("example.org",), None)
    assert "a-token-long-enough" not in shown.output + cli("config").output
    told = [json.loads(line) for line in cli("ui", "-b", "sqlite:///runs.db", "--json").stdout.splitlines()]
    assert told[0] == {"event": "listening", "address": "http://127.0.0.1:1/"}  # while it is served
    assert (told[-1]["ok"], told[-1]["address"]) == (True, "http://127.0.0.1:1/")


def test_without_its_distribution_the_page_says_what_to_install(
    cli: Commanding, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flowcraft_cli.commands.ui.entry_points", lambda **_: ())
    assert "pip install 'flowcraft-cli[ui]'" in cli("ui", "-b", "sqlite:///runs.db", code=Exit.USAGE).stderr
