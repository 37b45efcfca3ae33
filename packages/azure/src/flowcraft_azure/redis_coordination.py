"""Counters, leases and sets in Redis, each operation one command or one script on one key."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable
from typing import Any, TypeAlias, TypeVar

import attrs
from flowcraft_core.errors import BackendError
from flowcraft_core.texts import require_text
from redis.asyncio import Redis
from redis.asyncio.cluster import RedisCluster
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import NoScriptError

from ._clients import ClientKind, Connection, require_unopened
from ._redis_errors import translated
from .metrics import Metrics

T = TypeVar("T")

RedisClient: TypeAlias = "Redis | RedisCluster"


@attrs.frozen
class _Script:
    text: str

    @property
    def sha(self) -> str:
        return hashlib.sha1(self.text.encode(), usedforsecurity=False).hexdigest()


# Times to live are milliseconds. Redis runs a script as one step.
_INCREMENT = _Script(
    """local sum = redis.call('INCR', KEYS[1])
if sum == 1 then redis.call('PEXPIRE', KEYS[1], ARGV[1]) end
return sum"""
)
_ADD = _Script(
    """redis.call('SADD', KEYS[1], unpack(ARGV, 2))
redis.call('PEXPIRE', KEYS[1], ARGV[1])
return redis.call('SCARD', KEYS[1])"""
)
_RENEW = _Script(
    """if redis.call('GET', KEYS[1]) ~= ARGV[2] then return 0 end
return redis.call('PEXPIRE', KEYS[1], ARGV[1])"""
)
_GIVE_BACK = _Script("""if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end""")


class RedisCoordinationStore:
    """A ``flowcraft_core.ports.CoordinationStore`` in Redis, alone or as a cluster.

    All that is in it may be evicted, lost in a failover, or flushed at any moment: runs are delayed by that, and never
    wrong.
    """

    def __init__(
        self,
        client: RedisClient | Callable[[], RedisClient] | Connection[RedisClient],
        *,
        prefix: str = "flowcraft:",
        metrics: Metrics | None = None,
    ) -> None:
        """Open nothing yet.

        Args:
            client: A ``redis.asyncio`` client, or a function that makes one. Unless it is open already, it is told not
                to make commands again by itself.
            prefix: Before each key; give each deployment that shares a Redis its own.
            metrics: What counts the commands; new ones by default. An adapter counts by its own.
        """
        self.prefix = prefix
        self._given = client
        self._metrics = metrics or Metrics()
        self._connection = _connection(client)

    def connection(self) -> Connection[RedisClient]:
        """A connection for any event loop if this one was given a function, else its own."""
        return _connection(self._given) if callable(self._given) else self._connection

    def again(self, metrics: Metrics) -> RedisCoordinationStore:
        """The same with other metrics: for any event loop if this one was given a function, else for its."""
        given = self._given if callable(self._given) else self._connection
        return RedisCoordinationStore(given, prefix=self.prefix, metrics=metrics)

    def require_unopened(self) -> None:
        """Raise ``ConfigurationError`` if the client has connections that another event loop could not use."""
        require_unopened(coordination_store=self._given)

    async def open(self) -> None:
        """Connect.

        Raises:
            BackendError: The credentials are refused.
            TransientError: Redis does not answer.
        """
        async with translated():
            await self._connection.open()

    async def close(self) -> None:
        """Let go of the client."""
        await self._connection.close()

    async def increment(self, key: str, *, ttl: float) -> int:
        """Add one to a counter that begins at 0, and return the sum; the time to live is that of the first call."""
        return await self._run(int, _INCREMENT, key, _milliseconds(ttl))

    async def set_if_absent(self, key: str, value: str, *, ttl: float) -> bool:
        """Set a value if the key has none; True if it is set now."""
        return await self._command(_is_done, "set", key, value, nx=True, px=_milliseconds(ttl))

    async def add_members(self, key: str, *members: str, ttl: float) -> int:
        """Add to a set, renew its time, and return how many members it has."""
        return await self._run(int, _ADD, key, _milliseconds(ttl), *members)

    async def members(self, key: str) -> frozenset[str]:
        """The members of a set."""
        return await self._command(_texts, "smembers", key)

    async def extend_ttl(self, key: str, value: str, *, ttl: float) -> bool:
        """Renew a key that has this value; False if it has another, or none."""
        return bool(await self._run(int, _RENEW, key, _milliseconds(ttl), value))

    async def delete(self, key: str, *, value: str | None = None) -> None:
        """Remove a key; given a value, only if that is what it has."""
        if value is not None:
            await self._run(_anything, _GIVE_BACK, key, value)
        else:
            await self._command(int, "delete", key)

    async def get(self, key: str) -> str | None:
        """The value of a key, or a counter's sum as text; None if there is none."""
        return await self._command(_text_or_none, "get", key)

    def _named(self, key: str) -> str:
        """The name of a key: all of them begin with the prefix, and none is cut or changed."""
        return self.prefix + key

    async def _run(self, read: Callable[[Any], T], script: _Script, key: str, *arguments: str | int) -> T:
        """One request, or two where Redis does not have the script yet; what it answers, read."""
        require_text([key, *arguments])
        async with translated():
            try:
                return read(await self._send("evalsha", script.sha, 1, self._named(key), *arguments))
            except NoScriptError:
                return read(await self._send("eval", script.text, 1, self._named(key), *arguments))

    async def _command(self, read: Callable[[Any], T], name: str, key: str, *arguments: str, **options: Any) -> T:
        require_text([key, *arguments])
        async with translated():
            return read(await self._send(name, self._named(key), *arguments, **options))

    async def _send(self, name: str, *arguments: str | int, **options: Any) -> Any:
        self._metrics.note(f"redis.{name}")
        return await getattr(self._connection.client, name)(*arguments, **options)


def _connection(
    given: RedisClient | Callable[[], RedisClient] | Connection[RedisClient],
) -> Connection[RedisClient]:
    if isinstance(given, Connection):
        return given
    return Connection(
        "the Redis client",
        given,
        open_client=_ping,
        close_client=lambda redis: redis.aclose(),
        kind=ClientKind("redis.asyncio", ("aclose", "evalsha")),
    )


async def _ping(client: RedisClient) -> None:
    # The engine makes calls again, and knows which may have been applied; what the client makes again by itself, as
    # later versions do, would count twice, and take its own lease for somebody else's.
    if hasattr(client, "set_retry"):
        client.set_retry(Retry(NoBackoff(), 0))
    answer: Any = client.ping()
    if not await answer:
        raise BackendError("Redis did not answer a ping")


def _milliseconds(seconds: float) -> int:
    return max(1, math.ceil(seconds * 1000))


# What an answer says. Of another kind it is none of Redis's, and no value: ``translated`` tells.


def _text(found: Any) -> str:
    text = found.decode() if isinstance(found, bytes) else found
    if not isinstance(text, str):
        raise TypeError(f"{found!r:.80} is no text")
    return text


def _text_or_none(found: Any) -> str | None:
    return None if found is None else _text(found)


def _texts(found: Any) -> frozenset[str]:
    if not isinstance(found, (set, frozenset, list, tuple)):
        raise TypeError(f"{found!r:.80} is no set")
    return frozenset(_text(member) for member in found)


def _is_done(found: Any) -> bool:
    if found not in (True, None, "OK", b"OK"):
        raise TypeError(f"{found!r:.80} does not say whether it was set")
    return found is not None


def _anything(found: Any) -> Any:
    return found
