"""The adapter as users have it, on the emulators: its life, hosts that receive by themselves, and its tools."""

from __future__ import annotations

import asyncio
import base64
import json
from typing import Any

import pytest
from azure.functions.meta import Datum
from azure.functions.queue import QueueMessageInConverter
from azure.storage.queue import QueueMessage
from flowcraft_azure import (
    AzureQueueAdapter,
    AzureSettings,
    CosmosDbContext,
    RedisCoordinationStore,
    create_azure_reconciler,
)
from flowcraft_azure.functions import FunctionHandlers
from flowcraft_core import ConfigurationError, FlowBuilder, FlowRuntime, NodeContext, create_flow
from places import Place


async def _one(ctx: NodeContext) -> int:
    await ctx.context.set("seen", await ctx.context.get("city"))
    return 1


async def _add(ctx: NodeContext) -> int:
    return int(ctx.input) + 1


def _flow() -> FlowBuilder:
    return create_flow("two").node("first", _one).node("second", _add).edge("first", "second")


def _adapter(place: Place, flow: FlowBuilder | None = None, /, **options: Any) -> AzureQueueAdapter:
    settings = AzureSettings.from_environment(place.environment())
    given = {**settings.for_backend(), "staleness": 0.2, "poll": 1.0, **options}
    return AzureQueueAdapter(runtime=FlowRuntime([flow or _flow()]), **given)


# --- its life --------------------------------------------------------------------------------------------------------


async def test_it_works_in_a_thread_with_functions_and_with_clients_that_are_not_open(place: Place) -> None:
    """Beside it, code that is not async starts runs and reads results."""
    unopened = {
        "queue_client": place.emulators.queue_client(place.name),
        "cosmos_client": place.emulators.cosmos_client(),
    }
    for options in ({}, unopened):
        adapter, asking = _adapter(place, **options), _adapter(place)
        await asyncio.to_thread(adapter.start)
        try:
            client = await asyncio.to_thread(getattr, asking, "sync_client")
            started = await asyncio.to_thread(client.start, "two")
            result = await asyncio.to_thread(client.wait, started.run_id, timeout=30)
            assert (result.status, result.outputs["second"]) == ("completed", 2)
        finally:
            await asyncio.to_thread(asking.stop)
            await asyncio.to_thread(adapter.stop)


async def test_start_refuses_clients_that_are_open_elsewhere_by_name(place: Place) -> None:
    """An open client belongs to its event loop; ``serve`` takes it there."""
    async with place.emulators.queue_client(place.name) as queue, place.emulators.cosmos_client() as cosmos:
        for name, client in (("queue_client", queue), ("cosmos_client", cosmos)):
            with pytest.raises(ConfigurationError, match=rf"{name} is open in another event loop.*serve"):
                _adapter(place, **{name: client}).start()
        redis = place.emulators.redis_client()
        await redis.ping()
        with pytest.raises(ConfigurationError, match="coordination_store is open in another event loop"):
            _adapter(place, coordination_store=RedisCoordinationStore(redis)).start()
        adapter = _adapter(
            place, queue_client=queue, cosmos_client=cosmos, coordination_store=RedisCoordinationStore(redis)
        )
        async with adapter:
            serving = asyncio.ensure_future(adapter.serve())
            run_id = (await adapter.client.start("two")).run_id
            assert (await adapter.client.wait(run_id, timeout=30)).status == "completed"
            adapter.stop()
            await serving
        await cosmos.get_database_client(place.name).read()  # it is the caller's, and still open
        await redis.aclose()


async def test_a_client_cannot_serve_two_event_loops(place: Place) -> None:
    """The refusal says what to give instead."""
    adapter = _adapter(place, queue_client=place.emulators.queue_client(place.name))
    async with adapter:
        with pytest.raises(Exception, match="give queue_client as a function"):
            await asyncio.to_thread(lambda: adapter.sync_client)


# --- hosts that receive by themselves --------------------------------------------------------------------------------


def _from_host(message: QueueMessage, body: str) -> Any:
    """A message as the library makes it of what the host hands over."""
    metadata = {"Id": message.id, "DequeueCount": message.dequeue_count, "PopReceipt": message.pop_receipt}
    return QueueMessageInConverter.decode(
        Datum(body, "string"), trigger_metadata={name: Datum(str(each), "string") for name, each in metadata.items()}
    )


async def test_a_functions_host_does_a_run_message_by_message(place: Place) -> None:
    """With the library's own message type; the host has undone base64 already, or not."""
    handlers = FunctionHandlers(lambda: _adapter(place))
    adapter = await handlers.adapter()
    run_id = (await adapter.client.start("two", {"city": "Bern"})).run_id
    async with place.emulators.queue_client(place.name) as queue:
        received = [message async for message in queue.receive_messages(max_messages=1)]
        for message in received:
            undone = base64.b64decode(message.content).decode()
            for body in (undone, message.content):  # the second is a duplicate, which does nothing
                await handlers.work(_from_host(message, body))
            await queue.delete_message(message)
    assert (await adapter.client.result(run_id)).outputs == {"first": 1, "second": 2}
    await handlers.close()


async def test_a_poison_message_is_given_a_last_try(place: Place) -> None:
    """The host has given it up, perhaps since a service was down: what does no harm is done after all."""
    handlers = FunctionHandlers(lambda: _adapter(place))
    adapter = await handlers.adapter()
    run_id = (await adapter.client.start("two")).run_id
    async with place.emulators.queue_client(place.name) as queue:
        async for message in queue.receive_messages(max_messages=1):
            await handlers.work_on_poison(_from_host(message, base64.b64decode(message.content).decode()))
    assert (await adapter.client.status(run_id)).state == "completed"
    await handlers.close()


# --- runs begun by hand ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("encoded", [False, True], ids=["plain", "base64"])
async def test_a_run_begun_by_hand_completes(place: Place, encoded: bool) -> None:
    """Documents without a runId, and a message per start node: as the TypeScript client writes them."""
    await place.write_by_hand("by hand 1", {"city": "Bern", "list": [1, {"a": None}]}, 1_700_000_000.0)
    text = json.dumps({"runId": "by hand 1", "blueprintId": "two", "nodeId": "first"})
    async with place.emulators.queue_client(place.name) as queue:
        await queue.send_message(base64.b64encode(text.encode()).decode() if encoded else text)
    adapter = _adapter(place)
    async with adapter:
        serving = asyncio.ensure_future(adapter.serve())
        while (await adapter.client.status("by hand 1")).state == "running":  # noqa: ASYNC110 - on a server
            await asyncio.sleep(0.05)
        result = await adapter.client.wait("by hand 1", timeout=30)
        assert (result.outputs["second"], result.context["seen"]) == (2, "Bern")
        adapter.stop()
        await serving
        async with place.emulators.cosmos_client() as cosmos:
            database = cosmos.get_database_client(place.name)
            left = [one async for one in database.get_container_client("statuses").read_all_items()]
            assert [(one["runId"], one["run"], one["status"]) for one in left] == [
                ("by hand 1", "by hand 1", "completed")
            ]
            copied = [one async for one in database.get_container_client("contexts").read_all_items()]
            assert {"city": "Bern", "list": [1, {"a": None}]} in [one.get("context") for one in copied]
        await adapter.client.purge("by hand 1")
        async with place.emulators.cosmos_client() as cosmos:
            database = cosmos.get_database_client(place.name)
            kept = [one["id"] async for one in database.get_container_client("contexts").read_all_items()]
            assert [id_ for id_ in kept if id_.startswith("by-hand") or id_ == "by hand 1"] == []


# --- tools -----------------------------------------------------------------------------------------------------------


async def test_the_reconciler_finds_stalled_runs_and_says_what_it_did(place: Place) -> None:
    """A run whose message was lost, one that was begun by hand long ago, one that is fresh, one that cannot be read."""
    adapter = _adapter(place, reconcile=False)
    async with adapter:
        await adapter.client.start("two", run_id="lost")
        await adapter.client.start("two", run_id="broken")
        async with place.emulators.queue_client(place.name) as queue:
            await queue.clear_messages()
        async with place.emulators.cosmos_client() as cosmos:
            database = cosmos.get_database_client(place.name)
            for run_id in ("lost", "broken"):
                await database.get_container_client("statuses").patch_item(
                    "status", run_id, [{"op": "set", "path": "/lastUpdated", "value": "2020-01-01T00:00:00.000Z"}]
                )
            await database.get_container_client("contexts").patch_item(
                "fact::run", "broken", [{"op": "set", "path": "/v", "value": 99}]
            )
        await adapter.client.start("two", run_id="fresh")
        for here in (adapter, _adapter(place)):  # open here, and not
            reconciler = create_azure_reconciler(
                adapter=here,
                cosmos_client=place.emulators.cosmos_client,
                cosmos_database_name=place.name,
                stalled_threshold_seconds=300,
            )
            stats = await reconciler.run()
            if here is adapter:
                assert (stats.stalled_runs, stats.reconciled_runs, stats.failed_runs) == (2, 1, 1)
            else:  # the one that was brought on has been written to; the broken one has not
                assert (stats.stalled_runs, stats.reconciled_runs, stats.failed_runs) == (1, 0, 1)
        serving = asyncio.ensure_future(adapter.serve())
        for run_id in ("lost", "fresh"):
            assert (await adapter.client.wait(run_id, timeout=30)).status == "completed"
        adapter.stop()
        await serving


async def test_the_context_of_a_run_can_be_read_and_changed_from_outside(place: Place) -> None:
    """Steps see what is set when they next read it, what later ones set stands, and a purge removes it."""
    adapter = _adapter(place, reconcile=False)
    async with adapter, adapter.context("a run") as context:
        assert isinstance(context, CosmosDbContext)
        await adapter.client.start("two", {"city": "Bern", "other": {"a": 1}}, run_id="a run")
        assert await context.get("city") == "Bern"
        assert await context.get("none", "nothing") == "nothing"
        await context.set("city", "Basel")
        await context.set("city", "Chur")
        await context.patch({"a/b 😀": [1, 2], "gone": 1, "nothing": None, "long": "x" * 2_000}, delete=["other"])
        await context.delete("gone")
        assert await context.has("nothing")
        assert not await context.has("other")
        outside = {"city": "Chur", "a/b 😀": [1, 2], "nothing": None, "long": "x" * 2_000}
        assert await context.to_dict() == outside
        serving = asyncio.ensure_future(adapter.serve())
        result = await adapter.client.wait("a run", timeout=30)
        assert result.context == {"city": "Bern", "other": {"a": 1}, "seen": "Chur"}  # what follows from the run alone
        assert await context.to_dict() == {**outside, "seen": "Chur"}
        await context.set("seen", "nobody")  # it is the last word, and not the run's
        assert await context.get("seen") == "nobody"
        await context.delete("seen")
        assert not await context.has("seen")
        assert (await adapter.client.result("a run")).context["seen"] == "Chur"
        adapter.stop()
        await serving
        await adapter.client.purge("a run")
        assert await context.to_dict() == {}
        async with place.emulators.cosmos_client() as cosmos:
            contexts = cosmos.get_database_client(place.name).get_container_client("contexts")
            assert [one["id"] async for one in contexts.read_all_items() if one["runId"] == "a run"] == []


async def test_the_context_of_a_subflow_is_not_the_runs_own(place: Place) -> None:
    async def note(ctx: NodeContext) -> int:
        await ctx.context.set("inside", 1)
        return 1

    inner = create_flow("inner").node("note", note)
    outer = create_flow("outer").node("first", _one).subflow("call", inner).edge("first", "call")
    adapter = _adapter(place, outer)
    async with adapter, adapter.context("a run") as context:
        serving = asyncio.ensure_future(adapter.serve())
        await adapter.client.start(outer, {"city": "Bern"}, run_id="a run")
        await adapter.client.wait("a run", timeout=30)
        assert await context.to_dict() == {"city": "Bern", "seen": "Bern"}
        adapter.stop()
        await serving


async def test_an_adapter_counts_what_its_requests_were(place: Place) -> None:
    """In all of its event loops together, looks at an empty queue included; and for each run by itself."""
    adapter = _adapter(place, reconcile=False)
    await asyncio.to_thread(adapter.start)
    run_id = (await asyncio.to_thread(adapter.sync_client.start, "two")).run_id
    await asyncio.to_thread(adapter.sync_client.wait, run_id, timeout=30)
    await asyncio.to_thread(adapter.stop)
    requests = adapter.metrics.requests
    assert requests["queue.send"] == requests["queue.acknowledge"] == 1
    assert requests["queue.receive"] >= adapter.metrics.empty_receives + 1
    of_run = adapter.metrics.of_run(run_id)
    assert of_run["cosmos.create"] == 5  # the run's record, its status, two outcomes and a context value
    assert of_run["cosmos.create"] < requests["cosmos.create"]  # the blueprint is no run's
    assert sum(adapter.metrics.request_units.values()) > 0
    assert not adapter.metrics.retries
