"""What the errors of Redis mean to the engine, in one place."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

from flowcraft_core.errors import BackendError, FlowcraftError, TransientError
from redis import exceptions as redis_errors

#: Seconds after which a call that was not answered is given up, whatever time-outs and retries its client has: those of
#: redis-py 5 to 7 have none, those of redis-py 8 add up to a minute.
LONGEST_CALL = 5.0

_REFUSED = (redis_errors.AuthenticationError, redis_errors.AuthorizationError, redis_errors.NoPermissionError)
_TRANSIENT = (
    redis_errors.ConnectionError,
    redis_errors.TimeoutError,
    redis_errors.ReadOnlyError,  # a failover is under way
    redis_errors.ClusterDownError,
    redis_errors.MasterDownError,
    redis_errors.TryAgainError,
    redis_errors.OutOfMemoryError,  # a run must not fail because somebody has to make room first
    redis_errors.InvalidResponse,  # what came is none of Redis's answers; the client has closed its connection
    OSError,
)

# What an error begins with that has no class in every version of the client, and that passes.
_PASSING = ("BUSY", "CLUSTERDOWN", "LOADING", "MASTERDOWN", "MISCONF", "NOREPLICAS", "OOM", "READONLY", "TRYAGAIN")


@contextlib.asynccontextmanager
async def translated() -> AsyncIterator[None]:
    """Raise ``TransientError`` or ``BackendError`` in place of the client's errors, which become their causes.

    A call that takes longer than ``LONGEST_CALL`` is a transient error too.
    """
    try:
        async with asyncio.timeout(LONGEST_CALL):
            yield
    except _REFUSED as error:  # some of them are connection errors too
        raise BackendError(f"Redis: {error}: check the access key or the identity's access policy") from error
    except TimeoutError as error:  # redis-py has one of its own, which is another
        raise TransientError(f"Redis: no answer within {LONGEST_CALL:g} s") from error
    except _TRANSIENT as error:
        raise TransientError(f"Redis: {type(error).__name__}: {error}") from error
    except redis_errors.RedisError as error:
        kind = TransientError if str(error).startswith(_PASSING) else BackendError
        raise kind(f"Redis: {type(error).__name__}: {error}") from error
    except FlowcraftError:
        raise
    except Exception as error:  # the client stumbles over an answer: its next one may be another
        raise TransientError(f"Redis: an answer that cannot be understood: {type(error).__name__}: {error}") from error
