"""Scenarios carried out one after the other, or several at once in processes of their own."""

from __future__ import annotations

import argparse
import asyncio
import logging
import multiprocessing
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from typing import TypeAlias

import attrs
import catalogue
from backend import Backend
from scenario import Result, Scenario, carry_out

#: On what, which scenario, and why it is absent there, if it is.
_Asked: TypeAlias = "tuple[type[Backend], int, str | None]"


def add_jobs(parser: argparse.ArgumentParser, *, usual: int) -> None:
    """Let the command line say how many scenarios are carried out at once."""
    parser.add_argument("--jobs", type=int, default=usual, metavar="N", help=f"so many at once, {usual} by default")


def add_only(parser: argparse.ArgumentParser, known: Sequence[int]) -> None:
    """Let the command line say which scenarios are carried out: all of them by default."""

    def numbers(text: str) -> list[int]:
        chosen: set[int] = set()
        for part in text.split(","):
            first, _, last = part.partition("-")
            span = range(int(first), int(last or first) + 1)
            if not span:
                raise argparse.ArgumentTypeError(f"{part!r} is no range: the smaller number comes first")
            chosen.update(span)
        if not chosen <= set(known):
            raise argparse.ArgumentTypeError(f"there is no scenario {', '.join(map(str, sorted(chosen - set(known))))}")
        return sorted(chosen)

    parser.add_argument(
        "--only", type=numbers, default=list(known), metavar="8,62-75", help="carry out these scenarios only"
    )


def shown(results: Iterable[Result]) -> list[Result]:
    """Results in order; each is printed as it comes, and then how many there are of each kind."""
    seen: list[Result] = []
    for result in results:
        seen.append(result)
        why = "" if result.why is None else f"\n{'':22}{result.why}"
        print(f"{result.id:>3}  {result.backend:<10}  {result.status:<4} {result.title}{why}", flush=True)
    counts = Counter(result.status for result in seen)
    print(f"{len(seen)} scenarios: " + ", ".join(f"{counts[status]} {status}" for status in ("pass", "fail", "n/a")))
    return sorted(seen, key=lambda result: (result.backend, result.id))


def carry_out_alone(scenario: Scenario, make: type[Backend]) -> Result:
    """Carry a scenario out in an event loop of its own, which a step may try to end."""
    try:
        return asyncio.run(carry_out(scenario, make))
    except SystemExit as error:
        why = f"a step's SystemExit({error.code!r}) has ended the program"
        return Result(scenario.id, scenario.title, make.name, "fail", why)


def carry_out_all(scenarios: Iterable[Scenario], backends: Iterable[type[Backend]]) -> Iterator[Result]:
    """Carry scenarios out one after the other, each in an event loop of its own, and give each result at once."""
    for make in backends:
        for scenario in scenarios:
            yield carry_out_alone(scenario, make)


def carry_out_at_once(
    numbers: Sequence[int],
    backends: Iterable[type[Backend]],
    jobs: int,
    *,
    absent: Mapping[int, str] | None = None,
    once_more: bool = False,
) -> Iterator[Result]:
    """Carry scenarios of the catalogue out in so many processes, and give each result as soon as it is there.

    Args:
        numbers: Which.
        backends: On what.
        jobs: How many processes.
        absent: Scenarios that have no meaning on these backends, besides those that say so themselves, and why.
        once_more: Whether one that fails is tried again, alone, once all the others have ended: where time is real, a
            machine that is too busy for a moment is no fault of the run's. The result then says so.
    """
    asked: list[_Asked] = [(make, number, (absent or {}).get(number)) for make in backends for number in numbers]
    # A process that is forked would share what its parent has started.
    with ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn"), initializer=quieten) as pool:
        under_way = {pool.submit(_carry_out_one, one): one for one in asked}
        failed: list[tuple[Result, _Asked]] = []
        for ended in as_completed(under_way):
            result = ended.result()
            if result.status == "fail" and once_more:
                failed.append((result, under_way[ended]))
            else:
                yield result
        for first, one in failed:
            second = pool.submit(_carry_out_one, one).result()
            why = f"at first: {first.why}" + (f"; then: {second.why}" if second.why else "")
            yield attrs.evolve(second, why=why, tries=2)


def quieten() -> None:
    """Say nothing of what goes wrong: much does, on purpose."""
    logging.getLogger("flowcraft").setLevel(logging.CRITICAL)


def _carry_out_one(asked: _Asked) -> Result:
    make, number, absent = asked
    (scenario,) = (each for each in catalogue.SCENARIOS if each.id == number)
    if absent is not None:
        scenario = attrs.evolve(scenario, absent={**scenario.absent, make.name: absent})
    return carry_out_alone(scenario, make)
