"""Steps and starts in transactions, by the engine's side of it: on a backend in memory that plays such transactions."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest
from flowcraft_core import FlowRuntime, RetryPolicy, create_flow
from flowcraft_core.durable import Client, Worker
from flowcraft_core.errors import ConfigurationError, TransientError
from flowcraft_core.ports import Fact, Message
from flowcraft_testkit import InMemoryBackend


class Played:
    """A transaction: what is written is kept until it commits."""

    def __init__(self, backend: Playing) -> None:
        self.rows: list[str] = []
        self.facts: list[tuple[str, str, Fact]] = []
        self.is_lost = False
        self._backend = backend
        self.context = self  # the one store that the engine asks for

    # as a program's connection
    async def execute(self, row: str) -> None:
        self.rows.append(row)

    # as a context store
    @property
    def limits(self) -> Any:
        return self._backend.inner.context.limits

    async def get(self, run_id: str, keys: Sequence[str]) -> Any:
        return await self._backend.inner.context.get(run_id, keys)

    async def put(self, run_id: str, key: str, fact: Fact) -> Fact | None:
        standing: Fact | None = (await self.get(run_id, [key])).get(key)
        if standing is not None:
            return standing
        self.facts.append((run_id, key, fact))
        return None


class Playing:
    """A backend with the power, and its rows."""

    def __init__(self) -> None:
        self.inner = InMemoryBackend()
        self.queue, self.context = self.inner.queue, self.inner.context
        self.status, self.coordination = self.inner.status, self.inner.coordination
        self.transactional = self
        self.rows: list[str] = []
        self.refuses = 0
        self.begun, self.ended = 0, 0
        self.commits_fail: list[bool] = []  # whether it was applied, of each that fails

    async def open(self) -> None:
        await self.inner.open()

    async def close(self) -> None:
        await self.inner.close()

    def joined(self, connection: Played) -> Played:
        return connection

    @contextlib.asynccontextmanager
    async def begin(self) -> AsyncIterator[Played]:
        if self.refuses:
            self.refuses -= 1
            raise TransientError("none can be begun")
        await asyncio.sleep(0)  # to connect takes a moment
        transaction = Played(self)
        self.begun += 1
        try:
            yield transaction
        except Exception as error:
            if transaction.is_lost:
                raise TransientError("lost") from error
            raise
        finally:
            self.ended += 1
        applied = self.commits_fail.pop(0) if self.commits_fail else None
        if applied is not False:
            for run_id, key, fact in transaction.facts:
                assert await self.inner.context.put(run_id, key, fact) is None
            self.rows += transaction.rows
        if applied is not None:
            raise TransientError("the answer was lost")


async def worked(backend: Any, *flows: Any, run: Any = None) -> Any:
    """The result of one run by one worker."""
    await backend.open()
    worker = Worker(backend, FlowRuntime(flows), poll=0.05, visibility=1.0, reconcile_interval=0.3)
    working, client = asyncio.ensure_future(worker.run()), Client(backend, flows=flows)
    await client.start(flows[0], run_id="run")
    result = await client.wait("run", timeout=60)
    worker.stop()
    await working
    await backend.close()
    return result


async def store(ctx: Any) -> int:
    connection = await ctx.connection()
    assert await ctx.connection() is connection
    await connection.execute(ctx.key)
    return int(ctx.attempt)


@pytest.mark.parametrize("action", ["stores", "fails", "leaves"])
async def test_a_connection_that_is_asked_for_at_once_is_the_same_one(action: str) -> None:
    backend, asked = Playing(), list[Any]()

    async def asking(ctx: Any) -> None:
        asking = [asyncio.ensure_future(ctx.connection()) for _ in range(3)]
        if action == "leaves":
            await asyncio.sleep(0)
            return
        asked.extend(await asyncio.gather(*asking))
        await asked[0].execute("one")
        await asked[2].execute("two")
        if action == "fails":
            raise ValueError("no")

    await worked(backend, create_flow("f").node("s", asking))
    assert backend.begun == backend.ended == 1
    assert len(set(map(id, asked))) == (action != "leaves")
    assert backend.rows == (["one", "two"] if action == "stores" else [])


def chain(step: Any = store, **options: Any) -> Any:
    return create_flow("chain").node("a", step, **options).node("b", step, **options).edge("a", "b")


async def test_rows_are_there_with_their_outcomes() -> None:
    backend = Playing()
    assert (await worked(backend, chain())).status == "completed"
    assert backend.rows == ["a", "b"]


@pytest.mark.parametrize("applied", [True, False])
async def test_a_commit_whose_answer_is_lost_leaves_each_row_once(applied: bool) -> None:
    backend = Playing()
    backend.commits_fail = [applied, applied]
    assert (await worked(backend, chain())).status == "completed"
    assert backend.rows == ["a", "b"]


async def test_an_attempt_that_fails_leaves_nothing() -> None:
    async def second_time(ctx: Any) -> int:
        await store(ctx)
        if ctx.attempt == 1:
            raise ValueError("not at once")
        return 1

    backend = Playing()
    assert (await worked(backend, chain(second_time, retries=RetryPolicy(max_attempts=2)))).status == "completed"
    assert backend.rows == ["a", "b"]


async def test_a_step_that_fails_for_good_leaves_nothing() -> None:
    async def never(ctx: Any) -> int:
        await store(ctx)
        raise ValueError("never")

    backend = Playing()
    assert (await worked(backend, chain(never))).status == "failed"
    assert backend.rows == []


async def test_an_output_that_cannot_be_stored_leaves_nothing() -> None:
    async def opaque(ctx: Any) -> object:
        await store(ctx)
        return object()

    backend = Playing()
    assert (await worked(backend, chain(opaque))).status == "failed"
    assert backend.rows == []


@pytest.mark.parametrize("given", [None, object()])
async def test_a_failure_that_is_handled_leaves_the_rows_of_what_handles_it(given: object) -> None:
    async def fails(ctx: Any) -> object:
        await store(ctx)
        if given is None:
            raise ValueError("never")
        return given  # which cannot be stored

    flow = create_flow("handled").node("a", fails).node("b", store).node("c", store)
    flow.edge("a", "b", on="failure").edge("a", "c", on="always")
    backend = Playing()
    result = await worked(backend, flow)
    assert (result.status, len(result.handled)) == ("completed", 1)
    assert sorted(backend.rows) == ["b", "c"]


async def test_a_database_that_is_away_fails_no_step() -> None:
    """Whatever a step makes of it: it is executed again, and no attempt is counted."""
    backend, times = Playing(), list[int]()

    async def shrugs(ctx: Any) -> int:
        times.append(ctx.attempt)
        with contextlib.suppress(TransientError):
            return await store(ctx)
        return 7

    backend.refuses = 1
    result = await worked(backend, chain(shrugs))
    assert result.outputs == {"a": 1, "b": 1}
    assert times == [1, 1, 1]
    assert backend.rows == ["a", "b"]


async def test_a_connection_that_is_lost_under_a_step_fails_no_step() -> None:
    backend, lost = Playing(), list[int]()

    async def loses_it_once(ctx: Any) -> int:
        connection = await ctx.connection()
        if not lost:
            lost.append(1)
            connection.is_lost = True
            raise OSError("the driver's own error")
        return await store(ctx)

    assert (await worked(backend, chain(loses_it_once))).status == "completed"
    assert backend.rows == ["a", "b"]


async def test_a_backend_without_the_power_says_so() -> None:
    flow = chain()
    result = await worked(InMemoryBackend(), flow)
    assert result.status == "failed"
    assert "ctx.connection: this backend has no transactions" in str(result.errors)
    async with InMemoryBackend() as backend:
        with pytest.raises(ConfigurationError, match=r"Client\.start: connection: this backend has no transactions"):
            await Client(backend).start(flow, connection=object())


async def test_a_run_in_one_process_has_no_database() -> None:
    flow = chain()
    result = await FlowRuntime([flow]).run(flow)
    assert "ctx.connection: a run in one process has no database" in str(result.errors)


async def test_a_start_goes_through_the_connection_but_for_what_runs_share() -> None:
    class Starting(Played):
        def __init__(self, backend: Playing) -> None:
            super().__init__(backend)
            self.status = self
            self.sent: list[Message] = []
            self.created: list[Any] = []

        async def create(self, status: Any) -> bool:
            self.created.append(status)
            return True

        async def send(self, messages: Sequence[Message], *, delay: float = 0.0) -> None:
            self.sent += messages

    backend, flow = Playing(), chain()
    await backend.open()
    connection = Starting(backend)
    client = Client(backend)
    assert (await client.start(flow, run_id="run", connection=connection)).created
    assert [(run_id, key) for run_id, key, _ in connection.facts] == [("run", ":run")]
    assert [status.run_id for status in connection.created] == ["run"]
    assert len(connection.sent) == 1
    assert await backend.status.get("run") is None
    assert (await client.start(flow, run_id="other")).created
    await backend.close()
