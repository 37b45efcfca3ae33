"""The section on emulators, beside Celery."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bench_plots import bar_plot
from bench_saved import Saved
from bench_sections import Plots, Section
from bench_tables import between, table

TITLE = "Emulators, beside Celery"
RESULTS = ("peers",)

_MEASURED = """Chains of {chain} steps on emulators of AWS (LocalStack and moto) and of Azure (Azurite, a stand-in for
Cosmos DB, and Redis), by one worker process and by four, and Celery's chains on the same SQS and the same Redis. A
chain's time goes from asking for its start until its last step runs, in another process, which tells so by a datagram:
nobody polls. The middle of {rounds} rounds.

Emulators are programs of one process each, in Python and JavaScript, and take most of the machine themselves. So these
figures compare engines on the same emulators; they say nothing of how fast either is in the cloud. And they do not do
the same: a chain of Celery's keeps the results of its tasks, but no record of the chain, so that what is lost is found
by nobody.

- Celery: {settings}; `{arguments}`; each pool: {pools}."""

_FOUND = """{table}

{plots}"""

_TRIED = """- One pool of Celery's: which is better depends on the broker, so both are shown.
- Ends that are asked for: that takes the emulators' time, and is late. They are told.
- Fewer requests for each step here: what is left is counted, and held to a floor ([costs](costs.md))."""


def section(told: Mapping[str, Saved], plots: Plots) -> Section:
    """The text, of what was saved."""
    answer = told["peers"].answer
    rows, celery = answer["rows"], dict(answer["celery"])
    arguments, pools = " ".join(celery.pop("arguments")), celery.pop("pools")
    head = ["system", "workers", "a chain, ms", "rounds", "steps/s", "rounds", "emulators' share of the processors"]
    return Section(
        measured=_MEASURED.format(
            chain=answer["chain"],
            rounds=answer["rounds"],
            settings=", ".join(f"`{name}={value}`" for name, value in celery.items()),
            arguments=arguments,
            pools=" or ".join(f"`{' '.join(each)}`" for each in pools.values()),
        ),
        found=_FOUND.format(
            table=table(head, [_cells(row) for row in rows]),
            plots="\n\n".join(_plot(rows, workers, plots) for workers in sorted({row["workers"] for row in rows})),
        ),
        tried=_TRIED,
    )


def _cells(row: Mapping[str, Any]) -> list[str]:
    return [
        row["system"],
        f"{row['workers']}",
        f"{row['chain_ms']:,.0f}",
        between(row["chain_ms_spread"], ",.0f"),
        f"{row['steps_per_s']:,.0f}",
        between(row["steps_per_s_spread"], ",.0f"),
        f"{row['emulators_share_of_cpu']:.0%}",
    ]


def _plot(rows: Sequence[Mapping[str, Any]], workers: int, plots: Plots) -> str:
    bars = {
        row["system"]: (row["steps_per_s"], *row["steps_per_s_spread"]) for row in rows if row["workers"] == workers
    }
    said = "one worker" if workers == 1 else f"{workers} workers"
    shown = bar_plot(f"Chains at once, {said}, least to most of the rounds", "steps/s", bars)
    return plots.add(f"peers-{workers}", f"Steps a second on emulators, {said}", shown)
