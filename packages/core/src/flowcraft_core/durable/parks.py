"""Under which keys it is stored that an instance is parked: one for a wait or sleep, one per failed attempt.

How often a step asks to be tried again without that being an attempt is not known beforehand. So the records of its
attempts are looked for in windows: the first is as long as its policy alone makes it, and the one key behind tells
whether there are more.
"""

from __future__ import annotations

import attrs

from ..blueprint import SLEEP, WAIT
from ..graph.facts import Park
from ..graph.instances import Instance
from ..graph.scopes import Kind
from ..retries import RetryPolicy

_SUFFIX = ":park"  # a colon is escaped in ids, so no node's key ends like this

# So many records are looked for at once, where there are more than the policy alone explains.
_FURTHER = 16


def park_key(key: str, park: Park) -> str:
    """The key of an instance's park record."""
    if park.kind != "retry":
        return key + _SUFFIX
    return _retry_key(key, park.attempt + park.deferred, standing_in=park.standing_in)


def answer_key(key: str) -> str:
    """Where a wait is answered that nobody has come to: where it would park, so that one of the two stands."""
    return key + _SUFFIX


@attrs.frozen
class ParkWindow:
    """Some keys under which there may be park records of an instance, and the one that follows.

    Attributes:
        key: The instance's.
        order: Where the window stands among those of the instance: what is found in a later one is later.
        keys: The keys, in the order in which the instance can come by them.
        beyond: The key that follows: if there is a record, there may be more. None if there is none.
        standing_in: Whether they are of the fallback's attempts.
        first: The number of the first attempt in it; 0 if they are of none.
    """

    key: str
    order: tuple[int, int]
    keys: tuple[str, ...]
    beyond: str | None = None
    standing_in: bool = False
    first: int = 0

    def next(self) -> ParkWindow:
        """The window that begins with the key beyond."""
        return _window(self.key, self.first + len(self.keys), _FURTHER, standing_in=self.standing_in)


def park_windows(instance: Instance) -> list[ParkWindow]:
    """The first windows of an instance; none if nothing of its kind can be parked."""
    vertex, key = instance.vertex, instance.key
    if vertex.kind is not Kind.STEP:
        return []
    if vertex.node.uses in (WAIT, SLEEP):
        return [ParkWindow(key, (0, 0), (key + _SUFFIX,))]
    windows = [_window(key, 1, vertex.retry.max_attempts - 1, standing_in=False)]
    if vertex.fallback is not None:
        windows.append(
            _window(key, 1, RetryPolicy.from_config(vertex.fallback.config).max_attempts - 1, standing_in=True)
        )
    return windows


def may_be_parked(instance: Instance) -> bool:
    """Whether an instance may be parked by what its node says, and not only because its step asks for it."""
    return any(window.keys for window in park_windows(instance))


def _window(key: str, first: int, length: int, *, standing_in: bool) -> ParkWindow:
    keys = [_retry_key(key, attempt, standing_in=standing_in) for attempt in range(first, first + length + 1)]
    return ParkWindow(key, (int(standing_in), first), tuple(keys[:-1]), keys[-1], standing_in, first)


def _retry_key(key: str, attempt: int, *, standing_in: bool) -> str:
    """For the failed attempt of the node's own step, or of the one that stands in for it."""
    return f"{key}:{'fallback' if standing_in else 'attempt'}:{attempt}"
