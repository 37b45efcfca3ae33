"""What the errors of Redis mean to the engine, in one place."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from flowcraft_core.errors import BackendError, TransientError
from redis import exceptions as redis_errors

_REFUSED = (redis_errors.AuthenticationError, redis_errors.AuthorizationError, redis_errors.NoPermissionError)
_TRANSIENT = (
    redis_errors.ConnectionError,
    redis_errors.TimeoutError,
    redis_errors.ReadOnlyError,  # a failover is under way
    redis_errors.ClusterDownError,
    redis_errors.MasterDownError,
    redis_errors.TryAgainError,
    redis_errors.OutOfMemoryError,  # a run must not fail because somebody has to make room first
    OSError,
    TimeoutError,
)


@contextlib.contextmanager
def translated() -> Iterator[None]:
    """Raise ``TransientError`` or ``BackendError`` in place of the client's errors, which become their causes."""
    try:
        yield
    except _REFUSED as error:  # some of them are connection errors too
        raise BackendError(f"Redis: {error}: check the access key or the identity's access policy") from error
    except _TRANSIENT as error:
        raise TransientError(f"Redis: {type(error).__name__}: {error}") from error
    except redis_errors.RedisError as error:
        raise BackendError(f"Redis: {type(error).__name__}: {error}") from error
