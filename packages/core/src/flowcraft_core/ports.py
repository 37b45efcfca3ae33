"""The four ports: what a place to run must be able to do, and no more.

A backend is a queue and three stores. Each method's docstring is its contract, and the testkit has a class of tests
per port that holds an adapter to it. All of them are async and are called from one event loop at a time. Times are
seconds since the epoch, durations are seconds. Nothing here needs transactions: each operation on one key is atomic by
itself, and that is all that is asked.

Of what is stored, the *facts* in the context store and the *status* must last. The queue and the coordination store
hold hints: either may lose, double, delay or reorder what it was given, at any time, and a run is only delayed by it.

Text (ids, keys, names, positions, bodies of messages, values, members, tags, reasons) may have any characters: NUL and
other controls, U+2028, a byte-order mark, what Unicode has not assigned. Where a service takes fewer, or changes some,
the adapter encodes. Only what UTF-8 cannot hold, half of a surrogate pair, is refused, with a ``ValueError`` before
anything is done. Bodies in bytes may be any bytes.

Errors: a call that may succeed when it is tried again (throttling, a time-out, a reset connection, a server that cannot
be reached or restarts) raises ``TransientError``, whether or not it was applied, and the next call on the same client
works once the backend does. Anything else that the backend refuses (a table that is not there, missing rights) raises
``BackendError``; and ``BackendGoneError`` where nothing that is done with it reaches anybody any more, which ends a
worker. A call that is cancelled is carried out as a whole, at that time or a moment later, or not at all, and can be
made again.

What is read may have been written by others, in any form. No message and no row that cannot be read may hide those
beside it, nor be the end of who reads it: each method says how it is given.

No call blocks the event loop. Two backends with different names, in whatever place, share nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Literal, Protocol, TypeAlias

import attrs

from .queues import DEFAULT_QUEUE

#: ``awaiting`` is a report for people and may lag; the three after it are final. A dead letter is ``dead``, and what
#: says when a schedule is to be looked at is a ``schedule``: neither is a run.
State: TypeAlias = Literal["running", "awaiting", "completed", "failed", "cancelled", "dead", "schedule"]
FinalState: TypeAlias = Literal["completed", "failed", "cancelled"]

PORTS_VERSION = 1


# --- the queue --------------------------------------------------------------------------------------------------------


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


# --- the context store ------------------------------------------------------------------------------------------------


@attrs.frozen(kw_only=True)
class StoreLimits:
    """What a store can take.

    Attributes:
        max_value_bytes: Longest body of a fact or context value; longer ones are stored in chunks by the engine.
        max_keys_read: Keys per request of ``get`` and ``values``; the engine prices by it, the adapter splits by it.
        staleness: For how long a read may miss what another client has written, seconds; 0 if it never does.
    """

    max_value_bytes: int
    max_keys_read: int
    staleness: float = 0.0


@attrs.frozen
class Fact:
    """A write-once record.

    Attributes:
        body: What it says, at most ``StoreLimits.max_value_bytes`` long.
        writer: Who wrote it, unique for each attempt to write: a writer whose answer was lost knows itself by it.
        job: Id of the job under which it was written; empty if it was none.
    """

    body: bytes
    writer: str
    job: str = ""


@attrs.frozen
class PositionedValue:
    """A context value and where its setter stands.

    Attributes:
        position: Text whose order is the order of the setters, at most 4,000 bytes of UTF-8, compared by code point.
        body: The value, at most ``StoreLimits.max_value_bytes`` long; None says that it was deleted.
    """

    position: str
    body: bytes | None


class ContextStore(Protocol):
    """Holds each run's facts, and its context values by position. It is never asked to list keys.

    Bodies are given as the bytes that are stored, whatever they are: who asks decodes them. A fact or a value that is
    stored in another form altogether is given as some bytes that say so, or fails the call with ``BackendError`` that
    names the run and the key: only those who ask for that run are told. Nothing in it expires.
    """

    limits: StoreLimits

    async def put(self, run_id: str, key: str, fact: Fact) -> Fact | None:
        """Store a fact if there is none under the key; atomic against every other ``put`` of the key.

        Args:
            run_id: The run; any text of 1 to 300 characters.
            key: Any text of 1 to 2,000 characters.
            fact: What to store.

        Returns:
            None if it is stored now; else the fact that stands, which is never changed.

        Raises:
            ValueError: The body is longer than ``limits.max_value_bytes``; the message names the limit.
            TransientError: It may or may not be stored; ask again with the same writer.
        """

    async def get(self, run_id: str, keys: Sequence[str]) -> Mapping[str, Fact]:
        """The facts under those keys; keys without one, or whose fact is not visible yet, are left out.

        Any number of keys may be given, and all of those that can be found are returned: the adapter splits requests,
        and asks again for what a request left over.

        Raises:
            TransientError: Worth another try.
        """

    async def apply(self, run_id: str, values: Mapping[str, PositionedValue]) -> None:
        """Set context values, each only if no value of a greater or equal position stands; atomic name by name.

        Raises:
            ValueError: A body is longer than ``limits.max_value_bytes``.
            TransientError: Worth another try; those that were applied are not changed by it.
        """

    async def values(self, run_id: str, names: Sequence[str]) -> Mapping[str, PositionedValue]:
        """The standing values of those names, deleted ones included; names never set are left out.

        Raises:
            TransientError: Worth another try.
        """

    async def delete(self, run_id: str, *, keys: Sequence[str], names: Sequence[str]) -> None:
        """Remove facts and values, any number of both; what does not exist is no error.

        A name is a name, and no pattern. Others may see what was removed within ``limits.staleness``.

        Raises:
            TransientError: Worth another try.
        """


# --- the status store -------------------------------------------------------------------------------------------------


#: So many characters of a reason are kept by every store.
REASON_LENGTH = 4_000


@attrs.frozen(kw_only=True)
class RunStatus:
    """What lists and reconcilers see of a run; also of a dead letter, which has the state ``dead``, and of a schedule.

    Of a schedule, which has the state ``schedule``, it carries ``next_check`` and nothing else; that is a hint.

    Attributes:
        run_id: The run.
        state: Where it stands.
        blueprint_id: Its flow.
        created: When it was started.
        updated: When the status was last written.
        next_check: When a reconciler should look at it; None if there is no need, as once it is final.
        tags: The user's own, for filters.
        reason: Why it failed, was cancelled, or was refused as a dead letter. A store keeps the first ``REASON_LENGTH``
            characters at least. It may cut what is longer, and mark that with an ellipsis; it may not refuse it, for a
            run must be able to end.
        body: A dead letter's message, up to the longest that the queue takes; None for a run.
    """

    run_id: str
    state: State
    blueprint_id: str
    created: float
    updated: float
    next_check: float | None = None
    tags: Mapping[str, str] = attrs.field(factory=dict)
    reason: str | None = None
    body: str | None = None


@attrs.frozen
class Page:
    """Some of what was found.

    Attributes:
        items: The statuses.
        cursor: Where the next page begins; None after the last one.
    """

    items: Sequence[RunStatus]
    cursor: str | None


class StatusStore(Protocol):
    """Holds one status per run."""

    async def create(self, status: RunStatus) -> bool:
        """Store a status if the run has none; False if it has, and then nothing is changed.

        Raises:
            TransientError: It may or may not be stored.
        """

    async def get(self, run_id: str) -> RunStatus | None:
        """A run's status, as it was last written; None if there is none.

        What of it cannot be read is given as if it were not set, see ``find``.

        Raises:
            TransientError: Worth another try.
        """

    async def touch(
        self, run_id: str, *, at: float, next_check: float | None, state: Literal["running", "awaiting"] | None = None
    ) -> bool:
        """Set when a live run is to be looked at, and how it is reported; a final run is never changed by it.

        Likewise when a schedule is to be looked at, if no state is given: with one, a schedule is left as it is.

        Args:
            run_id: The run.
            at: The time of the change; the run is changed also if that is earlier than what was noted last, for clocks
                of several machines differ.
            next_check: When a reconciler should look; None for never.
            state: The state to report; None keeps it.

        Returns:
            Whether it was set; False if the run is final or has no status.

        Raises:
            TransientError: Worth another try.
        """

    async def finish(self, run_id: str, state: FinalState, *, at: float, reason: str | None = None) -> bool:
        """End a live run; atomic: of any number of callers exactly one gets True, and its state stands.

        Dead letters and schedules are no runs, and stay as they are.

        That is so whatever they say: also the second of two equal calls gets False.

        Returns:
            True if this call ended the run; False if it was final already or has no status.

        Raises:
            TransientError: It may or may not be applied; ``get`` tells.
        """

    async def find(
        self, *, state: State, due_before: float | None = None, cursor: str | None = None, limit: int = 100
    ) -> Page:
        """Statuses in a state, in any order, page by page.

        A page may have fewer items than the limit, or none, and still not be the last. What is found may lag behind
        what was written for a while, also for its own writer, as an index does: every status that has long been in the
        state is on one of the pages, and one that has just changed may be missing, or be shown as it was.

        A status of which something cannot be read, as another program may have written it, is given all the same: with
        no tags where they are no texts by name, with 0 for a time that is none, and so on. One whose very id cannot be
        read is left out, and said in the adapter's log: nobody could ask for it. Neither makes the call fail.

        Args:
            state: The state.
            due_before: Only those whose ``next_check`` is set and not later than this.
            cursor: From the page before; None for the first.
            limit: At most so many items, from 1 to 1,000.

        Raises:
            ValueError: The cursor is none that this store gave.
            TransientError: Worth another try.
        """

    async def delete(self, run_id: str) -> None:
        """Remove a run's status; none is no error.

        Raises:
            TransientError: Worth another try.
        """


# --- the coordination store -------------------------------------------------------------------------------------------


class CoordinationStore(Protocol):
    """Counters, leases and sets that may vanish at any moment. Every key has a time to live, in seconds.

    A key is any text of 1 to 4,000 characters; an adapter whose store takes less hashes what is longer. A key whose
    time has run out is as good as gone, whether or not the store has removed it yet; fractions of a second count. Only
    what says that it renews a time renews it: reading does not. While it lives, a key is used as
    one kind, be it a counter, a value or a set; what happens to it when it is used as another is not defined.
    """

    async def increment(self, key: str, *, ttl: float) -> int:
        """Add one to a counter that begins at 0, and return the sum; the time to live is that of the first call.

        Raises:
            TransientError: It may or may not be applied: a counter counts at least what happened.
        """

    async def set_if_absent(self, key: str, value: str, *, ttl: float) -> bool:
        """Set a value if the key has none, as a lease is taken; True if it is set now.

        Raises:
            TransientError: It may or may not be set; ``get`` tells.
        """

    async def add_members(self, key: str, *members: str, ttl: float) -> int:
        """Add to a set, and return how many members it has; adding twice counts once. Each call renews the time.

        All of them are added in one request, atomically.

        A set has at most 200 members, of at most 40 characters each.

        Raises:
            TransientError: It may or may not be applied; calling again does no harm.
        """

    async def members(self, key: str) -> frozenset[str]:
        """The members of a set; none if there is no such set.

        Raises:
            TransientError: Worth another try.
        """

    async def extend_ttl(self, key: str, value: str, *, ttl: float) -> bool:
        """Renew a key that has this value, as its holder renews a lease; False if it has another, or none.

        Raises:
            TransientError: It may or may not be renewed.
        """

    async def delete(self, key: str, *, value: str | None = None) -> None:
        """Remove a key; given a value, only if that is what it has, as a holder gives a lease back.

        Raises:
            TransientError: Worth another try.
        """

    async def get(self, key: str) -> str | None:
        """The value of a key that was set by ``set_if_absent``, or a counter's sum as text; None if there is none.

        Raises:
            TransientError: Worth another try.
        """


# --- diagnosis, an optional power -------------------------------------------------------------------------------------


#: ``error``: runs cannot be started or worked on, or may be lost. ``warning``: all works, but not as well as it could.
Severity: TypeAlias = Literal["error", "warning"]


@attrs.frozen(kw_only=True)
class Finding:
    """Something that is wrong with how a backend is set up.

    Attributes:
        code: What kind of thing, such as ``SQLITE-SCHEMA-NEWER``; it stays what it is from version to version.
        part: What of the backend it is about, such as ``queue``.
        severity: How bad it is.
        problem: What is wrong. It names the setting, file, table or queue, and no credentials.
        remedy: What to do.
    """

    code: str
    part: str
    severity: Severity
    problem: str
    remedy: str


class Diagnosable(Protocol):
    """A backend that says what is wrong with how it is set up: a power of most of them."""

    async def diagnose(self) -> Sequence[Finding]:
        """Connect to each part, and look whether it is as it must be.

        It may be called at any time, also when ``open`` has failed or was never called. It changes nothing, creates
        nothing and leaves nothing behind: no message is received, and no record written.

        Returns:
            What is wrong; nothing, for a backend that is as its own provisioning makes it. What has one cause is one
            finding: of what cannot be reached, nothing else is said. That a part cannot be reached, or refuses to be
            looked at, is a finding too, and no error.
        """


# --- optional powers --------------------------------------------------------------------------------------------------


class HandWrittenRuns(Protocol):
    """Runs that somebody began by writing to the store, and not by a client: a power of some backends.

    Such a run has initial context values and perhaps a status in the store, in the store's own plain form, and a
    message ``{"runId", "blueprintId", "nodeId"}`` per start node in the queue. It has no run record: the first worker
    that receives one of its messages makes it. A backend with this power has it as its attribute ``by_hand``.
    """

    async def initial_context(self, run_id: str) -> Mapping[str, Any] | None:
        """The initial context values that were written for a run, JSON data by name; None if nothing was.

        Raises:
            BackendError: What was written cannot be read as that; the message says why.
            TransientError: Worth another try.
        """

    async def name_flow(self, run_id: str, blueprint_id: str) -> None:
        """Fill in the flow of a run in its status, if the status was written by hand and names none.

        Args:
            run_id: The run; with no status nothing happens.
            blueprint_id: The flow, as the first message that came for the run says.

        Raises:
            TransientError: Worth another try.
        """

    async def delete(self, run_id: str) -> None:
        """Remove what was written for a run; none is no error.

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


class Joined(Protocol):
    """The ports that store, as part of a transaction; see ``Transactional``."""

    context: ContextStore
    status: StatusStore

    async def send(self, messages: Sequence[Message], *, delay: float = 0.0, queue: str = DEFAULT_QUEUE) -> None:
        """As ``JobQueue.send``; what is sent is received after the transaction has committed, if it does.

        Args:
            messages: What to send.
            delay: Seconds.
            queue: The queue's name, where the backend has several.
        """


class Transactional(Protocol):
    """Transactions in which a program's own rows are stored with runs and outcomes: a power of some backends.

    A backend with this power has it as its attribute ``transactional``.
    """

    def joined(self, connection: Any) -> Joined:
        """The ports that store, with each call made on a connection of the caller's.

        What they write is there once the transaction that the connection is in commits, and never if it does not. A
        call that fails is not to be made again: the transaction is lost.

        Raises:
            ConfigurationError: The connection is none that can be used so, or in no transaction.
        """

    def begin(self) -> AbstractAsyncContextManager[Any]:
        """A connection of the backend's own, in a transaction that an ``async with`` block is.

        The transaction commits at the end of the block, and what it wrote is durable then; if the block raises, it is
        rolled back.

        Raises:
            TransientError: None can be begun; or the connection was lost, also where the block raises something else.
                If that was at the end of the block, the transaction may or may not have committed.
        """


class Starts(Protocol):
    """Stores all that a run begins with by one request: a power of some backends, and else it takes three calls.

    A backend with this power has it as its attribute ``starts``.
    """

    async def begin(
        self,
        run_id: str,
        key: str,
        fact: Fact,
        status: RunStatus,
        message: Message,
        *,
        delay: float = 0.0,
        queue: str = DEFAULT_QUEUE,
    ) -> Fact | None:
        """Store a fact, a status and a message if there is no fact under the key; else return the one that stands.

        All three are stored together or none is, whatever comes between, and when this returns they are durable. They
        are seen as after ``ContextStore.put``, ``StatusStore.create`` and ``JobQueue.send``. A status that the run has
        already stays as it is. A call that was applied though its answer was lost finds its own fact when it is made
        again, and stores nothing.

        Args:
            run_id: The run.
            key: As for ``ContextStore.put``.
            fact: Likewise.
            status: The run's status.
            message: What to send.
            delay: Seconds, as for ``JobQueue.send``.
            queue: The queue's name, where the backend has several.

        Raises:
            ValueError: One of them is more than its port takes; then nothing was stored.
            TransientError: Worth another try.
        """


class Named(Protocol):
    """Something that says where it is, for the logs of those who use it: a power of most backends and queues.

    A backend or queue with this power has it as its attribute ``name``, such as ``sqlite /data/runs.db`` or ``jobs``.

    Attributes:
        name: Text on one line, without credentials.
    """

    name: str


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


class NewestFirst(Protocol):
    """A status store that can give runs in the order of their starts: a power of some, which have an index by it."""

    async def find_newest(
        self,
        *,
        states: Sequence[State],
        blueprint_id: str | None = None,
        created_since: float | None = None,
        created_until: float | None = None,
        cursor: str | None = None,
        limit: int = 100,
    ) -> Page:
        """Statuses in any of some states, those that were created last first; of equal ones by the greater run id.

        What is found may lag as for ``find``. A page may have fewer items than the limit, or none, and still not be the
        last. A status that stays in these states is on one of the pages, whatever becomes of others meanwhile, and on
        no second one.

        Args:
            states: The states, at least one.
            blueprint_id: Only those of this flow.
            created_since: Only those created at this time or later.
            created_until: Only those created before this time.
            cursor: From the page before; None for the first.
            limit: At most so many items, from 1 to 1,000.

        Raises:
            ValueError: The cursor is none that this store gave.
            TransientError: Worth another try.
        """


class MadeFromUrl(Protocol):
    """A backend that a URL is enough for: a power of the classes that programs find by their entry points.

    The scheme is the name of the entry point, in the group ``flowcraft.backends``. ``flowcraft_core.urls.BackendUrl``
    takes a URL apart. Credentials come from where the backend's own SDK finds them, rather than from the URL.
    """

    @classmethod
    def from_url(cls, url: str) -> Backend:
        """A backend, not opened yet. It asks no service for anything, and opens nothing.

        Args:
            url: The whole URL, as it was given.

        Raises:
            ConfigurationError: There is something in it that means nothing here, such as an option that is misspelt.
                The message, like any other of the backend, and its ``name``, show no secret of the URL.
        """


class ProvisionedByUrl(Protocol):
    """A backend that creates what it needs when it is asked to, and not when it is opened: a power of such classes."""

    @classmethod
    async def provision_url(cls, url: str) -> Sequence[str]:
        """Create what is missing, and leave what is there as it is.

        Args:
            url: As for ``MadeFromUrl.from_url``.

        Returns:
            What is there now, a line each, for people.

        Raises:
            ConfigurationError: As ``from_url`` does.
            BackendError: Something cannot be created; the message says what.
        """


# --- all of it --------------------------------------------------------------------------------------------------------


class Backend(Protocol):
    """A place to run: the four ports, opened and closed together.

    A backend is opened in the event loop that uses it. Opening one twice, or using it in another loop than it was
    opened in, raises ``BackendError`` by name.
    """

    queue: JobQueue
    context: ContextStore
    status: StatusStore
    coordination: CoordinationStore

    async def open(self) -> None:
        """Connect; create what is missing, if that is this backend's habit."""

    async def close(self) -> None:
        """Let go of every connection and thread. What was sent and stored stays."""
