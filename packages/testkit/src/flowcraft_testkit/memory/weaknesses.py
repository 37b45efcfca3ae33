"""What the clouds do to those who build on them, each a switch; and the limits that they have in common."""

from __future__ import annotations

import attrs
from flowcraft_core.ports import QueueLimits, StoreLimits

#: The smallest of each limit among SQS and Queue Storage, except that Queue Storage sends one message per request.
CLOUD_QUEUE = QueueLimits(
    max_send=10, max_receive=10, max_body_bytes=48 * 1024, max_delay=15 * 60.0, max_visibility=12 * 3600.0
)

#: DynamoDB's 400 KB for an item, less what the longest key needs; its batch of reads. Staleness is a weakness.
CLOUD_STORE = StoreLimits(max_value_bytes=400_000, max_keys_read=100)


@attrs.frozen(kw_only=True)
class Weaknesses:
    """How an ``InMemoryBackend`` is weaker than a plain dict; the defaults are those of the weakest cloud.

    Attributes:
        staleness: For how long reads of facts and values may miss what another client wrote, seconds. Within it each
            read of such a write misses it with a chance of one half, so a later read may miss what an earlier one saw.
        index_lag: For how long ``StatusStore.find`` may list a status as it was before (or not yet, or still) in the
            same way, seconds; whoever wrote it. ``StatusStore.get`` is always right.
        page_size: How many statuses of a state one page of ``find`` looks at, whether or not they are due. So a page
            may be short or empty and not be the last. None: as many as the limit allows.
        any_order: Messages are delivered in an order drawn from the seed, otherwise in that of their sending.
        short_receives: The chance that a receive returns fewer messages than there are; none at all, if it waits for
            nothing.
        duplicates: The chance that a message is stored twice, each copy to be delivered and acknowledged by itself. Off
            by default: clouds do it rarely, and a test that wants it wants it often.
        release_counts: A message that was released was delivered all the same: its count goes on. Otherwise the
            release takes the delivery back.
        new_handles: Extending gives a new handle, and the old one is useless.
        unordered: The status store has not the power ``NewestFirst``.
        single: There is one queue only: the backend has not the power ``NamedQueues``.
        apart: A program's rows are elsewhere: the backend has not the power ``Transactional``.
        piecemeal: It takes several requests to start a run: the backend has not the power ``Starts``.
    """

    staleness: float = 1.0
    index_lag: float = 1.0
    page_size: int | None = 10
    any_order: bool = True
    short_receives: float = 0.25
    duplicates: float = 0.0
    release_counts: bool = True
    new_handles: bool = True
    unordered: bool = True
    single: bool = False
    apart: bool = True
    piecemeal: bool = True

    @classmethod
    def none(cls) -> Weaknesses:
        """No weakness at all: a backend as strong as one in a single process can be."""
        return cls(
            staleness=0.0,
            index_lag=0.0,
            page_size=None,
            any_order=False,
            short_receives=0.0,
            release_counts=False,
            new_handles=False,
            unordered=False,
            apart=False,
            piecemeal=False,
        )
