"""``docs/costs.md``, written by ``cost --dollars --write`` from what it has counted."""

from __future__ import annotations

import json
import platform
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

PAGE = Path(__file__).resolve().parents[1] / "docs" / "costs.md"
#: What the page was written from.
RESULTS = Path(__file__).with_name("results") / "costs.json"

_HEAD = """# What runs cost

`hatch run bench cost --dollars --write` writes this page. It counts the requests of runs on emulators of AWS and Azure,
as they go over the wire, and holds them to what they cost by list prices, and to a floor.

## A million steps, in US dollars
"""

_AFTER_TABLE = """
Steps are next to nothing here, with next to no payload. Left out everywhere: what runs the steps (machines, Lambda),
free tiers, discounts, storage by the month, plans with a price per month. Here also: workers that look for messages in
vain, heartbeats, the reconciler, and Redis, all of which cost by the hour. Azure's figure is an estimate, by a model of
request units, as the emulators charge one for everything. An output of 4 KB costs four writes more on DynamoDB; see
`hatch run bench cost --backend aws`.
"""

_FLOORS = """
## How far that is from the least

The floor is what no engine could leave out that keeps [the promises](guarantees.md): a durable write for each outcome,
the run's record, blueprint, status and its end, each message sent, received and removed, a read for what was received,
a word at a join from whoever was received together, all of it in batches as large as the queue takes.
[`benchmarks/floors.py`](../benchmarks/floors.py) derives it. How far a run is above it depends on the machine, too:
where requests take long, what has waited is looked up again, and a run's status is read every two seconds. Requests
for each step:
"""


def write(answer: Mapping[str, Any]) -> None:
    """Write the page, and keep what it was written from."""
    date = datetime.now(UTC).date().isoformat()
    kept = {"command": "bench cost --dollars", "date": date, "machine": platform.platform(), "answer": answer}
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")
    PAGE.write_text(text(answer), encoding="utf-8")


def text(answer: Mapping[str, Any]) -> str:
    """The page, for an answer of ``dollars.run``."""
    return "\n".join([_HEAD, *_dollars(answer), _AFTER_TABLE, *_rules(answer), _FLOORS, *_floors(answer), ""])


def _dollars(answer: Mapping[str, Any]) -> Iterator[str]:
    rows = answer["rows"]
    yield "| | " + " | ".join(f"{row['shape']}, {row['steps']} steps" for row in rows) + " |"
    yield "| --- |" + " ---: |" * len(rows)
    for name in rows[0]["usd_per_million_steps"]:
        told = [row["usd_per_million_steps"][name] for row in rows]
        yield f"| {name} | " + " | ".join("no price found" if usd is None else f"{usd:,.2f}" for usd in told) + " |"


def _rules(answer: Mapping[str, Any]) -> Iterator[str]:
    yield "What the others bill for, of such runs:"
    yield ""
    for name, rule in answer["rules"].items():
        yield f"- {name}: {rule}."
    yield ""
    yield "| price | US dollars | region | date | source |"
    yield "| --- | --- | --- | --- | --- |"
    for price in answer["prices"]:
        usd = "no price found" if price["usd"] is None else f"{price['usd']:g} for {price['per']:,}"
        where = f"<{price['source']}>; {price['seen_in']}"
        yield f"| {price['peer']}: {price['unit']} | {usd} | {price['region']} | {price['date']} | {where} |"
    aws, azure = answer["ours"]["aws"], answer["ours"]["azure"]
    for what, usd in (
        ("DynamoDB: write unit", aws["usd_per_write_unit"]),
        ("DynamoDB: read unit", aws["usd_per_read_unit"]),
        ("SQS: request, with fair queues", aws["usd_per_sqs_request"]),
    ):
        yield f"| {what} | {usd * 1e6:g} for 1,000,000 | us-east-1 | {aws['date']} | {_listed(aws)} |"
    for what, usd in (
        ("Cosmos DB, serverless: request unit", azure["usd_per_request_unit"]),
        ("Queue Storage: operation", azure["usd_per_queue_operation"]),
    ):
        yield f"| {what} | {usd * 1e6:g} for 1,000,000 | West US | {azure['date']} | {_listed(azure)} |"


def _listed(ours: Mapping[str, Any]) -> str:
    return "; ".join(f"<{source}>" if source.startswith("https:") else source for source in ours["sources"])


def _floors(answer: Mapping[str, Any]) -> Iterator[str]:
    yield "| | requests | floor | times the floor | the floor consists of |"
    yield "| --- | ---: | ---: | ---: | --- |"
    for cloud, rows in answer["counted"].items():
        for row in rows:
            parts = ", ".join(f"{number:,} {name}" for name, number in row["floor"].items())
            yield (
                f"| {row['shape']}, {row['nodes']} steps, {'AWS' if cloud == 'aws' else 'Azure'} |"
                f" {row['requests_per_node']:.2f} | {row['floor_per_node']:.2f} | {row['over_floor']:.2f} | {parts} |"
            )
