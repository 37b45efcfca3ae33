"""Many seeds on all processors, and what they came to together."""

from __future__ import annotations

import itertools
import multiprocessing
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from typing import Any

import attrs

from .constructs import CONSTRUCTS
from .trying import Tried, try_seed
from .weather import MAX_STEPS

# So many seeds are handed to a process at a time.
_AT_ONCE = 10

#: Each construct is in at least so many of the flows.
LEAST_SHARE = 0.5

# Of fewer seeds the shares say nothing.
_ENOUGH = 1000


@attrs.define
class Hunt:
    """What many seeds came to.

    Attributes:
        runs: How many there were.
        differing: Those in which something was wrong.
        constructs: In how many flows each construct was.
        max_steps: How many runs handed over after how many steps.
        faults: How often each kind of fault happened.
    """

    runs: int = 0
    differing: list[Tried] = attrs.field(factory=list)
    constructs: Counter[str] = attrs.field(factory=Counter)
    max_steps: Counter[int] = attrs.field(factory=Counter)
    faults: Counter[str] = attrs.field(factory=Counter)

    def add(self, tried: Tried) -> None:
        """Take in what one seed came to."""
        self.runs += 1
        self.constructs.update(tried.constructs)
        if tried.max_steps is not None:
            self.max_steps[tried.max_steps] += 1
        self.faults.update(tried.faults)
        if tried.problems:
            self.differing.append(tried)

    @property
    def shares(self) -> dict[str, float]:
        """The share of the flows in which each construct was."""
        return {name: round(self.constructs[name] / max(self.runs, 1), 3) for name in CONSTRUCTS}

    @property
    def rare(self) -> list[str]:
        """The constructs that were in too few flows to say that they were tried."""
        least = LEAST_SHARE * self.runs
        return [name for name in CONSTRUCTS if self.constructs[name] < least] if self.runs >= _ENOUGH else []

    @property
    def undrawn(self) -> list[int]:
        """After how many steps no run has handed over, though it was to be tried."""
        return [number for number in sorted(MAX_STEPS) if not self.max_steps[number]] if self.runs >= _ENOUGH else []

    @property
    def kinds(self) -> dict[str, list[int]]:
        """The seeds in which something was wrong, by the first kind of what was."""
        found: dict[str, list[int]] = {}
        for tried in self.differing:
            found.setdefault(tried.problems[0].kind, []).append(tried.seed)
        return dict(sorted(found.items(), key=lambda item: -len(item[1])))

    def summary(self) -> dict[str, Any]:
        """The numbers, for JSON."""
        return {
            "ok": not self.differing and not self.rare and not self.undrawn,
            "runs": self.runs,
            "differences": len(self.differing),
            "kinds": {kind: {"runs": len(seeds), "seeds": seeds[:10]} for kind, seeds in self.kinds.items()},
            "constructs": self.shares,
            "rare": self.rare,
            "max_steps": {str(number): self.max_steps[number] for number in sorted(MAX_STEPS)},
            "undrawn": self.undrawn,
            "weaknesses": dict(sorted(self.faults.items())),
        }


def hunt(seeds: Iterable[int], *, jobs: int, seconds: float | None = None) -> Iterator[Tried]:
    """Try seeds; gives what they came to as it comes.

    Args:
        seeds: Which; there may be no end of them.
        jobs: In how many processes. With one they are tried here.
        seconds: No new ones are begun after so many seconds.
    """
    began = time.monotonic()
    waiting = iter(seeds)

    def more() -> list[int]:
        if seconds is not None and time.monotonic() - began >= seconds:
            return []
        return list(itertools.islice(waiting, _AT_ONCE))

    if jobs == 1:
        while chunk := more():
            yield from map(try_seed, chunk)
        return
    with ProcessPoolExecutor(jobs, mp_context=multiprocessing.get_context("spawn")) as pool:
        under_way = {pool.submit(_try_all, chunk) for _ in range(2 * jobs) if (chunk := more())}
        while under_way:
            done, under_way = wait(under_way, return_when=FIRST_COMPLETED)
            for future in done:
                if chunk := more():
                    under_way.add(pool.submit(_try_all, chunk))
                yield from future.result()


def _try_all(seeds: list[int]) -> list[Tried]:
    return [try_seed(seed) for seed in seeds]
