import asyncio
import json
import subprocess
import sys
from collections import Counter
from importlib import import_module
from pathlib import Path
from subprocess import PIPE
from typing import Any

import attrs
import cost_page
import cpu
import dollars
import durable_sqlite
import inprocess
import inprocess_peers
import latency
import pytest
import startup
import undisturbed
from bench_command import main
from by_hand import ByHand
from deaths import Mortal
from floors import QUEUE_STORAGE, SQS, Batches, requests, work_of
from flowcraft_core import FlowRuntime, NodeContext, create_flow
from flowcraft_core.durable import Client, Worker
from flowcraft_testkit import Weaknesses
from flowcraft_testkit.memory import InMemoryBackend
from growth import exponent
from peers_steps import WHERE, ends_at, tell_end
from shapes import SHAPES, awaited_step, flow_of

SMALL = ["--nodes", "10,30", "--repeat", "1"]


def _answer(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(capsys.readouterr().out.splitlines()[-1])
    return answer


def test_the_answer_has_a_row_for_each_shape_and_size(capsys: pytest.CaptureFixture[str]) -> None:
    main(["inprocess", "--json", *SMALL])  # its exit code is about time, which tiny graphs say nothing about
    answer = _answer(capsys)
    assert answer.keys() == {"ok", "rows", "exponent", "in_threads"}
    for rows in (answer["rows"], answer["in_threads"]):
        assert [(row["shape"], row["nodes"]) for row in rows] == [
            (shape, nodes) for shape in ("chain", "fan") for nodes in (10, 30)
        ]
        for row in rows:
            assert row.keys() == {"shape", "nodes", "nodes_per_s", "compile_s"}
            assert row["nodes_per_s"] > 0
    assert answer["exponent"].keys() == {"chain", "fan"}


def test_a_program_written_by_hand_is_measured_beside_it(capsys: pytest.CaptureFixture[str]) -> None:
    main(["inprocess", "--json", "--compare", *SMALL])
    for row in _answer(capsys)["rows"]:
        assert row["by_hand"].keys() == {"inline", "in tasks"}


@pytest.mark.parametrize(("growth", "code"), [(1.09, 0), (1.11, 1)])
def test_a_time_that_grows_faster_than_the_graph_fails_the_command(
    growth: float, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(inprocess, "exponent", lambda costs: growth)
    assert main(["inprocess", "--json", *SMALL]) == code
    assert _answer(capsys)["ok"] is (code == 0)


def test_without_json_the_figures_are_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    main(["inprocess", *SMALL])
    printed = capsys.readouterr().out
    assert "chain       30 nodes" in printed
    assert "{" not in printed


@pytest.mark.parametrize(
    "arguments",
    [[], ["no-such"], ["inprocess", "--nodes", "10"], ["inprocess", "--nodes", "2,9"], ["inprocess", "--repeat", "0"]],
)
def test_what_cannot_be_measured_is_refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(arguments)
    capsys.readouterr()


@pytest.mark.parametrize("power", [0.5, 1, 1.1, 2])
def test_the_exponent_of_a_power_is_that_power(power: float) -> None:
    assert exponent({size: 3e-6 * size**power for size in (1_000, 2_000, 4_000, 8_000, 100_000)}) == pytest.approx(
        power
    )


def test_the_exponent_is_that_of_the_line_that_fits_best() -> None:
    # Between 10 and 1,000 the cost grows a hundredfold; one that is off in the middle does not tilt the line.
    assert exponent({10: 1.0, 100: 50.0, 1_000: 100.0}) == pytest.approx(1.0)
    # Twice the cost per node at a hundred times the size.
    assert exponent({1_000: 1.0, 100_000: 200.0}) == pytest.approx(1.1505, abs=1e-4)


@pytest.mark.parametrize("shape", SHAPES)
def test_what_is_compared_does_the_same_work(shape: str) -> None:
    edges = SHAPES[shape](20)
    blueprint = flow_of(shape, 20, awaited_step).to_blueprint()
    assert [(int(edge.source), int(edge.target)) for edge in blueprint.edges] == edges
    for way in (ByHand.run_inline, ByHand.run_in_tasks):
        graph = ByHand(20, edges)
        asyncio.run(way(graph))
        assert graph.outputs == [1] * 20


def test_the_cost_of_a_run_is_within_its_bounds(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["cost", "--backend", "memory", "--json"]) == 0
    answer = _answer(capsys)
    assert answer["ok"] is True
    for row in answer["rows"]:
        assert {"shape", "nodes", "requests_per_node", "by_operation", "bytes_written_per_node"} <= row.keys()
        assert row["by_operation"]["context.put"] >= row["nodes"]
        assert row["over_floor"] >= 1
        assert row["floor_per_node"] * row["nodes"] == pytest.approx(sum(row["floor"].values()))
    assert answer["messages_when_doubled"] <= 3
    assert [(row["waiting"], row["ok"]) for row in answer["waiting"]] == [(1, True), (3, True), (20, True), (100, True)]


@pytest.mark.parametrize(("bound", "code"), [(1e9, 0), (0.0, 1)])
def test_durable_runs_are_measured_beside_sqlite_itself(
    bound: float, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    small = {"_WARM_UP": 1, "_TURNS": 2, "_CHAINS": 3, "_ITEMS": 20, "_SHARED_CHAINS": 6, "_PROCESSES": (1, 2)}
    bounds = {"_CHAIN_TO_FLOOR": bound, "_ITEM_TO_STEP": 1e9, "_MANY_TO_BEST": 0.0}
    for name, value in (small | bounds).items():
        monkeypatch.setattr(durable_sqlite, name, value)
    assert main(["durable", "--json", "--rounds", "2"]) == code
    answer = _answer(capsys)
    for name in ("chain_ms", "chains_steps_per_s", "fan_ms", "batch_items_per_s", "steps_per_s_of_2"):
        assert answer["spread"][name][0] <= answer[name] <= answer["spread"][name][1]
        assert answer[name] > 0
    assert len(answer["rounds"]) == 2


def test_latency_is_measured_beside_what_its_calls_allow(capsys: pytest.CaptureFixture[str]) -> None:
    main(["latency", "--json", "--rounds", "1", "--seconds", "0.01", "--delays", "20", "--in-flight", "1,20"])
    answer = _answer(capsys)  # its exit code is about time
    assert {name: len(calls) for name, calls in answer["calls"].items()} == {"chain": 24, "fan": 12, "batch": 13}
    for shape in latency.SHAPES:
        assert Counter(answer["calls"][shape.name]) == shape.calls
    assert [(row["shape"], row["in_flight"], row["runs"]) for row in answer["rows"]] == [
        (shape, number, runs)
        for shape in ("chain", "fan", "batch")
        for number, runs in ((1, 1), (20, 20 if shape == "chain" else 1))
    ]
    for row in answer["rows"]:
        assert row["cpu_us_per_step"] > 0
        assert 0 < row["share_of_ideal"] <= 1.1


def test_in_the_time_of_a_core_of_its_own_waiting_takes_no_time() -> None:
    async def wait() -> tuple[float, float]:
        began, used = asyncio.get_running_loop().time(), undisturbed.used()
        await asyncio.sleep(3_600.0)
        return asyncio.get_running_loop().time() - began, undisturbed.used() - used

    passed, used = undisturbed.run(wait())
    assert 3_600.0 <= passed <= 3_600.0 + 2 * used + 1.0
    assert used < 60.0


def test_what_other_machines_would_do_takes_no_time_of_a_core_of_its_own() -> None:
    def compute() -> None:
        began = undisturbed.used()
        while undisturbed.used() - began < 0.05:
            pass

    async def there(fails: bool) -> str:
        compute()
        try:
            await asyncio.sleep(60.0)
        finally:
            compute()
        if fails:
            raise LookupError("it is not there")
        return "done"

    async def measured() -> tuple[float, float]:
        loop, used = asyncio.get_running_loop(), undisturbed.used()
        began = loop.time()
        assert await undisturbed.elsewhere(there(fails=False)) == "done"
        with pytest.raises(LookupError):
            await undisturbed.elsewhere(there(fails=True))
        given_up = asyncio.ensure_future(undisturbed.elsewhere(there(fails=False)))
        await asyncio.sleep(30.0)
        given_up.cancel()
        with pytest.raises(asyncio.CancelledError):
            await given_up
        return loop.time() - began, undisturbed.used() - used

    passed, used = undisturbed.run(measured())
    assert used >= 0.3
    assert 150.0 <= passed <= 150.0 + used - 0.3 + 0.01


def test_what_can_never_come_ends_the_time_of_a_core_of_its_own() -> None:
    async def wait() -> None:
        await asyncio.get_running_loop().create_future()

    with pytest.raises(RuntimeError, match="no timer"):
        undisturbed.run(wait())


def test_what_telemetry_costs_is_counted(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["telemetry", "--json", "--nodes", "20", "--repeat", "1"]) == 0
    answer = _answer(capsys)
    assert answer["spans_per_node"] == {"in process": 2.0, "on a worker": 3.0}
    assert answer["requests"]["on"] == answer["requests"]["off"]
    assert answer["us_per_node"].keys() == {"off", "metrics, no span sampled", "all"}


def test_a_small_run_is_measured_beside_a_batch_with_and_without_a_queue_of_its_own(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["fairness", "--json", "--items", "60"]) == 0
    answer = _answer(capsys)
    assert [(row["items"], row["own_queue"]) for row in answer["rows"]] == [
        (6, True),
        (6, False),
        (60, True),
        (60, False),
    ]
    assert all(row["latency_ms"] > 0 and row["in_time"] for row in answer["rows"])


def test_programs_around_a_batch_are_measured_at_each_size(capsys: pytest.CaptureFixture[str]) -> None:
    main(["scale", "--json", "--sizes", "100,300"])  # of so few items the bounds say nothing
    answer = _answer(capsys)
    assert [row["items"] for row in answer["rows"]] == [100, 300]
    programs = {"worker", "result", "describe", "purge", "reconciler", "successor"}
    assert all(row["programs"].keys() == programs and row["requests_per_item"] > 1 for row in answer["rows"])
    assert answer["most_mib"] == max(each["peak_mib"] for row in answer["rows"] for each in row["programs"].values())


@pytest.mark.parametrize(
    ("shape", "nodes", "batches", "least"),
    [
        # 20 outcomes, 4 of the run, a message that is sent, received, read for and removed.
        ("chain", 20, SQS, 28),
        ("chain", 20, QUEUE_STORAGE, 28),
        # 52 outcomes, 4, the first message, and 49 in batches of ten, which arrive together.
        ("fan", 52, SQS, 52 + 4 + 3 + 4 * 5 + 1),
        # On Queue Storage each message is sent and removed by itself.
        ("fan", 52, QUEUE_STORAGE, 52 + 4 + 4 + 2 * 49 + 2 * 2 + 1),
        ("batch, 20 lanes", 1_001, SQS, 1_003 + 4 + 3 + 4 * 2 + 1),
    ],
)
def test_a_floor_is_what_must_be_asked_for(shape: str, nodes: int, batches: Batches, least: int) -> None:
    assert sum(requests(work_of(shape, nodes), batches).values()) == least


def test_what_others_charge_is_computed_by_their_own_units() -> None:
    told = dollars.prices()
    usd = {peer.name: dollars.per_million(peer, "chain", 20, told) for peer in dollars.PEERS}
    assert usd["AWS Step Functions, standard"] == pytest.approx(25.0)
    assert usd["Temporal Cloud"] == pytest.approx(50.0 * 21 / 20)
    assert usd["AWS Lambda durable functions"] == pytest.approx(8.0 * 21 / 20 + 0.05)
    assert usd["Durable Functions, Durable Task Scheduler"] is None
    assert all(price["source"].startswith("https://") and price["seen_in"] for price in told)
    assert all(price["date"] and price["region"] for price in told if price["usd"] is not None)


def test_a_visibility_is_what_a_dead_workers_job_waits_for(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["holding", "--json", "--kills", "2"]) == 0
    rows = {row["visibility"]: row for row in _answer(capsys)["rows"]}
    # Half of it is twice the renewals, and half the wait.
    assert rows[30.0]["extends_per_step_hour"] == pytest.approx(2 * rows[60.0]["extends_per_step_hour"], rel=0.05)
    assert rows[30.0]["goes_on_after_s"] == pytest.approx(rows[60.0]["goes_on_after_s"] / 2, rel=0.05)


def test_an_end_is_heard_once_and_one_that_does_not_come_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ends_at(tmp_path) as ends:
        monkeypatch.setenv(WHERE, ends.path)
        for token in ("one", "one", "two"):  # a step may run twice
            tell_end(token)
        assert ends.wait(2, seconds=60.0) == {"one", "two"}
        with pytest.raises(TimeoutError):
            ends.wait(1, seconds=0.01)


def test_what_processes_take_is_told_apart() -> None:
    before = cpu.seconds()
    with subprocess.Popen([sys.executable, "-c", "input(sum(range(10**6)))"], stdin=PIPE, stdout=PIPE) as process:
        assert process.stdout is not None
        process.stdout.read(1)  # it has counted, and waits
        after = cpu.seconds()
    assert after["workers"] > before["workers"]
    assert (after["emulators"], before["emulators"]) == (0.0, 0.0)


def test_the_page_of_costs_says_what_was_counted() -> None:
    kept = json.loads(cost_page.RESULTS.read_text(encoding="utf-8"))
    assert cost_page.PAGE.read_text(encoding="utf-8") == cost_page.text(kept["answer"])


@pytest.mark.parametrize("shape", ["chain", "fan", "batch", "loop"])
def test_each_way_here_gives_the_same_as_loops_written_by_hand(shape: str) -> None:
    ways = [import_module(f"ways.{name}") for name in ("by_hand_loops", "flowcraft_built", "flowcraft_decorated")]
    gave = {asyncio.run(way.prepare(shape, 10, "awaited")()) for way in ways}
    assert len(gave) == 1


def _taken(built: float, again: float, decorated: float) -> dict[str, Any]:
    taken = {"Flowcraft, built": built, "Flowcraft, built again": again, "Flowcraft, decorated": decorated}
    return {"shape": "chain", "us_per_node": {name: {"median": each} for name, each in taken.items()}}


def test_decorated_flows_are_held_to_built_ones_and_to_what_two_measurements_differ_by() -> None:
    assert inprocess_peers.decorated([_taken(10, 10, 10.4)]) == pytest.approx((1.04, 0.0))
    assert inprocess_peers.decorated([_taken(10, 10, 12), _taken(10, 12, 11), _taken(12, 10, 11)]) == pytest.approx(
        (1.0, 1 / 6)
    )
    fan = _taken(1, 1, 9) | {"shape": "fan"}  # there, decorated flows do less
    assert inprocess_peers.decorated([_taken(10, 10, 10), fan]) == pytest.approx((1.0, 0.0))


def test_the_package_loads_nothing_that_is_not_justified() -> None:
    assert startup.loaded_by_the_package() == startup.JUSTIFIED.keys()


def test_imports_and_starts_are_held_to_their_bounds(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    package, helped = startup.IMPORTS[0], startup.IMPORTS[-1]
    monkeypatch.setattr(startup, "IMPORTS", (package, attrs.evolve(helped, most=0.0)))
    monkeypatch.setattr(startup, "STARTS", {"in process": ("in_process", "only_asyncio", 1e9)})
    assert main(["startup", "--json", "--rounds", "1", "--no-wheels"]) == 1
    answer = _answer(capsys)
    assert {what: row["ok"] for what, row in answer["imports"].items()} == {package.what: True, helped.what: False}
    assert answer["imports"]["flowcraft_core"]["modules"] == 2
    assert answer["starts"]["in process"]["ok"]
    assert 50 < answer["starts"]["in process"]["modules"] < 90
    assert len(answer["slowest_ms"]) == 10


def test_the_memory_of_a_worker_is_held_to_its_setting(capsys: pytest.CaptureFixture[str]) -> None:
    main(
        [
            "memory",
            "--json",
            "--memory",
            "8",
            "--only",
            "contexts",
            "--share",
            "0.02",
            "--batch",
            "200",
            "--repeat",
            "1",
        ]
    )
    answer = _answer(capsys)
    assert [(row["case"], row["backend"], row["runs"]) for row in answer["rows"]] == [
        ("contexts", "sqlite", 20),
        ("contexts", "memory", 20),
    ]
    assert all(row["peak_mib"] >= row["base_mib"] > 0 for row in answer["rows"])
    assert [(each["items"], each["us"] > 0) for each in answer["batches"]] == [(200, True)]


def test_what_many_runs_cost_is_counted_beside_what_few_do(capsys: pytest.CaptureFixture[str]) -> None:
    main(["many", "--json", "--sizes", "40,300", "--at-once", "20"])  # of so few runs the times say nothing
    answer = _answer(capsys)
    few, many = (row["programs"] for row in answer["rows"])
    for name in ("idle", "list_first", "list_last"):
        assert few[name]["requests"] == many[name]["requests"]
    assert (few["look"]["looked"], many["look"]["looked"]) == (40, 300)
    assert answer["more_requests"]["look"] < 0.05


def test_a_program_tells_its_own_peak_and_not_that_of_who_began_it() -> None:
    large = b"x" * 2**28
    folder = str(Path(__file__).parent)
    code = f"import sys; sys.path.insert(0, {folder!r}); import peaks; print(peaks.peak_mib())"
    said = subprocess.run([sys.executable, "-c", code], stdout=PIPE, text=True, check=True).stdout
    assert 1 < float(said) < len(large) / 2**20


async def test_who_is_killed_gives_nothing_back() -> None:
    world, way = InMemoryBackend(weaknesses=Weaknesses.none()), Mortal()
    victim, other = world.connect(way), world.connect()
    begun = asyncio.Event()

    async def wait(ctx: NodeContext[Any, Any]) -> None:
        begun.set()
        await asyncio.Event().wait()

    flow = create_flow("killed").node("wait", wait)
    async with world, victim, other:
        working = asyncio.ensure_future(Worker(victim, FlowRuntime([flow]), reconcile=False).run())
        await Client(other).start(flow)
        await begun.wait()
        await way.kill(working)
        assert working.done()
        assert not await other.queue.receive(max_messages=1, wait=0.0, visibility=30.0)
