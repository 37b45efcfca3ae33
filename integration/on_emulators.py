"""What the scenarios' backends on emulators share: real time that runs faster, and what stands between."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack, ExitStack
from typing import ClassVar

from durable_backend import Durable
from flowcraft_testkit.contracts import FastClock
from proxy import CUTS, MALFORMED, Proxy

#: Seconds of the clock per second of the emulators, whose queues count in whole ones of their own.
RATE = 10.0
# The same while all that is wanted is that time passes: what is hidden for a minute is so for two of their seconds.
_IN_A_HURRY = 40.0


class OnEmulators(Durable):
    """Workers in this process, each with a backend of its own, on servers whose time nobody can put forward.

    The emulators start with a process's first check and end with the process; each check has a place of its own there.

    Attributes:
        standing: What stands until the check is over.
        proxies: What all connections go through, if anything does.
    """

    beat = 10.0
    #: Real seconds that a check may take: the longest carries out a thousand runs.
    patience: ClassVar[float] = 600.0
    longest: ClassVar[float] = 250.0
    #: A pass is two writes, each of them some ten milliseconds on emulators; the jobs are as many as of 2,000.
    passes: ClassVar[int] = 200
    #: Ten pages.
    stalled: ClassVar[int] = 1_000
    #: An item is a write of some ten milliseconds, one after the other in its lane.
    items: ClassVar[int] = 2_000

    def __init__(self) -> None:
        super().__init__()
        self.clock: FastClock = FastClock(RATE)
        self.standing, self._trouble = AsyncExitStack(), ExitStack()
        self.proxies: Sequence[Proxy] = ()

    async def pass_time(self, seconds: float) -> None:
        """See ``Backend``; it passes at once, but for the queue, and nobody works meanwhile."""
        await self.leave()
        self.clock.put_forward(seconds)
        await self.staff()

    @contextlib.contextmanager
    def in_a_hurry(self) -> Iterator[None]:
        """See ``Durable``; for the queue's delays and holds as well."""
        with self.clock.running_at(_IN_A_HURRY):
            yield

    async def spoil_answers(self, every: int) -> None:
        """See ``Durable``; it is done to the services' answers, on their way."""
        self._trouble.close()
        for proxy in self.proxies if every else ():
            spoiling = [kind for kind in (*CUTS, *MALFORMED) if kind in proxy.kinds]
            self._trouble.enter_context(proxy.trouble(spoiling, rate=1 / every))

    async def close(self) -> None:
        """See ``Backend``."""
        self._trouble.close()
        await super().close()
        await self.standing.aclose()
