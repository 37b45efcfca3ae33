"""The stores on a container that answers as it is told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from azure.core.exceptions import ServiceResponseError
from azure.cosmos import exceptions
from azure.cosmos.exceptions import CosmosHttpResponseError
from flowcraft_azure import (
    CosmosContextStore,
    CosmosCoordinationStore,
    CosmosDatabase,
    CosmosStatusStore,
    _cosmos_errors,
)
from flowcraft_azure._cosmos import MAX_PATCH_OPERATIONS, Container
from flowcraft_azure.status import MAX_REASON_BYTES
from flowcraft_core.durable.storage import NewerRecordError
from flowcraft_core.errors import BackendError, ConfigurationError, TransientError
from flowcraft_core.ports import Fact, PositionedValue, RunStatus

from .fakes import FakeClock

Answer = Any


class Proxy:
    """A ``ContainerProxy`` with answers by operation; an exception is raised, a function is called."""

    def __init__(self, **answers: list[Answer]) -> None:
        self.answers = answers
        self.calls: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = []
        self.paths = ["/runId"]

    async def read(self) -> Answer:
        return {"partitionKey": {"paths": self.paths}}

    async def query_items(self, **options: Any) -> AsyncIterator[Answer]:
        self.calls.append(("query_items", (), options))
        for answer in self.answers["query_items"].pop(0):
            yield answer

    def __getattr__(self, operation: str) -> Callable[..., Any]:
        async def call(*args: Any, **options: Any) -> Answer:
            self.calls.append((operation, args, options))
            answer = self.answers[operation].pop(0)
            if isinstance(answer, Exception):
                raise answer
            return await answer() if callable(answer) else answer

        return call


class Account:
    """A client whose every container is one proxy."""

    def __init__(self, proxy: Proxy) -> None:
        self.proxy = proxy

    async def __aenter__(self) -> Account:
        return self

    async def close(self) -> None:
        pass

    def get_database_client(self, name: str) -> Account:
        return self

    def get_container_client(self, name: str) -> Proxy:
        return self.proxy


async def container_of(proxy: Proxy) -> Container:
    container = CosmosDatabase(lambda: Account(proxy), "db").container("c")  # type: ignore[arg-type, return-value]
    await container.open()
    return container


# The SDK's errors have no annotations.
_errors: Any = exceptions


def missing(sub_status: int | None = None) -> CosmosHttpResponseError:
    error: CosmosHttpResponseError = _errors.CosmosResourceNotFoundError(404, message="no", sub_status=sub_status)
    return error


def exists() -> CosmosHttpResponseError:
    error: CosmosHttpResponseError = _errors.CosmosResourceExistsError(409, message="yes")
    return error


def changed() -> CosmosHttpResponseError:
    error: CosmosHttpResponseError = _errors.CosmosAccessConditionFailedError(412, message="etag")
    return error


def refused(status: int, sub_status: int | None = None) -> CosmosHttpResponseError:
    error: CosmosHttpResponseError = _errors.CosmosHttpResponseError(status, message="why", sub_status=sub_status)
    return error


# --- errors ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "error",
    [
        *(refused(status) for status in (408, 410, 429, 449, 500, 503)),
        ServiceResponseError("reset"),
        _errors.CosmosClientTimeoutError(),
        missing(1002),
        refused(403, 3),
        refused(403, 1008),
    ],
    ids=repr,
)
async def test_what_may_succeed_the_next_time_is_transient(error: Exception) -> None:
    container = await container_of(Proxy(read_item=[error]))
    with pytest.raises(TransientError, match="container db/c") as raised:
        await container.read("id", "run")
    assert raised.value.__cause__ is error


@pytest.mark.parametrize(
    ("error", "remedy"),
    [
        (refused(401), "key or token"),
        (refused(403), "Data Contributor"),
        (refused(403, 1014), "20 GB"),
        (refused(413), "2 MB"),
        (refused(400), "why"),
    ],
)
async def test_what_is_refused_says_what_to_do(error: CosmosHttpResponseError, remedy: str) -> None:
    container = await container_of(Proxy(create_item=[error]))
    with pytest.raises(BackendError, match=remedy) as raised:
        await container.create({"id": "id"})
    assert not isinstance(raised.value, TransientError)


async def test_a_throttled_call_says_for_how_long_the_service_wants_to_be_left_alone() -> None:
    error = refused(429)
    error.headers = {"x-ms-retry-after-ms": "120"}
    container = await container_of(Proxy(read_item=[error]))
    with pytest.raises(TransientError, match="after 120 ms"):
        await container.read("id", "run")


async def test_a_call_that_takes_too_long_is_given_up_whatever_time_outs_its_client_has(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(_cosmos_errors, "LONGEST_CALL", 0.01)
    container = await container_of(Proxy(read_item=[asyncio.Event().wait]))
    with pytest.raises(TransientError, match=r"container db/c: no answer within 0.01 s"):
        await container.read("id", "run")


async def test_a_container_that_has_been_deleted_is_no_missing_document() -> None:
    """Both have the status 404."""
    container = await container_of(Proxy(read_item=[missing(), missing(1003)]))
    assert await container.read("id", "run") is None
    with pytest.raises(BackendError, match="provision"):
        await container.read("id", "run")


async def test_a_container_with_another_partition_key_is_refused_by_name() -> None:
    proxy = Proxy()
    proxy.paths = ["/id"]
    with pytest.raises(ConfigurationError, match=r"container db/c is partitioned by /id.*/runId"):
        await container_of(proxy)


# --- facts and values ------------------------------------------------------------------------------------------------


def document(**fields: Any) -> dict[str, Any]:
    return {"id": "fact:key", "runId": "run", "v": 1, "writer": "other", "job": "", "body": "Ym9keQ==", **fields}


async def test_a_fact_that_stands_and_is_not_visible_yet_is_waited_for() -> None:
    proxy = Proxy(create_item=[exists()], read_item=[missing(), missing(), document()])
    store = CosmosContextStore(await container_of(proxy))
    assert await store.put("run", "key", Fact(b"mine", "me")) == Fact(b"body", "other")


async def test_a_fact_that_stands_and_does_not_become_visible_is_a_transient_error_and_never_missing() -> None:
    proxy = Proxy(create_item=[exists()], read_item=[missing() for _ in range(9)])
    store = CosmosContextStore(await container_of(proxy))
    with pytest.raises(TransientError, match="run 'run': fact 'key' stands"):
        await store.put("run", "key", Fact(b"mine", "me"))


async def test_one_key_is_a_point_read_and_up_to_a_hundred_are_one_query_of_their_partition() -> None:
    proxy = Proxy(read_item=[document(), missing()], query_items=[[document()], [document(id="fact:2")]])
    store = CosmosContextStore(await container_of(proxy))
    assert list(await store.get("run", ["key"])) == ["key"]
    assert list(await store.get("run", ["key", "2", "not visible yet"])) == ["key"]
    assert list(await store.get("run", [str(number) for number in range(101)])) == ["2"]
    assert [operation for operation, _, _ in proxy.calls] == ["read_item", "query_items", "query_items", "read_item"]
    asked = proxy.calls[1][2]
    assert asked["partition_key"] == "run"
    assert [each["value"] for each in asked["parameters"]] == ["run", "fact:key", "fact:2", "fact:not~20visible~20yet"]


async def test_a_value_is_replaced_only_as_it_was_read() -> None:
    standing = {"id": "value:name", "runId": "run", "v": 1, "position": "1", "body": None, "_etag": "e1"}
    proxy = Proxy(
        create_item=[exists()], read_item=[standing, {**standing, "_etag": "e2"}], replace_item=[changed(), {}]
    )
    await CosmosContextStore(await container_of(proxy)).apply("run", {"name": PositionedValue("2", b"new")})
    replaced = [options["etag"] for operation, _, options in proxy.calls if operation == "replace_item"]
    assert replaced == ["e1", "e2"]


async def test_positions_are_compared_by_code_point_and_a_greater_one_stands() -> None:
    standing = {"id": "value:name", "runId": "run", "v": 1, "position": "\U00010000", "body": None, "_etag": "e"}
    proxy = Proxy(create_item=[exists()], read_item=[standing])
    await CosmosContextStore(await container_of(proxy)).apply("run", {"name": PositionedValue("\uffee", b"")})
    assert [operation for operation, _, _ in proxy.calls] == ["create_item", "read_item"]


async def test_a_newer_document_is_refused_by_name_so_that_its_job_is_passed_on() -> None:
    store = CosmosContextStore(await container_of(Proxy(read_item=[document(v=2)])))
    with pytest.raises(NewerRecordError, match=r"'fact:key' of run 'run' has format 2"):
        await store.get("run", ["key"])


async def test_limits_are_enforced_before_anything_is_sent() -> None:
    proxy = Proxy()
    store = CosmosContextStore(await container_of(proxy))
    too_long = b"x" * (store.limits.max_value_bytes + 1)
    with pytest.raises(ValueError, match="max_value_bytes"):
        await store.put("run", "key", Fact(too_long, "me"))
    with pytest.raises(ValueError, match="max_value_bytes"):
        await store.apply("run", {"a": PositionedValue("1", b""), "b": PositionedValue("1", too_long)})
    assert proxy.calls == []
    # Base64, the longest id and position beside it, well within the 2 MB of a document.
    assert store.limits.max_value_bytes * 4 / 3 + 20_000 < 2 * 1024 * 1024


# --- statuses, and coordination --------------------------------------------------------------------------------------


async def test_changing_a_status_is_one_patch_within_its_limit() -> None:
    proxy = Proxy(patch_item=[{"id": "status"}, changed(), missing()])
    store = CosmosStatusStore(await container_of(proxy))
    assert await store.finish("run", "failed", at=1.0, reason="why") is True
    assert await store.finish("run", "failed", at=1.0) is False
    assert await store.touch("run", at=1.0, next_check=None, state="awaiting") is False
    for _, (_, _, operations), options in proxy.calls:
        assert len(operations) <= MAX_PATCH_OPERATIONS
        assert options["filter_predicate"] == 'FROM c WHERE c.status IN ("running", "awaiting")'


async def test_a_long_reason_is_cut_so_that_the_run_can_end() -> None:
    proxy = Proxy(patch_item=[{"id": "status"}], create_item=[{}])
    store = CosmosStatusStore(await container_of(proxy))
    reason = "é" * 2_000_000
    await store.finish("run", "failed", at=1.0, reason=reason)
    await store.create(RunStatus(run_id="dead", state="dead", blueprint_id="", created=0.0, updated=0.0, reason=reason))
    (_, (_, _, operations), _), (_, (created,), _) = proxy.calls
    (patched,) = [operation["value"] for operation in operations if operation["path"] == "/reason"]
    assert patched == created["reason"] == "é" * (MAX_REASON_BYTES // 2) + "…"


async def test_a_status_of_a_newer_version_is_refused_by_name() -> None:
    store = CosmosStatusStore(await container_of(Proxy(read_item=[{"id": "status", "runId": "run", "v": 9}])))
    with pytest.raises(NewerRecordError, match="status of run 'run' has format 9"):
        await store.get("run")


async def test_a_status_says_when_it_was_updated_as_other_tools_do() -> None:
    proxy = Proxy(create_item=[{}])
    store = CosmosStatusStore(await container_of(proxy))
    await store.create(RunStatus(run_id="run", state="running", blueprint_id="flow", created=0.0, updated=1.5))
    ((_, (written,), _),) = proxy.calls
    assert (written["lastUpdated"], written["status"]) == ("1970-01-01T00:00:01.500Z", "running")


async def test_many_members_go_in_one_write_and_few_in_one_patch() -> None:
    standing = {"id": "key", "runId": "p", "expires": 2_000.0, "members": {"m00": "old"}, "_etag": "e"}
    proxy = Proxy(patch_item=[{**standing, "members": {"a": "1"}}], read_item=[standing], replace_item=[{}])
    store = CosmosCoordinationStore(await container_of(proxy), clock=FakeClock())
    assert await store.add_members("join", *"12345678", ttl=60) == 1
    assert len(proxy.calls[0][1][2]) == MAX_PATCH_OPERATIONS
    assert await store.add_members("join", *"123456789", ttl=60) == 10
    assert [operation for operation, _, _ in proxy.calls] == ["patch_item", "read_item", "replace_item"]


async def test_what_is_contended_without_end_is_transient() -> None:
    clock = FakeClock()
    standing = {"id": "key", "runId": "p", "expires": 2_000.0, "value": "me", "_etag": "e"}
    proxy = Proxy(read_item=[standing] * 99, replace_item=[changed() for _ in range(99)])
    store = CosmosCoordinationStore(await container_of(proxy), clock=clock)
    with pytest.raises(TransientError, match="'lease' is changed by many"):
        await store.extend_ttl("lease", "me", ttl=60)
