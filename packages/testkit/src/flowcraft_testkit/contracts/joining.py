"""The clauses of a whole backend on transactions that a program's own rows are part of, where it has that power."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from typing import Any

import pytest
from flowcraft_core import RetryPolicy, create_flow
from flowcraft_core.durable import UnknownRunError
from flowcraft_core.errors import BackendError, ConfigurationError, TransientError
from flowcraft_core.ports import Backend, Fact, Message, RunStatus, Transactional

from .clauses import needs
from .programs import Context, ProgramClauses, Programs, Steps, is_so
from .starting import chain

#: Where a worker can die around what a step stores with its outcome; and whether it is there by then.
_DEATHS = (
    ("transactional.begin", "after", False),
    ("joined.context.put", "before", False),
    ("joined.context.put", "after", False),
    ("transactional.end", "before", False),
    ("transactional.end", "after", True),
)


class LeftError(Exception):
    """Whoever was in a transaction has thought better of it."""


@asynccontextmanager
async def _left(transaction: AbstractAsyncContextManager[Any]) -> AsyncIterator[Any]:
    """The same transaction, rolled back in the end."""
    with contextlib.suppress(LeftError):
        async with transaction as connection:
            yield connection
            raise LeftError


def _power(backend: Backend) -> Transactional:
    power: Transactional = backend.transactional  # type: ignore[attr-defined]
    return power


class JoiningClauses(ProgramClauses):
    """What a ``Backend`` promises of its ``transactional``."""

    # --- runs that begin ---

    @needs("transactions")
    async def test_a_run_and_its_callers_rows_are_there_together_or_not_at_all(self) -> None:
        """Else it takes an outbox: a run of an order that was never placed, or an order that nobody works on."""
        steps, rows = Steps(), self.program_rows
        flow = chain(steps)
        kept, dropped = self.id("kept"), self.id("dropped")
        async with self.programs(flow) as here:
            async with _left(rows.transaction()) as connection:
                await rows.write(connection, dropped)
                await here.client.start(flow, run_id=dropped, connection=connection)
            async with rows.transaction() as connection:
                await rows.write(connection, kept)
                assert (await here.client.start(flow, {"x": 1}, run_id=kept, connection=connection)).created
                assert await here.backend.status.get(kept) is None, "it is there before its transaction has committed"
                assert await self._received(here) == [], "a message is there before its transaction has committed"
            assert await self._mine(kept, dropped) == [kept]
            bodies = await self.until(lambda: self._received(here))
            assert not [body for body in bodies if dropped in body], "a message was sent by what was rolled back"
            assert await here.backend.status.get(dropped) is None
            with pytest.raises(UnknownRunError):
                await here.client.result(dropped)
            await here.hire()
            result = await here.ended(kept)
            assert (result.status, result.outputs["n2"], result.context) == ("completed", 3, {"x": 1})

    @needs("transactions")
    async def test_a_start_in_a_transaction_starts_once(self) -> None:
        """A transaction that is begun anew repeats it, and so does a request that is sent again."""
        steps, rows, run_id = Steps(), self.program_rows, self.id("run")
        flow = chain(steps)
        async with self.programs(flow) as here:
            async with _left(rows.transaction()) as connection:
                await here.client.start(flow, {"x": 1}, run_id=run_id, connection=connection)
            for number in (2, 3):
                async with rows.transaction() as connection:
                    started = [
                        (await here.client.start(flow, {"x": number}, run_id=run_id, connection=connection)).created
                        for _ in range(2)
                    ]
                assert started == [number == 2, False]
            await here.hire()
            assert (await here.ended(run_id)).context == {"x": 2}

    # --- steps that end ---

    @needs("transactions")
    async def test_a_steps_rows_and_outcome_count_once_wherever_its_worker_dies(self) -> None:
        """It may be executed twice; its effect and its outcome are there once, and they are of one execution."""
        rows, numbers = self.program_rows, dict[str, int]()

        async def store(ctx: Context) -> int:
            number = numbers[ctx.run_id] = numbers.get(ctx.run_id, 0) + 1
            await rows.write(await ctx.connection(), f"{ctx.run_id} {number}")
            return number

        flow = create_flow("stores").node("a", store)
        async with self.programs(flow) as here:
            for operation, when, is_there in _DEATHS:
                run_id = self.id("run")
                await here.client.start(flow, run_id=run_id)
                await here.hire_until(operation, when=when)
                found = await self._mine(run_id)
                assert len(found) == is_there, f"{when} {operation} there are the rows {found}"
                hand = await here.hire()
                result = await here.ended(run_id)
                assert (result.status, await self._mine(run_id)) == ("completed", [f"{run_id} {result.outputs['a']}"])
                assert (numbers[run_id] == 1) == is_there, f"it was executed {numbers[run_id]} times"
                hand.worker.stop()
                await here.leave()

    @needs("transactions")
    async def test_an_attempt_that_fails_leaves_no_rows(self) -> None:
        """Whether by itself, for good, or by an output that cannot be stored."""
        rows = self.program_rows

        async def second_time(ctx: Context) -> int:
            await rows.write(await ctx.connection(), f"{ctx.run_id} {ctx.attempt}")
            if ctx.attempt == 1:
                raise ValueError("not at once")
            return ctx.attempt

        async def never(ctx: Context) -> None:
            await rows.write(await ctx.connection(), f"{ctx.run_id} never")
            raise ValueError("never")

        async def opaque(ctx: Context) -> object:
            await rows.write(await ctx.connection(), f"{ctx.run_id} opaque")
            return object()

        retried = create_flow("retried").node("a", second_time, retries=RetryPolicy(max_attempts=2, delay=0.0))
        failing, unstored = create_flow("failing").node("a", never), create_flow("unstored").node("a", opaque)
        async with self.programs(retried, failing, unstored) as here:
            await here.hire()
            for flow, status, left in ((retried, "completed", " 2"), (failing, "failed", ""), (unstored, "failed", "")):
                run_id = self.id("run")
                assert (await here.run(flow, run_id=run_id)).status == status
                assert await self._mine(run_id) == ([run_id + left] if left else [])

    @needs("transactions")
    async def test_of_two_executions_at_once_one_leaves_its_rows(self) -> None:
        """The one whose outcome counts: a message may come twice, and steps take their time."""
        rows, begun = self.program_rows, list[int]()

        async def until(condition: Callable[[], Awaitable[Any]]) -> None:
            end = here.clock.now() + here.patience / 4
            while not await condition() and here.clock.now() < end:
                await here.clock.sleep(here.patience / 2_000)

        async def store(ctx: Context) -> int:
            number = len(begun)
            begun.append(number)
            await rows.write(await ctx.connection(), f"{ctx.run_id} {number}")
            await until(lambda: is_so(len(begun) >= 2))
            if ctx.params["second waits"] and number == 1:
                await until(partial(self._mine, ctx.run_id))
            return number

        for waits in (False, True):
            flow, run_id = create_flow("twice").node("a", store, params={"second waits": waits}), self.id("run")
            async with self.programs(flow) as here:
                await here.client.start(flow, run_id=run_id)
                (body,) = await self.until(partial(self._taken, here, run_id))
                begun.clear()
                await here.send(body, body)
                await here.hire(2)
                result = await here.ended(run_id)
                await here.leave()
                assert len(begun) >= 2, "it was not executed twice"
                assert await self._mine(run_id) == [f"{run_id} {result.outputs['a']}"]

    # --- by themselves ---

    @needs("transactions")
    async def test_what_is_written_in_a_transaction_is_there_from_its_end(self) -> None:
        """And by nobody seen before, nor at all if it is rolled back."""
        rows = self.program_rows
        async with self.programs() as here:
            other = await here.connect()
            for leaves in (True, False):
                run_id = self.id("run")
                block = _power(here.backend).begin()
                async with _left(block) if leaves else block as connection:
                    await self._write_all(here.backend, connection, run_id)
                    assert await self._seen(other, run_id) == [], "others see what has not committed"
                expected = [] if leaves else ["fact", "status", "row", "message"]
                seen = await self._seen(other, run_id, staleness=other.context.limits.staleness)
                assert seen == expected, f"{'rolled back' if leaves else 'committed'}, and there are {seen}"
                async with rows.transaction() as connection:
                    joined = _power(here.backend).joined(connection)
                    standing = await joined.context.put(run_id, "key", Fact(b"another", "another"))
                    assert (standing is None) == leaves, "what stands is what others have committed"

    @needs("transactions")
    async def test_a_transaction_that_is_open_holds_up_nobody(self) -> None:
        """A step may take hours in it. Whoever stores something else does not wait for that."""
        async with self.programs() as here:
            other, run_id, others = await here.connect(), self.id("run"), self.id("others")
            async with _power(here.backend).begin() as connection:
                await self._write_all(here.backend, connection, run_id)

                async def go_on() -> None:
                    assert await other.context.put(others, "key", Fact(b"fact", "writer")) is None
                    assert await other.status.create(self._status(others))
                    await other.queue.send([Message(f"others {others}")])
                    assert await self.until(lambda: self._received(here, other))
                    await other.coordination.set_if_absent(others, "mine", ttl=10 * self.beat)

                going = asyncio.ensure_future(go_on())
                late = asyncio.ensure_future(here.clock.sleep(here.patience))
                await asyncio.wait([going, late], return_when=asyncio.FIRST_COMPLETED)
                late.cancel()
                is_done = going.done()
                if not is_done:
                    going.cancel()
                assert is_done, "others wait for a transaction that has nothing of theirs"
                await going

    @needs("transactions", "cuts")
    async def test_a_transaction_whose_connection_is_cut_is_lost_and_says_so(self) -> None:
        """It is no failure of the step's, whatever the step makes of it: it is executed again."""
        async with self.programs() as here:
            for leaves in (True, False):
                run_id, said = self.id("run"), None
                try:
                    async with _power(here.backend).begin() as connection:
                        await self._write_all(here.backend, connection, run_id)
                        await self.trouble_maker.cut()
                        if leaves:
                            raise LeftError
                except (LeftError, BackendError) as error:
                    said = error
                assert isinstance(said, TransientError), f"its connection was cut, and it has raised {said!r}"
                assert await self._seen(here.backend, run_id) == []
                async with _power(here.backend).begin() as connection:
                    await self._write_all(here.backend, connection, run_id)
                assert "row" in await self._seen(here.backend, run_id), "the next one works"

    @needs("transactions")
    async def test_what_is_no_transaction_is_refused(self) -> None:
        """What is written by it would be there at once, or never; nobody would find out for long."""
        async with self.programs() as here:
            power = _power(here.backend)
            async with power.begin() as connection:
                pass
            for thing in (None, object(), "postgresql://", connection):
                with pytest.raises(ConfigurationError):
                    power.joined(thing)

    # --- what they have in common ---

    def _status(self, run_id: str) -> RunStatus:
        now = self.now()
        return RunStatus(run_id=run_id, state="running", blueprint_id="flow", created=now, updated=now)

    async def _write_all(self, backend: Any, connection: Any, run_id: str) -> None:
        joined = _power(backend).joined(connection)
        assert await joined.context.put(run_id, "key", Fact(b"fact", "writer")) is None
        assert await joined.status.create(self._status(run_id))
        await joined.send([Message(f"message {run_id}")])
        await self.program_rows.write(connection, run_id)

    async def _seen(self, backend: Any, run_id: str, staleness: float = 0.0) -> list[str]:
        """What is there of what ``_write_all`` writes."""
        await self.pass_time(staleness)
        seen = ["fact"] if await backend.context.get(run_id, ["key"]) else []
        seen += ["status"] if await backend.status.get(run_id) else []
        seen += ["row"] if await self._mine(run_id) else []
        received: Sequence[Any] = await backend.queue.receive(max_messages=10, wait=self.beat, visibility=6 * self.beat)
        seen += ["message"] if [each for each in received if run_id in each.body] else []
        await backend.queue.acknowledge(received)
        return seen

    async def _mine(self, *run_ids: str) -> list[str]:
        return [row for row in await self.program_rows.read() if row.split()[0] in run_ids]

    async def _received(self, here: Programs, backend: Any = None) -> list[str]:
        """What can be received now; it is given back."""
        queue = (backend or here.backend).queue
        found = await queue.receive(max_messages=10, wait=self.beat, visibility=6 * self.beat)
        await queue.release(found)
        return [delivery.body for delivery in found]

    async def _taken(self, here: Programs, run_id: str) -> list[str]:
        """What can be received now of a run; it is removed, with whatever others have left behind."""
        found = await here.backend.queue.receive(max_messages=10, wait=self.beat, visibility=6 * self.beat)
        await here.backend.queue.acknowledge(found)
        return [delivery.body for delivery in found if run_id in delivery.body]
