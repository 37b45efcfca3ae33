import asyncio
from typing import Any

import pytest
from flowcraft_azure import Metrics, RedisCoordinationStore, _redis_errors
from flowcraft_core.errors import BackendError, TransientError
from redis import exceptions as redis_errors
from redis.asyncio import Redis
from redis.exceptions import NoScriptError

from .fakes import server_of_redis


class FakeRedis:
    def __init__(self, *answers: Any) -> None:
        self.answers, self.calls = list(answers), list[tuple[Any, ...]]()

    async def ping(self) -> bool:
        return True

    async def aclose(self) -> None:
        pass

    def set_retry(self, retry: Any) -> None:
        self.retries = retry._retries

    def __getattr__(self, command: str) -> Any:
        async def call(*args: Any, **options: Any) -> Any:
            self.calls.append((command, *args, options) if options else (command, *args))
            answer = self.answers.pop(0)
            if isinstance(answer, Exception):
                raise answer
            return answer

        return call


async def store_of(redis: FakeRedis, **options: Any) -> RedisCoordinationStore:
    store = RedisCoordinationStore(lambda: redis, **options)  # type: ignore[arg-type, return-value]
    await store.open()
    return store


async def test_each_operation_is_one_request_on_one_key_with_the_prefix() -> None:
    """So it works on a cluster, where a script may touch the keys of one slot only."""
    redis = FakeRedis(1, True, 2, {b"a", b"b"}, 1, None, 1, b"5")
    store = await store_of(redis, prefix="mine:")
    assert await store.increment("k", ttl=1.5) == 1
    assert await store.set_if_absent("k", "v", ttl=0.0001) is True
    assert await store.add_members("k", "a", "b", ttl=60) == 2
    assert await store.members("k") == {"a", "b"}
    assert await store.extend_ttl("k", "v", ttl=60) is True
    await store.delete("k", value="v")
    await store.delete("k")
    assert await store.get("k") == "5"
    assert len(redis.calls) == 8
    assert redis.retries == 0, "what is made again by itself would count twice"
    for call in redis.calls:
        key = call[3] if call[0] == "evalsha" else call[1]
        assert key == "mine:k"
        assert call[0] != "evalsha" or call[2] == 1
    assert redis.calls[0][4] == 1_500  # every key that is made has a time to live
    assert redis.calls[1][-1] == {"nx": True, "px": 1}
    assert redis.calls[2][4] == 60_000


async def test_a_script_that_redis_has_forgotten_is_sent_again() -> None:
    redis = FakeRedis(NoScriptError("gone"), 3)
    store = await store_of(redis)
    assert await store.increment("k", ttl=1) == 3
    assert [call[0] for call in redis.calls] == ["evalsha", "eval"]


@pytest.mark.parametrize(
    "error",
    [
        redis_errors.ConnectionError("reset"),
        redis_errors.TimeoutError("late"),
        redis_errors.ReadOnlyError("failover"),
        redis_errors.BusyLoadingError("loading"),
        redis_errors.ClusterDownError("down"),
        redis_errors.OutOfMemoryError("full"),
        OSError("unreachable"),
    ],
    ids=repr,
)
async def test_what_may_succeed_the_next_time_is_transient(error: Exception) -> None:
    store = await store_of(FakeRedis(error))
    with pytest.raises(TransientError) as raised:
        await store.get("k")
    assert raised.value.__cause__ is error


@pytest.mark.parametrize("error", [redis_errors.AuthenticationError("no"), redis_errors.NoPermissionError("no")])
async def test_refused_credentials_are_no_transient_error(error: Exception) -> None:
    store = await store_of(FakeRedis(error))
    with pytest.raises(BackendError, match="access key") as raised:
        await store.get("k")
    assert not isinstance(raised.value, TransientError)


async def test_redis_that_does_not_answer_is_given_up_whatever_time_outs_its_client_has(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Or a worker would hang with it."""
    monkeypatch.setattr(_redis_errors, "LONGEST_CALL", 0.1)

    def make(url: str) -> Redis:
        client: Redis = Redis.from_url(url, socket_timeout=None, socket_connect_timeout=None)
        return client

    async with server_of_redis(silent=True) as url, asyncio.timeout(5):
        with pytest.raises(TransientError, match=r"no answer within 0.1 s"):
            await RedisCoordinationStore(lambda: make(url)).open()
    with pytest.raises(TransientError, match="ConnectionError"):
        await RedisCoordinationStore(lambda: make(url)).open()  # it refuses connections by now


async def test_commands_are_counted() -> None:
    metrics = Metrics()
    store = await store_of(FakeRedis(NoScriptError("gone"), 3, b"5"), metrics=metrics)
    await store.increment("k", ttl=1)
    await store.get("k")
    assert metrics.requests == {"redis.evalsha": 1, "redis.eval": 1, "redis.get": 1}
