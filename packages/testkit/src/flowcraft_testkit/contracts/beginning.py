"""The clauses of a whole backend on runs that begin by one request, where it has that power."""

from __future__ import annotations

import asyncio
from typing import Any

from flowcraft_core import create_flow
from flowcraft_core.durable import Client
from flowcraft_core.errors import TransientError
from flowcraft_core.ports import Fact, JobQueue, Message, RunStatus, Starts

from .clauses import needs
from .programs import ProgramClauses, Programs, Steps
from .starting import chain

#: So many starts are cut off, after so many passes of the event loop each.
_CUT = 40
_VISIBILITY = 60.0


class BeginningClauses(ProgramClauses):
    """What a ``Backend`` promises of its ``starts``."""

    @needs("starts")
    async def test_what_a_run_begins_with_is_there_after_one_request(self) -> None:
        """A fact, a status and a message, as if each had been stored by its port, for every client."""
        run_id, late_id = self.id("run"), self.id("late")
        async with self.programs(create_flow("none").node("a", Steps().one)) as here:
            there = await here.connect()
            fact, status = _fact("writer"), _status(run_id, here)
            assert await _begin(here, run_id, fact, status, Message(run_id)) is None
            assert await there.context.get(run_id, ["key"]) == {"key": fact}
            assert await there.status.get(run_id) == status
            assert await self._bodies_from(there.queue, run_id) == [run_id]
            assert await _begin(here, late_id, fact, _status(late_id, here), Message(late_id), delay=600.0) is None
            assert await self._bodies_from(there.queue, late_id) == [], "a message is there before its delay has passed"

    @needs("starts", "named_queues")
    async def test_the_message_that_a_run_begins_with_goes_to_the_queue_that_is_named(self) -> None:
        """Else workers find it that cannot do what it is about, or none."""
        run_id = self.id("run")
        async with self.programs(create_flow("none").node("a", Steps().one)) as here:
            begun = await _begin(here, run_id, _fact("writer"), _status(run_id, here), Message(run_id), queue="bulk")
            assert begun is None
            assert await self._bodies_from(here.backend.queue, run_id) == []
            assert await self._bodies_from(here.backend.queues.named("bulk"), run_id) == [run_id]

    @needs("starts")
    async def test_a_run_begins_once(self) -> None:
        """Of many who begin it at once one does, and all are told of its fact; a call made again is the same call."""
        run_id = self.id("run")
        async with self.programs(create_flow("none").node("a", Steps().one)) as here:
            others = [await here.connect() for _ in range(3)]

            def begin(place: int) -> Any:
                status = _status(run_id, here, tags={"by": str(place)})
                return _begin(others[place % 3], run_id, _fact(str(place)), status, Message(f"{run_id} {place}"))

            told = await asyncio.gather(*(begin(place) for place in range(9)))
            assert told.count(None) == 1
            first = str(told.index(None))
            assert {each.writer for each in told if each is not None} == {first}
            again = await begin(int(first))
            assert again is None or again.writer == first
            status = await here.backend.status.get(run_id)
            assert status is not None
            assert status.tags == {"by": first}
            assert await self._bodies_from(here.backend.queue, run_id) == [f"{run_id} {first}"]

    @needs("starts", "cuts")
    async def test_of_a_start_that_is_cut_off_all_is_there_or_nothing(self) -> None:
        """Else it would have to be found and finished, as where it takes three calls."""
        run_ids = [self.id(f"run {number}") for number in range(_CUT)]
        async with self.programs(create_flow("none").node("a", Steps().one)) as here:
            cut = 0
            for number, run_id in enumerate(run_ids):
                status = _status(run_id, here)
                beginning = asyncio.ensure_future(_begin(here, run_id, _fact("writer"), status, Message(run_id)))
                for _ in range(number % 8):
                    await asyncio.sleep(0)
                await self.trouble_maker.cut()
                try:
                    await beginning
                except TransientError:
                    cut += 1
            assert cut > 0, "none was cut off"
            there = await here.connect()
            await self.pass_time(there.context.limits.staleness)
            bodies = set(await self._bodies_from(there.queue, *run_ids))
            for run_id in run_ids:
                has_fact = bool(await there.context.get(run_id, ["key"]))
                assert (await there.status.get(run_id) is not None) == has_fact, "a fact without its status"
                assert (run_id in bodies) == has_fact, "a fact without its message"

    @needs("starts")
    async def test_a_client_starts_runs_by_one_request(self) -> None:
        """They run as any, and a second start of the same id is none."""
        flow = chain(Steps())
        async with self.programs(flow) as here:
            client = Client(here.backend.inner, flows=[flow], clock=here.clock)
            run_id = self.id("run")
            assert (await client.start(flow, {"x": 1}, run_id=run_id)).created
            assert not (await client.start(flow, {"x": 1}, run_id=run_id)).created
            await here.hire()
            result = await here.ended(run_id)
            assert (result.status, result.outputs["n2"], result.context) == ("completed", 3, {"x": 1})

    async def _bodies_from(self, queue: JobQueue, *beginnings: str) -> list[str]:
        """The bodies of all messages that can be received and begin so or so."""
        bodies: list[str] = []
        empty = 0
        while empty < 3:  # a receive may bring fewer than there are
            found = await queue.receive(max_messages=10, wait=0.2, visibility=_VISIBILITY)
            empty = 0 if found else empty + 1
            bodies += [delivery.body for delivery in found]
            await queue.acknowledge(found)
        return sorted(body for body in bodies if body.startswith(beginnings))


def _fact(writer: str) -> Fact:
    return Fact(b"body", writer, "job")


def _status(run_id: str, here: Programs, **fields: Any) -> RunStatus:
    now = here.clock.now()
    return RunStatus(
        run_id=run_id, state="running", blueprint_id="flow", created=now, updated=now, next_check=now + 60.0, **fields
    )


async def _begin(
    here: Any, run_id: str, fact: Fact, status: RunStatus, message: Message, **options: Any
) -> Fact | None:
    connection = here.backend if isinstance(here, Programs) else here
    power: Starts = connection.inner.starts
    return await power.begin(run_id, "key", fact, status, message, **options)
