"""What can go wrong in a schedule, and how often."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

import attrs

from .dice import Dice

#: What can happen to one request of one program.
RequestFault: TypeAlias = Literal[
    "crash before", "crash after", "failed", "unanswered", "throttled", "slow", "paused", "expired early", "wiped"
]


@attrs.frozen(kw_only=True)
class Faults:
    """Chances of faults: of each request of a program, and of each message sent. ``Faults.none()`` has none.

    A schedule draws first which kinds it has at all, each with a chance of one half: a few kinds that come often find
    more than all kinds that come seldom.

    Attributes:
        crash: The program ends at once, before the request has its effect or after it, and starts again a while later.
        crash_between: It ends at once where it is, each time that all wait and time passes.
        failed: The request has no effect, and the program is told so.
        unanswered: The request has its effect, and the program is told that it failed.
        throttled: This and all other requests of the program are refused for some seconds.
        slow: The request takes up to minutes to arrive.
        paused: The program stands still for up to minutes, longer than it can hold a job, and goes on as if nothing had
            happened.
        dropped: A message is lost, and the sender is told that it was sent.
        delayed: A message becomes visible later than it was to.
        duplicated: A message is delivered twice.
        expired_early: The key of the coordination store that a request is about is lost before.
        expired_late: A key of the coordination store lives twenty times as long as it was to.
        wiped: The coordination store loses everything.
        stale: Reads may miss what others wrote within the last second; the index of runs lags as much.
        reordered: Messages come in any order, and not always as many as there are.
        interleaved: Requests that wait at the same time happen in any order; otherwise the first comes first.
        most: How many faults a schedule has at most; after these, and after ``until``, nothing goes wrong any more.
        until: The time, from the beginning of the schedule, after which there are no more faults, seconds.
    """

    crash: float = 0.02
    crash_between: float = 0.002
    failed: float = 0.03
    unanswered: float = 0.03
    throttled: float = 0.01
    slow: float = 0.03
    paused: float = 0.01
    dropped: float = 0.08
    delayed: float = 0.08
    duplicated: float = 0.15
    expired_early: float = 0.05
    expired_late: float = 0.1
    wiped: float = 0.01
    stale: bool = True
    reordered: bool = True
    interleaved: bool = True
    most: int = 30
    until: float = 900.0

    @classmethod
    def none(cls) -> Faults:
        """Nothing goes wrong, and the store and the queue are as strong as they can be; the order is still drawn."""
        return cls.only()

    @classmethod
    def only(cls, *kinds: str) -> Faults:
        """The default chances of some kinds, by the names above, and none of the others.

        Raises:
            ValueError: There is no such kind.
        """
        known = {field.name for field in attrs.fields(cls)} - {"most", "until", "interleaved"}
        if unknown := set(kinds) - known:
            raise ValueError(f"no kind of fault is named {', '.join(sorted(unknown))}; there are {sorted(known)}")
        none: dict[str, Any] = {name: False if name in ("stale", "reordered") else 0.0 for name in known - set(kinds)}
        return cls(**none)

    def some_of(self, dice: Dice) -> Faults:
        """These faults, each kind kept with a chance of one half."""
        kept = {
            field.name: value if dice.chance("kinds", 0.5) else type(value)(0)
            for field in attrs.fields(type(self))
            if field.name not in ("most", "until", "interleaved") and (value := getattr(self, field.name))
        }
        return attrs.evolve(self, **kept)

    def without_loss(self) -> Faults:
        """These faults without those after which only a reconciler can go on."""
        return attrs.evolve(
            self, paused=0.0, dropped=0.0, duplicated=0.0, expired_early=0.0, wiped=0.0, stale=False, slow=0.0
        )

    def of_request(self, *, coordination: bool = False) -> dict[RequestFault, float]:
        """The chances of what can happen to one request, to the coordination store or to another one."""
        chances: dict[RequestFault, float] = {
            "crash before": self.crash / 2,
            "crash after": self.crash / 2,
            "failed": self.failed,
            "unanswered": self.unanswered,
            "throttled": self.throttled,
            "slow": self.slow,
            "paused": self.paused,
            "wiped": self.wiped,
        }
        if coordination:
            chances["expired early"] = self.expired_early
        return chances
