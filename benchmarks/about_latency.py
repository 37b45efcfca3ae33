"""The section on latency of the page on performance."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from bench_plots import line_plot
from bench_saved import Saved
from bench_sections import Plots, Section

TITLE = "Latency"
RESULTS = ("latency",)

_MEASURED = """
Chains of 20 steps, fans of 20 between two, and batches of 20, on one worker in memory, where the answer to each
call of a port comes so many milliseconds later. As many runs are under way as make so many steps at once; each
is followed by the next. Time is that of a core that does nothing else: the processor time that the process has
used, and what it would have waited. So a busy machine makes the processor slower, and nothing else.

The ideal is the smaller of what the calls allow that a run waits for one after the other, which are listed and
counted anew each time, and what one core allows at {core:g} us per step. All processor time of the process
counts as the step's: that of the client that starts the runs, of what is in memory, and of the event loop, too.
"""


def section(told: Mapping[str, Saved], plots: Plots) -> Section:
    """The text, of what was saved."""
    answer = told["latency"].answer
    rows = answer["rows"]
    calls = "\n".join(
        f"- {name}: {len(path)} calls: "
        + ", ".join(f"{number} x `{call}`" if number > 1 else f"`{call}`" for call, number in Counter(path).items())
        for name, path in answer["calls"].items()
    )
    table = "\n".join(
        f"| {row['shape']} | {row['delay_ms']:g} ms | {row['in_flight']} | {row['steps_per_s']:,.0f} | "
        f"{row['ideal_steps_per_s']:,.0f} | {row['share_of_ideal']:.0%} | {row['best_share']:.0%} | "
        f"{row['cpu_us_per_step']:.0f} ({' to '.join(f'{end:.0f}' for end in row['cpu_us_per_step_spread'])}) |"
        for row in rows
    )
    lines = {
        f"{delay:g} ms": [
            (row["in_flight"], row["steps_per_s"])
            for row in rows
            if row["shape"] == "chain" and row["delay_ms"] == delay
        ]
        for delay in sorted({row["delay_ms"] for row in rows})
    }
    plot = plots.add(
        "latency",
        "steps per second of chains by how many are under way, a line for each delay",
        line_plot("Chains on one worker, by what a call takes", "chains under way", "steps/s", lines),
    )
    found = f"""What a run waits for, one after the other:

{calls}

{plot}

| shape | a call takes | steps at once | steps/s | ideal | share | at best | us of the processor per step |
| --- | --- | --- | --- | --- | --- | --- | --- |
{table}

Of chains of which up to ten are under way it is the calls that decide: there the command asks for
{answer["bound_share"]:.0%} in the best round. Where more are, the processor does, and the share says how far one
process is from the ideal."""
    tried = """What a run waits for, and why it is not less, is in [decision 51](decisions/0051-latency.md)."""
    return Section(_MEASURED.format(core=answer["core_us_per_step"]), found, tried)
