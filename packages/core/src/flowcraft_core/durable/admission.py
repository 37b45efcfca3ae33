"""What an attempt has to have before it begins: its lease, places under its limits, and that nobody else is at it.

All of it is hints, which make overlap rare, and never impossible. What has to wait holds nothing meanwhile: for a lease
a job looks again later, for places it waits in the worker or is sent again, see ``waiting``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import attrs

from ..clock import Clock
from ..graph.facts import Attempt
from ..graph.instances import Instance
from ..graph.queues import queue_of
from ..jobs import Job, encode_job
from ..ports import Backend, Message
from ..traces import Trace
from .invocations import Invocation
from .leases import Lease, lease_of
from .limits import FleetLimits, Places
from .queues import queue_named
from .signals import send_jobs
from .view import RunView
from .waiting import says_no_more

if TYPE_CHECKING:
    from ..runtime import Emitter

# For how long it is known who is at an attempt after the first, seconds.
_BEGUN = 60.0


@attrs.define(eq=False)
class Admission:
    """Lets the attempts of one job begin, or has them wait.

    Attributes:
        backend: Where hints and jobs go.
        clock: Tells the time.
        view: What is known of the run.
        job: The job.
        limits: Where places under limits are taken.
        invocation: Where it runs.
        stopped: Whether nothing new is to be started.
        events: Tells what happens.
        places: What the attempt under way has under its limits; whoever holds the job renews them. What the job has
            waited for it has from the beginning.
        lease: The lease of the instance under way, if it has one; whoever holds the job renews it.
        waits: The job that goes on once there are places under its limits, if what it came to has found none.
        is_again: The job was delivered before.
    """

    backend: Backend
    clock: Clock
    view: RunView
    job: Job
    limits: FleetLimits
    invocation: Invocation
    stopped: Callable[[], bool]
    events: Emitter | None = None
    places: Places | None = None
    lease: Lease | None = None
    waits: Job | None = None
    is_again: bool = False
    _is_said_to_wait: bool = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._is_said_to_wait = bool(self.job.limits)

    # --- leases -------------------------------------------------------------------------------------------------------

    async def take_lease(self, instance: Instance, attempt: Attempt) -> bool:
        """Take the lease of an instance, if its node asks for one; whether it is gone on with here.

        If somebody else has it, a job looks again later, for as long as they renew it.
        """
        lease = lease_of(self.view.record, instance, self.backend.coordination, self.limits.ttl)
        if lease is None:
            return True
        if not await lease.take():
            # Who died with this very message may still have it. It is to come to this delivery, since its count says
            # whether there is to be another; a job that is sent has none.
            within = self.invocation.left() if self.is_again else 0.0
            if not await lease.outlast(self.clock, within=within, stopped=self.stopped):
                await self._send_later(instance, attempt, lease.ttl / 3)
                return False
            self.lease = lease
            if await self.view.look([instance]):  # who had it has given it back
                await send_jobs(self.backend, self.view.record, [instance], self.clock, trace=self._trace)
                return False
        self.lease = lease
        return True

    async def _send_later(self, instance: Instance, attempt: Attempt, delay: float) -> None:
        """Send a job for an attempt that somebody else may be at: it waits as long as a worker says so."""
        own, record, now = self.job.key == instance.key, self.view.record, self.clock.now()
        job = record.job(
            instance.key,
            now,
            hops=max(1, self.job.hops if own else 0),
            attempt=0 if attempt.is_first else attempt.number,
            deferred=attempt.deferred,
            standing_in=attempt.standing_in,
            trace=self._trace or record.trace,
        )
        delay = min(delay, self.backend.queue.limits.max_delay)
        queue = queue_named(self.backend, queue_of(instance, record.queue))
        await queue.send([Message(encode_job(job), record.run_id)], delay=delay)

    async def give_lease_back(self) -> None:
        """Have no lease any more."""
        lease, self.lease = self.lease, None
        if lease is not None:
            await lease.give_back()

    # --- places under limits ------------------------------------------------------------------------------------------

    async def take_places(self, instance: Instance, attempt: Attempt, names: Sequence[str]) -> bool:
        """Take places under the limits of an attempt; whether it begins. If there are none, the job waits for them."""
        is_own = self.job.key == instance.key
        has_waited = is_own and self.job.waited > 0
        if self.places is not None and tuple(names) != self.job.limits:
            await self.give_places_back()
        if self.places is None:
            self.places = await self.limits.take(names)
        if self.places is not None:
            try:
                # What was cut off before may have waited, too.
                if not (has_waited or self.is_again) or await self._begins_after_all(instance.key, names):
                    return True
            except BaseException:
                await self.give_places_back()
                raise
            await self.give_places_back()
            return False
        # It keeps its id: should it be cut off, its message comes here again, and whoever looks knows it as the same.
        waits = self.job if is_own else attrs.evolve(self.job, waited=0, hops=0, passed_on=0.0, trace=self._trace)
        self.waits = attrs.evolve(
            waits,
            key=instance.key,
            first_seen=waits.first_seen if is_own else self.clock.now(),
            attempt=0 if attempt.is_first else attempt.number,
            deferred=attempt.deferred,
            standing_in=attempt.standing_in,
            limits=tuple(names),
            blueprint_id=None,
            node_id=None,
        )
        return False

    async def _begins_after_all(self, key: str, names: Sequence[str]) -> bool:
        """Say that an instance waits for no place any more; whether its run has not ended meanwhile."""
        self._is_said_to_wait = self._is_said_to_wait and key != self.job.key
        await says_no_more(self.backend.coordination, self.view.record, key, self.job.id, names)
        status = await self.backend.status.get(self.job.run_id)
        return status is not None and status.state in ("running", "awaiting")

    async def give_places_back(self) -> None:
        """Have no places any more."""
        places, self.places = self.places, None
        if places is not None:
            await self.limits.give_back(places)

    async def wait_no_more(self) -> None:
        """Say of a job that has waited, and comes to its end, that it does not wait any more."""
        if self._is_said_to_wait and self.waits is None:
            job = self.job
            await says_no_more(self.backend.coordination, self.view.record, job.key, job.id, job.limits)

    # --- later attempts -----------------------------------------------------------------------------------------------

    async def is_ours(self, instance: Instance, attempt: Attempt) -> bool:
        """Whether no other job is at an attempt, one after the first: who asks for patience is not to be called twice.

        Jobs of one attempt can be several where somebody sends what seems to be lost. This is a hint; should the other
        one be cut off, its message comes again.
        """
        name = f"attempt:{self.view.record.incarnation}:{instance.key}:{attempt.number}.{attempt.deferred}"
        if attempt.standing_in:
            name += ".fallback"
        store = self.backend.coordination
        return await store.set_if_absent(name, self.job.id, ttl=_BEGUN) or await store.get(name) in (None, self.job.id)

    @property
    def _trace(self) -> Trace | None:
        return None if self.events is None else self.events.trace
