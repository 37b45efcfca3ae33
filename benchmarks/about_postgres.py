"""The section on durable runs on PostgreSQL, beside DBOS."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bench_saved import Saved
from bench_sections import Plots, Section
from bench_tables import between, table

TITLE = "PostgreSQL, beside DBOS"
RESULTS = ("durable-postgres",)

_MEASURED = """Chains of 20 steps that do nothing, one after the other and 100 at once, here and in DBOS on the same
server, and as many bare commits; all in turns of some milliseconds. What counts is the middle of {rounds} rounds, each
with databases of its own. There are two servers, told the same: one with its data in memory, where a commit takes what
it takes on a disk that is fast, and one with them on this machine's disk. DBOS runs each chain in its fastest way, of
those that its documentation shows: steps that are awaited, or plain ones in threads.

- The server: {server}.
- DBOS: {dbos}.
- `PostgresBackend`: {ours}.

A chain is to take {latency:.2f} of DBOS's time at most, and at once there are to be {throughput:g} times its steps.
Where bare commits alone take more than {room:g} of DBOS's time, the disk decides, whatever is added to them: there, a
chain may add {latency:.2f} of what DBOS adds."""

_FOUND = """{table}"""

_TRIED = """- DBOS with 5 or 50 connections: it was slower than with 20. Its logging, tracing and server are off.
- DBOS's workflows started and waited for: that polls, and would be slower; they are called.
- A server's `synchronous_commit=off`: neither would have its promises any more. [Note 30](decisions/0030-postgres.md)
  says what else was weighed of PostgreSQL."""

_ROWS: dict[str, tuple[str, str]] = {
    "commits_per_s": ("bare commits a second", ",.0f"),
    "chain_ms": ("a chain, ms", ",.1f"),
    "dbos_chain_ms": ("a chain in DBOS, ms", ",.1f"),
    "chain_to_floor": ("a chain, in its bare commits", ",.2f"),
    "chain_to_dbos": ("a chain, of DBOS's time", ",.2f"),
    "added_to_dbos": ("what it adds to bare commits, of what DBOS adds", ",.2f"),
    "chains_steps_per_s": ("100 chains at once, steps/s", ",.0f"),
    "dbos_chains_steps_per_s": ("100 chains at once in DBOS, steps/s", ",.0f"),
    "chains_to_dbos": ("100 chains at once, times DBOS's steps", ",.1f"),
}
_PLACES = {"memory": "in memory", "disk": "on the disk"}


def section(told: Mapping[str, Saved], plots: Plots) -> Section:
    """The text, of what was saved."""
    answer = told["durable-postgres"].answer
    rows = [[what, *(_cell(answer[place], name, form) for place in _PLACES)] for name, (what, form) in _ROWS.items()]
    return Section(
        measured=_MEASURED.format(
            rounds=len(answer["memory"]["rounds"]),
            server=_settings(answer["server"]),
            dbos=_settings(answer["dbos"]),
            ours=_settings(answer["ours"]) or "as by default",
            **answer["bounds"],
        ),
        found=_FOUND.format(table=table(["what", *_PLACES.values()], rows)),
        tried=_TRIED,
    )


def _settings(settings: Mapping[str, Any]) -> str:
    return ", ".join(f"`{name}={value}`" for name, value in settings.items())


def _cell(told: Mapping[str, Any], name: str, form: str) -> str:
    return f"{told[name]:{form}} ({between(told['spread'][name], form)})"
