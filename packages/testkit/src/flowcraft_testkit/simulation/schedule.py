"""A schedule: what happens in what order, and what goes wrong. The base class is the dull one: all goes well."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from random import Random

import attrs

from ..memory import Weaknesses
from .dice import Dice, StoreDice
from .faults import Faults, RequestFault

_STALENESS = 1.0
_HARMLESS_RANDOM = 0

# What ends a program, or looks like it to the others, and how often that happens at most. One less than the deliveries
# after which a step is taken for one that kills its process.
_DEATHS = ("crash before", "crash after", "paused")
_MOST_DEATHS = 4

# A request that is on its way for longer than this may be a heartbeat that comes too late: that looks like an end too.
_SHORT = 5.0

# A program whose requests are refused for longer than this may not say in time that it still holds its jobs: likewise.
_SHORT_REFUSAL = 10.0

# How much seldomer something goes wrong where there was nothing to do.
_SELDOM = 10

#: Seconds, the first of them the harmless ones.
_SLOW = (0.1, 1.0, 5.0, 20.0, 70.0, 150.0)
_PAUSES = (15.0, 45.0, 70.0, 200.0)
_DOWN = (1.0, 0.0, 20.0, 90.0)
_REFUSED = (0.5, 2.0, 10.0, 40.0)
_LATE = (1.0, 0.01, 10.0, 100.0)


@attrs.frozen
class Waiting:
    """A request that is on its way.

    Attributes:
        program: Whose.
        operation: What it asks for, like ``context.put``.
    """

    program: str
    operation: str


class Schedule:
    """Everything in the order in which it comes, and nothing goes wrong.

    Attributes:
        counts: How often each kind of fault happened.
        reconciles: Whether the workers have reconcilers.
    """

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.reconciles = True

    @property
    def is_clean(self) -> bool:
        """Whether nothing has gone wrong."""
        return not +self.counts

    def weaknesses(self) -> Weaknesses:
        """What the backend may do."""
        return Weaknesses.none()

    def store_dice(self) -> Random:
        """What the backend's own chances follow from."""
        return Random(_HARMLESS_RANDOM)  # noqa: S311 - it takes none

    def calm(self) -> None:
        """From now on nothing goes wrong."""

    def choose(self, waiting: Sequence[Waiting]) -> int:
        """Which of the requests on their way happens now."""
        return 0

    def fault(self, program: str, operation: str, now: float, *, idle: bool) -> RequestFault | None:
        """What goes wrong with a request; ``idle``: one that only looks whether there is something to do."""
        return None

    def crash_between(self, programs: Sequence[str], now: float) -> str | None:
        """Which program ends at once, as all wait and time is about to pass."""
        return None

    def fate(self, program: str, now: float) -> Sequence[float]:
        """How many copies of a message that is sent there will be, each with so many seconds of delay more."""
        return (0.0,)

    def lives_longer(self, program: str, now: float) -> bool:
        """Whether a key that is written to the coordination store lives longer than it was to."""
        return False

    def slow_for(self, program: str) -> float:
        """For how long a slow request is on its way, seconds."""
        return _SLOW[0]

    def paused_for(self, program: str) -> float:
        """For how long a program stands still, seconds."""
        return _PAUSES[0]

    def down_for(self, program: str) -> float:
        """After how long a program that ended is started again, seconds."""
        return _DOWN[0]

    def refused_for(self, program: str) -> float:
        """For how long a program's requests are refused, seconds."""
        return _REFUSED[0]


class DrawnSchedule(Schedule):
    """One that follows from dice."""

    def __init__(self, dice: Dice, faults: Faults, began: float, *, losing: bool) -> None:
        """Draw the kinds of faults.

        Args:
            dice: What all follows from.
            faults: What may go wrong.
            began: The time at the beginning.
            losing: Whether messages may be lost; else there is no reconciler either.
        """
        super().__init__()
        self._dice = dice
        self._faults = (faults if losing else faults.without_loss()).some_of(dice)
        self._until = began + self._faults.until
        self._left = self._faults.most
        self._deaths = 0
        self._requests = self._faults.of_request()
        self._idle_requests = {kind: chance / _SELDOM for kind, chance in self._requests.items()}
        self._requests_of_hints = self._faults.of_request(coordination=True)
        self._store_dice = StoreDice(dice, "store")
        self.reconciles = losing

    def weaknesses(self) -> Weaknesses:
        """What the backend may do."""
        faults, none = self._faults, Weaknesses.none()
        return attrs.evolve(
            none,
            staleness=_STALENESS if faults.stale else 0.0,
            index_lag=_STALENESS if faults.stale else 0.0,
            any_order=faults.reordered,
            short_receives=0.25 if faults.reordered else 0.0,
            release_counts=True,
            new_handles=True,
        )

    def store_dice(self) -> Random:
        """What the backend's own chances follow from."""
        return self._store_dice

    def calm(self) -> None:
        """From now on nothing goes wrong."""
        self._left = 0
        self.counts["stale or reordered"] = self._store_dice.hits

    def choose(self, waiting: Sequence[Waiting]) -> int:
        """Which of the requests on their way happens now."""
        return self._dice.index("order", len(waiting)) if self._faults.interleaved else 0

    def fault(self, program: str, operation: str, now: float, *, idle: bool) -> RequestFault | None:
        """What goes wrong with a request; ``idle``: one that only looks whether there is something to do."""
        if not self._may(now):
            return None
        weights = self._requests_of_hints if operation.startswith("coordination.") else self._requests
        if idle:
            weights = self._idle_requests
        found = self._dice.weighed(program, weights)
        if found in _DEATHS:
            # Without a reconciler nobody goes on with a start that was cut short, and a worker that dies again and
            # again at one step is told from a step that kills its worker by nobody.
            if self._deaths == _MOST_DEATHS or (not self.reconciles and program.startswith("client")):
                return None
            self._deaths += 1
        if found is not None:
            self._count(found)
        return found

    def crash_between(self, programs: Sequence[str], now: float) -> str | None:
        """Which program ends at once, as all wait and time is about to pass."""
        able = self._may(now) and self._deaths < _MOST_DEATHS
        programs = [program for program in programs if self.reconciles or not program.startswith("client")]
        if programs and able and self._dice.chance("between", self._faults.crash_between):
            self._deaths += 1
            self._count("crash between")
            return self._dice.one_of("victim", programs)
        return None

    def fate(self, program: str, now: float) -> Sequence[float]:
        """How many copies of a message that is sent there will be, each with so many seconds of delay more."""
        if not self._may(now):
            return (0.0,)
        faults = self._faults
        weights = {"dropped": faults.dropped, "delayed": faults.delayed, "duplicated": faults.duplicated}
        found = self._dice.weighed("messages", weights)
        if found is None:
            return (0.0,)
        self._count(found)
        if found == "dropped":
            return ()
        late = self._dice.one_of("late", _LATE)
        return (late,) if found == "delayed" else (0.0, self._dice.one_of("late", (0.0, *_LATE)))

    def lives_longer(self, program: str, now: float) -> bool:
        """Whether a key that is written to the coordination store lives longer than it was to."""
        late = self._may(now) and self._dice.chance("lives", self._faults.expired_late)
        if late:
            self._count("expired late")
        return late

    def slow_for(self, program: str) -> float:
        """For how long a slow request is on its way, seconds."""
        return self._with_its_deaths(self._dice.one_of(f"{program}-slow", _SLOW), _SHORT)

    def paused_for(self, program: str) -> float:
        """For how long a program stands still, seconds."""
        return self._dice.one_of(f"{program}-paused", _PAUSES)

    def down_for(self, program: str) -> float:
        """After how long a program that ended is started again, seconds."""
        return self._dice.one_of(f"{program}-down", _DOWN)

    def refused_for(self, program: str) -> float:
        """For how long a program's requests are refused, seconds."""
        seconds = self._dice.one_of(f"{program}-refused", _REFUSED)
        if program.startswith("client") and not self.reconciles:
            return min(seconds, _REFUSED[0])  # for longer, and it gives up: a start that was cut short
        return self._with_its_deaths(seconds, _SHORT_REFUSAL)

    def _with_its_deaths(self, seconds: float, short: float) -> float:
        """So many seconds; or fewer, if they would look like an end and there may be no more of these."""
        if seconds <= short:
            return seconds
        if self._deaths == _MOST_DEATHS:
            return short
        self._deaths += 1
        return seconds

    def _may(self, now: float) -> bool:
        return self._left > 0 and now < self._until

    def _count(self, kind: str) -> None:
        self._left -= 1
        self.counts[kind] += 1
