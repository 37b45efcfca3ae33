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

from .backend import Backend, Embedded, MadeFromUrl, Named, ProvisionedByUrl
from .context import ContextStore, Fact, PositionedValue, StoreLimits
from .coordination import CoordinationStore
from .diagnosis import Diagnosable, Finding, Severity
from .powers import HandWrittenRuns, Joined, Starts, Transactional
from .queue import Delivery, JobQueue, Measured, Message, NamedQueues, QueueDepth, QueueLimits
from .status import REASON_LENGTH, FinalState, NewestFirst, Page, RunStatus, State, StatusStore

PORTS_VERSION = 1

__all__ = [
    "PORTS_VERSION",
    "REASON_LENGTH",
    "Backend",
    "ContextStore",
    "CoordinationStore",
    "Delivery",
    "Diagnosable",
    "Embedded",
    "Fact",
    "FinalState",
    "Finding",
    "HandWrittenRuns",
    "JobQueue",
    "Joined",
    "MadeFromUrl",
    "Measured",
    "Message",
    "Named",
    "NamedQueues",
    "NewestFirst",
    "Page",
    "PositionedValue",
    "ProvisionedByUrl",
    "QueueDepth",
    "QueueLimits",
    "RunStatus",
    "Severity",
    "Starts",
    "State",
    "StatusStore",
    "StoreLimits",
    "Transactional",
]
