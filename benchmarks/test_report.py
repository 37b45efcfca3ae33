import argparse
import itertools
import json
import re
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from xml.etree import ElementTree as ET

import about_inprocess
import about_latency
import about_scale
import about_sqlite
import about_startup
import bench_all
import bench_report
import bench_saved
import pytest
import telemetry
from bench_command import main
from bench_list import BENCHMARKS
from bench_plots import bar_plot, line_plot
from bench_saved import Saved
from bench_sections import PAGE, PLOTS, Plots, Section
from bench_tables import between, table


class About:
    """A section of one result."""

    TITLE = "Made up"
    RESULTS = ("made-up",)

    def section(self, told: Mapping[str, Saved], plots: Plots) -> Section:
        shown = plots.add("made-up", "a bar", bar_plot("Made up", "s", {"one": (told["made-up"].answer["s"], 1, 3)}))
        return Section("How long it is.", f"{told['made-up'].answer['s']} s\n\n{shown}", "Nothing.")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(bench_saved, "RESULTS", tmp_path)
    monkeypatch.setattr(bench_report, "PAGE", tmp_path / "page.md")
    monkeypatch.setattr(bench_report, "PLOTS", tmp_path / "page")
    monkeypatch.setattr(bench_report, "SECTIONS", (About(),))
    return tmp_path


def test_the_page_on_performance_has_the_results_as_they_are() -> None:
    """`hatch run bench report` writes it, and its plots."""
    text, plots = bench_report.page()
    assert PAGE.read_text(encoding="utf-8") == text
    kept = {file.stem: file.read_text(encoding="utf-8") for file in PLOTS.glob("*.svg")}
    assert kept == plots.svgs


def test_every_result_that_is_kept_is_told_of() -> None:
    told = {f"{name}.json" for about in bench_report.SECTIONS for name in about.RESULTS}
    assert {file.name for file in bench_saved.RESULTS.glob("*.json")} == told


def test_an_answer_is_saved_with_the_command_that_gave_it(folder: Path) -> None:
    code = main(["telemetry", "--json", "--nodes", "20", "--save", "made-up", "--repeat", "1"])
    kept = bench_saved.saved("made-up")
    assert kept.command == "bench telemetry --nodes 20 --repeat 1"
    assert kept.answer["spans_per_node"] == {"in process": 2.0, "on a worker": 3.0}
    assert kept.answer["ok"] is (code == 0)
    assert re.match(r"\d+ x .+ GiB, .+Python 3\.", kept.machine)


def test_a_report_is_written_of_what_was_saved(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bench_saved.save("made-up", "bench made-up", {"ok": False, "s": 2})
    (folder / "page").mkdir()
    (folder / "page" / "stale.svg").touch()
    assert main(["report", "--json"]) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1]) == {
        "ok": True,
        "sections": ["Made up"],
        "plots": ["made-up"],
    }
    page = (folder / "page.md").read_text()
    assert "\n2 s\n\n![a bar](performance/made-up.svg)\n" in page
    assert "`hatch run bench made-up`" in page
    assert "**not within its bounds**" in page
    assert [file.name for file in (folder / "page").iterdir()] == ["made-up.svg"]


def test_a_report_of_what_was_not_saved_names_the_file(folder: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"made-up\.json"):
        main(["report"])


def test_two_plots_of_one_name_are_refused() -> None:
    plots = Plots()
    plots.add("one", "", "")
    with pytest.raises(ValueError, match="two plots are called 'one'"):
        plots.add("one", "", "")


@pytest.mark.parametrize("name", [benchmark.__name__ for benchmark in BENCHMARKS])
def test_the_short_forms_of_a_benchmark_are_of_its_command_line(name: str) -> None:
    benchmark = next(each for each in BENCHMARKS if each.__name__ == name)
    parser = argparse.ArgumentParser()
    benchmark.add_arguments(parser)
    assert benchmark.SHORT
    for form in benchmark.SHORT:
        parser.parse_args(form)


@pytest.mark.parametrize(("second", "code"), [("20", 0), ("none", 1)])
def test_all_benchmarks_are_run_and_each_has_its_line(
    second: str, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    short = SimpleNamespace(
        __name__="telemetry",
        SHORT=(("--nodes", "10", "--repeat", "1"), ("--nodes", second, "--repeat", "1")),
        add_arguments=telemetry.add_arguments,
    )
    monkeypatch.setattr(bench_all, "BENCHMARKS", (short,))
    assert main(["all", "--json"]) == code
    lines = capsys.readouterr().out.splitlines()
    answer = json.loads(lines[-1])
    assert answer["ok"] is (code == 0)
    first, other = answer["benchmarks"].values()
    assert first["ok"]
    assert first["spans_per_node"] == {"in process": 2.0, "on a worker": 3.0}
    assert other["ok"] is (code == 0)
    assert any(line.startswith("in process   2 spans per node") for line in lines)
    assert first["seconds"] > 0


def points_of(svg: str) -> list[tuple[float, float]]:
    root = ET.fromstring(svg)
    circles = root.iter("{http://www.w3.org/2000/svg}circle")
    return [(float(circle.attrib["cx"]), float(circle.attrib["cy"])) for circle in circles]


def test_a_line_has_its_points_where_their_logarithms_are() -> None:
    svg = line_plot("A <title>", "nodes", "s", {"one": [(10, 1), (100, 10), (1_000, 100)]})
    (x0, y0), (x1, y1), (x2, y2) = points_of(svg)
    assert x1 - x0 == pytest.approx(x2 - x1)
    assert y1 - y0 == pytest.approx(y2 - y1)
    assert x1 > x0
    assert y1 < y0
    assert "A &lt;title&gt;" in svg


def test_names_of_lines_that_end_alike_do_not_lie_on_each_other() -> None:
    svg = line_plot("t", "x", "y", {f"line {each}": [(1, 1), (10, 5 + each / 100)] for each in range(5)})
    heights = sorted(float(found) for found in re.findall(r'y="([\d.]+)"[^>]*>line \d', svg))
    assert all(above + 14 <= below for above, below in itertools.pairwise(heights))
    assert len(heights) == 5


def test_bars_are_as_long_as_their_values() -> None:
    svg = bar_plot("t", "ms", {"Flowcraft": (10, 9, 12), "other": (20, 20, 20)})
    ours, theirs = (float(width) for width in re.findall(r'width="([\d.]+)" height="20"', svg))
    assert theirs == pytest.approx(2 * ours, rel=0.01)
    assert "10 ms" in svg
    assert ET.fromstring(svg) is not None


def test_the_section_on_runs_in_process_has_each_way_and_a_plot_of_each_shape() -> None:
    taken = {"median": 10.0, "min": 9.0, "max": 12.0, "steps": "plain"}
    ways = ("by hand", "Flowcraft, built", "Flowcraft, built again", "Flowcraft, decorated", "Burr")
    rows = [
        {"shape": shape, "nodes": nodes, "us_per_node": dict.fromkeys(ways, taken)}
        for shape in ("chain", "fan", "batch", "loop")
        for nodes in (10, 100)
    ]
    about = {name: {"version": "1", "settings": "none"} for name in ways}
    answer = {"ok": True, "rounds": 5, "ways": about, "rows": rows, "decorated_to_built": 1.0, "noise": 0.01}
    plots = Plots()
    saved = Saved("bench", "2026-01-01", "a machine", {**answer, "bound": 1.05})
    section = about_inprocess.section({"inprocess-peers": saved}, plots)
    assert "| chain | 10 | 10.0 | 10.0 | 10.0 | 10.0 plain |" in section.found
    assert "takes 1.000 of the time" in section.found
    assert "built again" not in section.measured + section.found
    assert set(plots.svgs) == {f"inprocess-{name}" for name in ("chain", "fan", "batch", "loop", "spread")}


def test_the_section_on_start_up_has_each_import_and_each_start() -> None:
    times = {"min_ms": 1.0, "max_ms": 3.0, "most": 0.5, "modules": 2}
    imports = {"core": {"first": "import attrs", "first_ms": 9.0, "then_ms": 2.0, "share": 0.2, "others": 0, **times}}
    starts = {"in process": {"until": "the first step", "ms": 9.0, "floor_ms": 6.0, "to_floor": 1.5, **times}}
    answer = {"ok": True, "rounds": 5, "imports": imports, "starts": starts, "slowest_ms": {"a": 1.0}}
    saved = Saved("bench", "2026-01-01", "a machine", {**answer, "wheels": {"w": {"kib": 9, "needs": 1, "in_all": 2}}})
    plots = Plots()
    found = about_startup.section({"startup": saved}, plots).found
    assert "| core | 2.0 | 9: attrs | 0.20 of it | 0.5 | 2 | 0 |" in found
    assert "| in process | the first step | 9 | 6 | 1.50 | 0.5 |" in found
    assert "| w | 9 | 1 | 2 |" in found
    assert set(plots.svgs) == {"startup-imports"}


def told(name: str, answer: dict[str, Any]) -> dict[str, Saved]:
    return {name: Saved("bench", "2026-01-01", "a machine", {"ok": True, **answer})}


def test_figures_stand_at_the_right_of_their_columns() -> None:
    assert table(["what", "ms"], [["one", "1"]]) == "| what | ms |\n| --- | ---: |\n| one | 1 |"
    assert "| --- | --- | ---: |" in table(["a", "b", "c"], [], words=2)
    assert between([1, 2_000.126]) == "1.00 to 2,000.13"


def test_the_section_on_latency_shows_which_rows_are_short_and_which_are_not_asked() -> None:
    def row(number: int, share: float, *, is_bound: bool) -> dict[str, Any]:
        measured = {"share_of_ideal": share, "steps_per_s": 1_000.0, "is_bound": is_bound}
        measured |= {"cpu_us_per_step": 61.4, "whole_process_us_per_step": 73.5}
        return {"shape": "chain", "delay_ms": 5.0, "in_flight": number, **measured}

    answer = {
        "rounds": 5,
        "rows": [row(1, 0.3, is_bound=False), row(20, 0.84, is_bound=True), row(100, 0.85, is_bound=True)],
        "short_of_bound": ["chain, 5 ms, 20 in flight"],
        "calls": {"chain": ["queue.receive", "context.put", "context.put"]},
        "core_us_per_step": 50.0,
        "bound_share": 0.85,
    }
    plots = Plots()
    section = about_latency.section(told("latency", answer), plots)
    assert "- chain: `queue.receive`, 2 x `context.put`" in section.measured
    assert "| chain | 5 ms | (30%) | **84%** | 85% |" in section.found
    assert "| chain | 5 ms | 61 | 61 | 61 |" in section.found
    assert "| chain | 5 ms | 74 | 74 | 74 |" in section.found
    assert "Of the 2 rows in which it is asked for, 1 are short of it: chain, 5 ms, 20 in flight." in section.found
    assert "at 50 us a step" in plots.svgs["latency-chains"]


def test_the_section_on_sqlite_has_each_figure_beside_its_bound() -> None:
    figures = dict.fromkeys(about_sqlite.ROWS, 2.0) | {"steps_per_s_of_1": 9.0, "steps_per_s_of_8": 6.0}
    figures["many_to_best"] = 0.66
    answer = {
        **figures,
        "spread": {name: [figure, figure + 1] for name, figure in figures.items()},
        "bounds": {"chain_to_floor": 1.6, "item_to_step": 3.0, "many_to_best": 0.5},
        "rounds": [{}, {}],
    }
    found = about_sqlite.section(told("durable", answer), Plots()).found
    assert "| such a chain, in its bare commits | 2.00 | 2.00 to 3.00 | at most 1.6 |" in found
    assert "| 200 chains, 8 worker processes | 6 steps/s | 6 to 7 |  |" in found
    assert "| the most processes, in the best of fewer | 0.66 | 0.66 to 1.66 | at least 0.5 |" in found


def test_the_section_on_large_batches_has_each_program_and_each_loop() -> None:
    program = {"peak_mib": 99.6, "seconds": 120.0, "cpu_seconds": 90.0}
    programs = dict.fromkeys(("worker", "result", "describe", "purge", "reconciler", "successor"), program)
    row = {
        "programs": programs,
        "cpu_us_per_item": 351.0,
        "successor_us_per_item": 190.0,
        "cpu_us_per_item_spread": [350.0, 352.0],
    }
    us = {"us": 50.0, "min": 49.0, "max": 52.0}
    answer = {
        "rows": [
            {"items": 1_000, "rounds": 5, "requests_per_item": 1.0421, "requests_per_item_killed": 1.13, **row},
            {"items": 1_000_000, "rounds": 1, "requests_per_item": 1.004, "requests_per_item_killed": 1.005, **row},
        ],
        "loops": [{"passes": passes, "us_per_pass": {"result": us, "reconciler": us}} for passes in (1_000, 8_000)],
        "power": {"result": 1.1, "reconciler": 1.0},
        "bounds": {"mib": 512.0, "more": 0.15, "power": 1.2},
        "lanes": 50,
        "most_mib": 99.6,
        "more_time": 0.0,
        "more_requests": -0.03,
    }
    plots = Plots()
    section = about_scale.section(told("scale", answer), plots)
    assert "| 1,000 | 351 | 350 to 352 | 190 | 1.042 | 1.130 | 2.00 |" in section.found
    assert "| 1,000,000 | 351 | one | 190 | 1.004 | 1.005 | 2.00 |" in section.found
    assert "| 1,000,000 |" + " 100 |" * 6 in section.found
    assert "| 8,000 | 50 (49 to 52) | 50 (49 to 52) |" in section.found
    assert set(plots.svgs) == {"scale-memory"}
