"""What a run of a drawn flow meets: how many workers, how weak a store, and what goes wrong when.

Everything follows from dice, so that of a run that went wrong each fault can be taken out by its name.
"""

from __future__ import annotations

import math

import attrs

from ..memory import Weaknesses
from ..simulation.dice import Dice
from ..simulation.faults import Faults, RequestFault
from ..simulation.loop import BEGINNING
from ..simulation.schedule import DrawnSchedule

#: After how many instances a worker hands a chain over: after each, soon, and as by default.
MAX_STEPS = (500, 1, 3)

_FAULTS = Faults(most=25, until=600.0)
_PERSON = "person"
_DIES_AT_SEND = 0.3


@attrs.frozen
class Weather:
    """What a run meets beside the faults of its requests; times are seconds from its start.

    Attributes:
        workers: How many workers there are.
        max_steps: See ``Settings``.
        looks: When somebody has a reconciler look at the run, due or not.
        losses: When the queue loses every message.
        wipes: When the coordination store loses everything.
        reconcile_interval: How often the workers' own reconcilers look, seconds.
        host_leaves: What the workers' host leaves each job, as a host of functions does, seconds; None for no limit.
        queue: What the run is started on.
    """

    workers: int
    max_steps: int
    looks: tuple[float, ...]
    losses: tuple[float, ...]
    wipes: tuple[float, ...]
    reconcile_interval: float
    host_leaves: float | None = None
    queue: str | None = None

    @classmethod
    def draw(cls, dice: Dice) -> Weather:
        """Draw the weather; harmless are one worker, the default number of steps, and no events."""
        return cls(
            workers=1 + dice.index("workers", 4),
            max_steps=dice.one_of("steps", MAX_STEPS),
            looks=_times(dice, "looks", 5),
            losses=_times(dice, "losses", 2),
            wipes=_times(dice, "wipes", 2),
            reconcile_interval=dice.one_of("interval", (60.0, 15.0, 30.0)),
            host_leaves=dice.one_of("host", (None, None, 100.0)),
            queue=dice.one_of("queue", (None, None, "gpu", "urgent")),
        )


def _times(dice: Dice, name: str, most: int) -> tuple[float, ...]:
    """Times of events: some at once, most soon, and a few late."""
    number = dice.index(f"{name}-number", most + 1)
    return tuple(_time(dice, name) for _ in range(number))


def _time(dice: Dice, name: str) -> float:
    # Evenly over the orders of magnitude, from a hundredth of a second to ten minutes.
    return 0.01 * math.pow(60_000.0, dice.index(name, 1000) / 1000)


class OracleSchedule(DrawnSchedule):
    """The order of all requests, and what goes wrong with each.

    Attributes:
        weather: What the run meets beside that.
    """

    def __init__(self, dice: Dice) -> None:
        """Draw the weather and the kinds of faults."""
        super().__init__(dice, _FAULTS, BEGINNING, losing=True)
        self.weather = Weather.draw(dice)
        self._staleness = dice.one_of("staleness", (0.0, 1.0, 1.0, 5.0))

    def weaknesses(self) -> Weaknesses:
        """What the backend may do."""
        return attrs.evolve(super().weaknesses(), staleness=self._staleness)

    def fault(self, program: str, operation: str, now: float, *, idle: bool) -> RequestFault | None:
        """What goes wrong with a request. People who resume a wait often die after its outcome, before its job."""
        if program.startswith(_PERSON):
            if operation == "queue.send" and self._may(now) and self._dice.chance(program, _DIES_AT_SEND):
                self._count("crash of a person")
                return "crash before"
            return None
        return super().fault(program, operation, now, idle=idle)

    def event(self, kind: str) -> bool:
        """Whether an event may still happen; it counts as a fault."""
        if self._left > 0:
            self._count(kind)
            return True
        return False
