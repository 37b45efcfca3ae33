"""What an author gives so that clauses can have things go wrong between clients and their store; all of it optional."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeAlias

from flowcraft_core.ports import Backend

#: Makes a client of the test's store that is not open, in another process; so it can be pickled, such as a
#: ``functools.partial`` of a backend's class. Its client goes by the machine's clock.
BackendMaker: TypeAlias = Callable[[], Backend]


class Trouble(Protocol):
    """What can happen between the clients of one test and their store: a proxy's switches, say, or a server's.

    Give it as the fixture ``trouble``, and declare which of it you have: ``cuts`` for ``cut``, ``outages`` for
    ``take_down`` and ``bring_up``, ``refusals`` for ``refuse``. What is not declared is never called. It is for all
    clients of the test, those that are opened later too. The next test has a store of its own, and no trouble.
    """

    async def cut(self) -> None:
        """Break every connection that is open, also under a request; the store can be reached again at once."""

    async def take_down(self) -> None:
        """See to it that nobody reaches the store, by a connection that is open or by a new one, until ``bring_up``.

        What is stored stays. Calls must find out within ``patience``, so give clients short time-outs. If some calls
        need not reach it, such as reads of a file whose lock another process holds, they may answer as ever.
        """

    async def bring_up(self) -> None:
        """Have the store be reached again, as after its restart: connections from before may be dead."""

    async def refuse(self) -> None:
        """Have the store refuse every call for good: delete its tables and queues, or take the clients' rights.

        Nothing needs to work afterwards.
        """
