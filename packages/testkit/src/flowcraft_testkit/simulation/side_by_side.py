"""Schedules of the testkit's own scenarios, in several processes; what is found comes in the scenarios' order."""

from __future__ import annotations

import functools
import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import TypeVar

from .canonical import SCENARIOS
from .exhaustive import Exhausted, crashes, interleavings
from .explore import Report, simulate

_Found = TypeVar("_Found")


def drawn(names: Sequence[str], seeds: range, *, jobs: int) -> Iterator[Report]:
    """What drawn schedules come to, of which each scenario has its share.

    Args:
        names: The scenarios.
        seeds: One for each schedule.
        jobs: How many processes.
    """
    return _side_by_side(functools.partial(_drawn, names, seeds), names, jobs)


def exhausted(names: Sequence[str], *, budget: int, stride: int, jobs: int) -> Iterator[Exhausted]:
    """What crashes, and orders of two workers' requests, come to.

    Args:
        names: The scenarios.
        budget: So many orders are tried of each.
        stride: Take every so-manieth crash only.
        jobs: How many processes.
    """
    return _side_by_side(functools.partial(_exhausted, budget, stride), names, jobs)


def _side_by_side(look: Callable[[str], _Found], names: Sequence[str], jobs: int) -> Iterator[_Found]:
    if min(jobs, len(names)) == 1:
        yield from map(look, names)
        return
    with ProcessPoolExecutor(jobs, mp_context=multiprocessing.get_context("spawn")) as pool:
        yield from pool.map(look, names)


def _drawn(names: Sequence[str], seeds: range, name: str) -> Report:
    place = names.index(name)
    return simulate(SCENARIOS[name], seeds=[seed // len(names) for seed in seeds if seed % len(names) == place])


def _exhausted(budget: int, stride: int, name: str) -> Exhausted:
    done = crashes(SCENARIOS[name], stride=stride)
    done.add(interleavings(SCENARIOS[name], budget=budget))
    return done
