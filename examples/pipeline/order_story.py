"""The whole of it once: two workers, two orders and a night; and a worker that is killed in the middle.

One order is of many documents, one goes nowhere. Both are approved by the links in their mails, the first one after a
reminder. The night is one at which nobody was there: its schedule was made the day before yesterday.
"""

from __future__ import annotations

import asyncio
import secrets
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import nightly
from approvals import server
from flowcraft_core import SystemClock
from flowcraft_core.durable import Client, StoredResult
from order_crew import Crew, crew
from order_flow import order
from order_place import Place
from services import request
from stub_services import NOWHERE, StubServices

#: Of the order that goes nowhere.
FEW = 6

# Seconds for which something that must come is waited for.
_PATIENCE = 90.0


@attrs.frozen
class Story:
    """What came of it.

    Attributes:
        services: What the other services have done.
        big: The order of many documents.
        lost: The order that goes nowhere.
        nights: How the runs of the schedule ended.
        attempts: How many attempts each document took.
        second_answer: The HTTP status of an answer to a question that was answered.
        killed: The worker that was killed.
        documents_then: How many documents were done then.
        workers_said: What the workers have logged.
    """

    services: StubServices
    big: StoredResult
    lost: StoredResult
    nights: list[StoredResult]
    attempts: list[int]
    second_answer: int
    killed: str
    documents_then: int
    workers_said: str


async def tell(folder: Path, *, documents: int = 500, say: Callable[[str], object] = print) -> Story:
    """Do all of it.

    Args:
        folder: For the SQLite file, and for what the workers say.
        documents: Of the first order.
        say: Is told what happens.
    """
    services = StubServices()
    with services.served() as url:
        place = Place(str(folder / "orders.db"), url, f"http://127.0.0.1:{_free_port()}/hooks", secrets.token_hex(32))
        async with place.backend() as backend:
            client = Client(backend)
            links = server(client, place)
            serving = asyncio.ensure_future(links.serve())
            with crew(place, folder / "workers.log") as workers:
                try:
                    return await _Teller(client, services, workers, say).tell(documents, place)
                finally:
                    links.should_exit = True
                    await serving


@attrs.frozen
class _Teller:
    client: Client
    services: StubServices
    workers: Crew
    say: Callable[[str], object]

    async def tell(self, documents: int, place: Place) -> Story:
        async with place.backend() as backend:
            await nightly.schedule(Client(backend, clock=DayBeforeYesterday()))
        flow = order(remind_after=["0.5s"])  # a run keeps the flow that it was begun with, whatever the workers bring
        await self._start(flow, "big", documents, "3 Mill Lane")
        await self._start(flow, "lost", FEW, NOWHERE)
        self.say("two orders wait for somebody to approve them")

        mail = await self._mail("big", "Reminder 1")
        self.say(f"mail: {mail['subject']}")
        for each in (mail, await self._mail("lost", "Shall")):
            await _post(each["links"]["approved"], {"by": "Ada"})
        second_answer = await _post(mail["links"]["rejected"], {"by": "Bob"})

        killed, done = await self._kill_one(documents // 3)
        self.say(f"killed worker {killed} with SIGKILL: {done} of {documents} documents printed")

        big = await self.client.wait("big", timeout=_PATIENCE)
        self.say(f"order big: {big.status}")
        lost = await self.client.wait("lost", timeout=_PATIENCE)
        self.say(f"order lost: {lost.status}, {lost.reason}; undone: {', '.join(each.key for each in lost.undone)}")
        await self._until(lambda: self.services.done["settlements"], "a night is settled")
        nights = [
            await self.client.wait(run.run_id, timeout=_PATIENCE)
            async for run in self.client.runs(tags={"schedule": "nightly"})
        ]
        self.say(f"nights settled: {', '.join(run.run_id for run in nights)}")
        return Story(
            services=self.services,
            big=big,
            lost=lost,
            nights=nights,
            attempts=await self._attempts("big"),
            second_answer=second_answer,
            killed=killed,
            documents_then=done,
            workers_said=self.workers.said(),
        )

    async def _start(self, flow: Any, name: str, documents: int, address: str) -> None:
        context = {
            "order": name,
            "documents": [f"page {number}" for number in range(1, documents + 1)],
            "price": documents,
            "address": address,
        }
        await self.client.start(flow, context, run_id=name)

    async def _mail(self, order: str, subject: str) -> dict[str, Any]:
        """The first mail about an order whose subject begins so."""

        def found() -> list[dict[str, Any]]:
            mails = self.services.done["mails"]
            return [mail for mail in mails if mail["order"] == order and mail["subject"].startswith(subject)]

        await self._until(found, f"a mail {subject!r} about {order}")
        return found()[0]

    async def _kill_one(self, documents: int) -> tuple[str, int]:
        """Kill a worker while documents of it are being printed, and so many are; which, and how many were."""
        printed = self.services.done["documents"]
        await self._until(lambda: len(printed) >= documents, f"{documents} documents are printed")
        self.services.printing.clear()
        await self._until(lambda: self.services.at_work, "a document is being printed")
        victim = next(iter(self.services.at_work.values()))
        self.workers.kill(victim)
        done = len(printed)
        self.services.printing.set()
        return victim, done

    async def _attempts(self, run_id: str) -> list[int]:
        """How many attempts each document of an order took."""
        items, after = [], None
        while True:
            page = await self.client.describe(run_id, inside="print", after=after, limit=500, values=False)
            items += [instance.attempts for instance in page.instances if instance.kind == "step"]
            if (after := page.cursor) is None:
                return items

    async def _until(self, condition: Callable[[], object], what: str) -> None:
        """Return once something is so.

        Raises:
            TimeoutError: It does not come to it.
        """
        deadline = time.monotonic() + _PATIENCE
        while not condition():
            self.workers.check()
            if time.monotonic() > deadline:
                raise TimeoutError(f"until {what}: waited for {_PATIENCE:g} s; {self.workers.said()[-2000:]}")
            await asyncio.sleep(0.01)


class DayBeforeYesterday(SystemClock):
    """A clock that is two days late."""

    def now(self) -> float:
        """Seconds since the epoch, of then."""
        return super().now() - 2 * 86_400


async def _post(link: str, answer: dict[str, Any]) -> int:
    """Follow a link as a program does; the status of the answer."""
    status, _, _ = await asyncio.to_thread(request, "POST", link, answer)
    return status


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port
