"""Leases: hints that somebody is at an instance whose node asks that two workers do not execute it at the same time.

A lease is a key in the coordination store. It is taken before an attempt, renewed while that runs, and given back once
it is written down what the attempt came to. One that nobody renews lapses, so the dead keep nobody from anything. A
store that was wiped, or whose clock runs ahead, lets two be at an instance at once: this is rare, never impossible.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable

import attrs

from ..clock import Clock
from ..errors import TransientError
from ..graph.instances import Instance
from ..ids import new_id
from ..ports import CoordinationStore
from .runs import RunRecord

# How often somebody who waits for a lease looks, in the time in which it lapses.
_LOOKS = 10


async def say_again(store: CoordinationStore, key: str, value: str, *, ttl: float) -> None:
    """Say for some more time what was said under a key, also if the store has lost it; unless somebody else says so."""
    if not await store.extend_ttl(key, value, ttl=ttl):
        await store.set_if_absent(key, value, ttl=ttl)


@attrs.define(eq=False)
class Lease:
    """One that somebody has, or would like to have.

    Attributes:
        store: Where it is.
        key: Of which instance.
        ttl: Seconds after which it lapses, if it is not renewed.
        holder: Who that is: one delivery of a job, since each of several may be executed beside the others.
    """

    store: CoordinationStore
    key: str
    ttl: float
    holder: str = attrs.field(factory=new_id)
    _is_given_back: bool = attrs.field(default=False, init=False)

    async def take(self) -> bool:
        """Take it, unless somebody else has it; whether it was taken."""
        taken = await self.store.set_if_absent(self.key, self.holder, ttl=self.ttl)
        # Of a call that was made again, the first may have taken it.
        return taken or await self.store.get(self.key) == self.holder

    async def outlast(self, clock: Clock, *, within: float, stopped: Callable[[], bool]) -> bool:
        """Take it if whoever has it is dead, which shows by its lapse, or gives it back; whether it was taken.

        Args:
            clock: Tells the time.
            within: Seconds to wait at most.
            stopped: Whether nothing is to be begun any more.
        """
        pause = self.ttl / _LOOKS
        end = clock.now() + min(within, self.ttl + pause)
        while clock.now() + pause <= end and not stopped():
            await clock.sleep(pause)
            if await self.take():
                return True
        return False

    async def renew(self) -> None:
        """Say that whoever has it lives; what the store has lost is taken again, unless somebody else has it."""
        await say_again(self.store, self.key, self.holder, ttl=self.ttl)
        if self._is_given_back:  # meanwhile
            await self.store.delete(self.key, value=self.holder)

    async def give_back(self) -> None:
        """Have it no more. What cannot be said now lapses."""
        self._is_given_back = True  # from now on nobody renews it
        with contextlib.suppress(TransientError):
            await self.store.delete(self.key, value=self.holder)


def lease_of(record: RunRecord, instance: Instance, store: CoordinationStore, ttl: float) -> Lease | None:
    """The lease of an instance, not taken yet; None if its node asks for none."""
    config = instance.vertex.node.config
    if config is None or not config.lease or not instance.vertex.is_called:
        return None
    return Lease(store, f"lease:{record.incarnation}:{instance.key}", ttl)
