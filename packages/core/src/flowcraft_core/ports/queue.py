"""The queue, and what some queues can do beyond what is asked of all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import attrs


@attrs.frozen(kw_only=True)
class QueueLimits:
    """What a queue can take.

    Attributes:
        max_send: Messages per ``send`` request; the engine prices by it, the adapter splits by it.
        max_receive: Deliveries per ``receive``.
        max_body_bytes: Longest message, UTF-8.
        max_delay: Longest delay of a message, seconds.
        max_visibility: Longest time for which a delivery can be held, from its receipt on, seconds; what is asked
            beyond it is cut down.
    """

    max_send: int
    max_receive: int
    max_body_bytes: int
    max_delay: float
    max_visibility: float


@attrs.frozen
class Message:
    """Something to send.

    Attributes:
        body: Text, at most ``QueueLimits.max_body_bytes`` long in UTF-8.
        group: Whose message it is (a run's id), for queues that share their attention fairly between groups.
    """

    body: str
    group: str = ""


@attrs.frozen
class Delivery:
    """A message that was received and is hidden from others for a while.

    Only the client that has received it uses it.

    Attributes:
        body: The message's text, as it was sent.
        count: How often it has been delivered, this time included: 1 at first, and one more each time, without end, for
            it finds a message that keeps killing its workers. A release may take its delivery back; an extension
            changes nothing in it.
        handle: The adapter's own; what ``extend``, ``acknowledge`` and ``release`` need.
    """

    body: str
    count: int
    handle: Any = attrs.field(eq=False, repr=False)


class JobQueue(Protocol):
    """Delivers messages at least once, in any order."""

    limits: QueueLimits

    async def send(self, messages: Sequence[Message], *, delay: float = 0.0) -> None:
        """Store messages for delivery, each after at least ``delay`` seconds.

        Any number of messages may be given; the adapter splits them into requests. When this returns, every message
        is stored. When it raises, some may be: the caller sends all of them again.

        Args:
            messages: What to send.
            delay: Seconds, from 0 to ``limits.max_delay``.

        Raises:
            ValueError: A body is too long or the delay out of range; then none was sent.
            TransientError: Worth another try.
        """

    async def receive(self, *, max_messages: int, wait: float, visibility: float) -> Sequence[Delivery]:
        """Take up to ``max_messages`` messages and hide them from every receiver for ``visibility`` seconds.

        A worker that stops cancels it. What it has taken by then it shows again, as soon as the queue can.

        Args:
            max_messages: At least 1; more than ``limits.max_receive`` is cut down to it.
            wait: How long to wait for a first message, seconds; 0 looks once. A queue without long polling looks
                repeatedly, with pauses that grow.
            visibility: From 1 to ``limits.max_visibility`` seconds.

        Returns:
            The deliveries, each message once; none if nothing came in time. A message whose body is no text, as another
            program may have written it, is delivered like any other, with a body in which its bytes are spelled out
            (``bytes.decode("utf-8", "backslashreplace")``) or its other form is shown; whoever handles it sees that it
            is no job. It must not make the call fail.

        Raises:
            TransientError: Worth another try.
        """

    async def extend(self, deliveries: Sequence[Delivery], visibility: float) -> Sequence[Delivery | None]:
        """Hide deliveries for ``visibility`` seconds from now on, instead of what was left; fractions count.

        Args:
            deliveries: Those to extend, each with its newest handle.
            visibility: From 1 to ``limits.max_visibility`` seconds.

        Returns:
            For each, in order: the delivery to use from now on (its handle may be new, and the old one useless), or
            None if it is not held any more: it was acknowledged, or somebody else has received it since. One whose
            time has run out and that nobody has received may be held again, or be given as None.

        Raises:
            TransientError: Worth another try, with the same deliveries.
        """

    async def acknowledge(self, deliveries: Sequence[Delivery]) -> None:
        """Remove messages for good.

        A delivery whose time has run out may be removed or may stay; never may a *later* delivery of the same message
        that someone else holds be taken from it in a way that loses the message before its holder acknowledges. What is
        gone already keeps none of the others from being removed.

        Raises:
            TransientError: Worth another try, with the same deliveries.
        """

    async def release(self, deliveries: Sequence[Delivery]) -> None:
        """Make messages visible again at once. For a worker that stops: on some queues it raises the count.

        What somebody else has received since stays hidden; what is gone keeps none of the others from being shown. A
        delivery that was released is not to be extended: what comes of that is not promised.

        Raises:
            TransientError: Worth another try; or leave them to their visibility.
        """


@attrs.frozen(kw_only=True)
class QueueDepth:
    """How many messages a queue has, about.

    Attributes:
        visible: Those that can be received now; None if the queue does not tell.
        in_flight: Those that somebody holds, likewise.
        delayed: Those whose time has not come, likewise.
    """

    visible: int | None = None
    in_flight: int | None = None
    delayed: int | None = None


class Measured(Protocol):
    """A queue that tells how many messages it has: a power of most of them. A queue with this power has the method."""

    async def depth(self) -> QueueDepth:
        """How many messages there are, about: what was sent, received or acknowledged just now may not be counted.

        Where one number stands for several kinds (all that are stored, say), it is given as ``visible``, and the rest
        as None. One request.

        Raises:
            TransientError: Worth another try.
        """


class NamedQueues(Protocol):
    """Queues beside the one that each backend has, by name: a power of most backends.

    A backend with this power has it as its attribute ``queues``. Flows name queues (``queue="gpu"``), and workers those
    that they serve. Each is a ``JobQueue`` like ``Backend.queue``, with its limits, and apart from all others.
    """

    def named(self, name: str) -> JobQueue:
        """The queue of a name; it asks no service for anything, and is called often.

        Args:
            name: 1 to 80 ASCII letters, digits, ``-``, ``_`` and ``.``, beginning with a letter or a digit. It is never
                ``default``, which is the name of ``Backend.queue``.

        Raises:
            UnknownQueueError: There is none; the message says which there are, and how one is added.
        """

    async def names(self) -> Sequence[str]:
        """The names of all queues but ``Backend.queue``; where any name will do, of those that have messages, at least.

        Raises:
            TransientError: Worth another try.
        """
