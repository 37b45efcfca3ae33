"""Scenarios carried out one after the other, or several at once in processes of their own."""

from __future__ import annotations

import argparse
import asyncio
import logging
import multiprocessing
import os
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor, as_completed

import attrs
import catalogue
from backend import Backend
from scenario import Check, Checked, Result, Scenario, carry_out, check_name, concluded


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
    """Results in order; each is printed as it comes, with its seconds, and then how many there are of each kind."""
    seen: list[Result] = []
    for result in results:
        seen.append(result)
        why = "" if result.why is None else f"\n{'':31}{result.why}"
        took = f"{sum(result.seconds.values()):.1f} s"
        print(f"{result.id:>3}  {result.backend:<10}  {took:>7}  {result.status:<4} {result.title}{why}", flush=True)
    counts = Counter(result.status for result in seen)
    print(f"{len(seen)} scenarios: " + ", ".join(f"{counts[status]} {status}" for status in ("pass", "fail", "n/a")))
    return sorted(seen, key=lambda result: (result.backend, result.id))


def carry_out_alone(scenario: Scenario, make: type[Backend]) -> Result:
    """Carry a scenario out, one check after the other."""
    return concluded(scenario, make, [_carry_out_check(check, make) for check in scenario.checks_on(make)])


def carry_out_all(scenarios: Iterable[Scenario], backends: Iterable[type[Backend]]) -> Iterator[Result]:
    """Carry scenarios out one after the other, and give each result at once."""
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

    What is given to a process is a check, not a scenario: none of them waits for another.

    Args:
        numbers: Which.
        backends: On what.
        jobs: How many processes.
        absent: Scenarios that have no meaning on these backends, besides those that say so themselves, and why.
        once_more: Whether a check that fails is made again, alone, once all the others have ended: where time is real,
            a machine that is too busy for a moment is no fault of the run's. The result then says so.
    """
    asked = [_Asked.of(make, number, (absent or {}).get(number)) for make in backends for number in numbers]
    # A process that is forked would share what its parent has started.
    with ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn"), initializer=_begin_process) as pool:
        under_way: dict[Future[Checked], tuple[_Asked, int]] = {}
        for one in asked:
            if not one.checks:
                yield one.concluded()
            for place in range(len(one.checks)):
                under_way[pool.submit(_make_check, one.make, one.scenario.id, place)] = one, place
        failed: list[_Asked] = []
        for ended in as_completed(under_way):
            one, place = under_way[ended]
            one.checked[place] = ended.result()
            if len(one.checked) < len(one.checks):
                continue
            result = one.concluded()
            if result.status == "fail" and once_more:
                failed.append(one)
            else:
                yield result
        for one in failed:
            yield one.tried_again(pool)


def quieten() -> None:
    """Say nothing of what goes wrong: much does, on purpose."""
    logging.getLogger("flowcraft").setLevel(logging.CRITICAL)


def _begin_process() -> None:
    """Of a pool: end, with all that was started here, when the program does, also if that is killed."""
    quieten()
    parent = multiprocessing.parent_process()

    def end_with_it() -> None:
        if parent is not None:
            parent.join()
            os._exit(1)

    threading.Thread(target=end_with_it, name="ends with the program", daemon=True).start()


@attrs.define
class _Asked:
    """A scenario that is to be carried out on a backend, check by check.

    Attributes:
        make: The backend.
        scenario: The scenario.
        checks: Its checks there; none where it is absent.
        checked: What came out of those that were made, by their place.
    """

    make: type[Backend]
    scenario: Scenario
    checks: Sequence[Check]
    checked: dict[int, Checked] = attrs.field(factory=dict)

    @classmethod
    def of(cls, make: type[Backend], number: int, absent: str | None) -> _Asked:
        """The one of the catalogue; with why it is absent, besides what it says itself."""
        scenario = _scenario(number)
        if absent is not None:
            scenario = attrs.evolve(scenario, absent={**scenario.absent, make.name: absent})
        return cls(make, scenario, scenario.checks_on(make))

    def concluded(self) -> Result:
        """What its checks come to."""
        return concluded(self.scenario, self.make, [self.checked[place] for place in sorted(self.checked)])

    def tried_again(self, pool: Executor) -> Result:
        """The same, once what failed was made again, one check after the other; with why it failed at first."""
        first = self.concluded()
        for place, before in self.checked.items():
            if before.failure is not None:
                again = pool.submit(_make_check, self.make, self.scenario.id, place).result()
                self.checked[place] = attrs.evolve(again, seconds=before.seconds + again.seconds)
        second = self.concluded()
        why = f"at first: {first.why}" + (f"; then: {second.why}" if second.why else "")
        return attrs.evolve(second, why=why, tries=2)


def _scenario(number: int) -> Scenario:
    (scenario,) = (each for each in catalogue.SCENARIOS if each.id == number)
    return scenario


def _make_check(make: type[Backend], number: int, place: int) -> Checked:
    """In a process that has a catalogue of its own."""
    return _carry_out_check(_scenario(number).checks_on(make)[place], make)


def _carry_out_check(check: Check, make: type[Backend]) -> Checked:
    """Make a check in an event loop of its own, which a step may try to end."""
    began = time.monotonic()

    async def carried_out() -> Checked:
        return await carry_out(check, make())

    try:
        return asyncio.run(carried_out())
    except SystemExit as error:
        failure = f"a step's SystemExit({error.code!r}) has ended the program"
        return Checked(check_name(check), failure, time.monotonic() - began)
