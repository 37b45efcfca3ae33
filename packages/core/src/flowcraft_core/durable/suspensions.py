"""The keys of suspensions: of a wait or a sleep, of each reminder of it, of each failed attempt.

How often a wait reminds, and how often a step asks to be tried again without that being an attempt, is not known
beforehand. So these records are looked for in windows: the first is as long as a policy alone makes it, and the one key
behind tells whether there are more.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

import attrs

from ..blueprint import SLEEP, WAIT
from ..graph.facts import Suspension
from ..graph.instances import Instance
from ..graph.scopes import Kind
from ..retries import RetryPolicy

_SUFFIX = ":suspension"  # a colon is escaped in ids, so no node's key ends like this

# So many records are looked for at once, where there are more than the policy alone explains.
_FURTHER = 16

#: What is numbered: attempts of the node's own step or of the one that stands in for it, or reminders of a wait.
_Numbered: TypeAlias = Literal["attempt", "fallback", "reminded"]


def suspension_key(key: str, suspension: Suspension) -> str:
    """The key of an instance's suspension."""
    if suspension.kind == "retry":
        return _numbered_key(
            key, "fallback" if suspension.standing_in else "attempt", suspension.attempt + suspension.deferred
        )
    return _numbered_key(key, "reminded", suspension.attempt) if suspension.attempt else key + _SUFFIX


def answer_key(key: str) -> str:
    """Where a wait is answered that nobody has come to: where it would be suspended, so that one of the two stands."""
    return key + _SUFFIX


@attrs.frozen
class SuspensionWindow:
    """Some keys under which there may be suspensions of an instance, and the one that follows.

    Attributes:
        key: The instance's.
        order: Where the window stands among those of the instance: what is found in a later one is later.
        keys: The keys, in the order in which the instance can come by them.
        beyond: The key that follows: if there is a record, there may be more. None if there is none.
        numbered: Of what they are.
        first: The number of the first one in it; 0 if they have none.
    """

    key: str
    order: tuple[int, int]
    keys: tuple[str, ...]
    beyond: str | None = None
    numbered: _Numbered = "attempt"
    first: int = 0

    def next(self) -> SuspensionWindow:
        """The window that begins with the key beyond."""
        return _window(self.key, self.numbered, self.first + len(self.keys), _FURTHER)


def suspension_windows(instance: Instance) -> list[SuspensionWindow]:
    """The first windows of an instance; none if nothing of its kind can be suspended."""
    vertex, key = instance.vertex, instance.key
    if vertex.kind is not Kind.STEP:
        return []
    if vertex.node.uses in (WAIT, SLEEP):
        windows = [SuspensionWindow(key, (0, 0), (key + _SUFFIX,))]
        if vertex.reminders is not None:
            windows.append(_window(key, "reminded", 1, len(vertex.reminders.delays)))
        return windows
    windows = [_window(key, "attempt", 1, vertex.retry.max_attempts - 1)]
    if vertex.fallback is not None:
        attempts = RetryPolicy.from_config(vertex.fallback.config).max_attempts
        windows.append(_window(key, "fallback", 1, attempts - 1))
    return windows


def may_be_suspended(instance: Instance) -> bool:
    """Whether an instance may be suspended by what its node says, and not only because its step asks for it."""
    vertex = instance.vertex
    if vertex.kind is not Kind.STEP:
        return False
    if not vertex.is_called or vertex.retry.max_attempts > 1:
        return True
    return vertex.fallback is not None and RetryPolicy.from_config(vertex.fallback.config).max_attempts > 1


def _window(key: str, numbered: _Numbered, first: int, length: int) -> SuspensionWindow:
    keys = [_numbered_key(key, numbered, number) for number in range(first, first + length + 1)]
    return SuspensionWindow(key, (int(numbered != "attempt"), first), tuple(keys[:-1]), keys[-1], numbered, first)


def _numbered_key(key: str, numbered: _Numbered, number: int) -> str:
    return f"{key}:{numbered}:{number}"
