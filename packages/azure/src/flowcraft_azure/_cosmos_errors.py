"""What the errors of Cosmos DB mean to the engine, in one place."""

from __future__ import annotations

import asyncio
import binascii
import contextlib
from collections.abc import AsyncIterator

from azure.core.exceptions import AzureError, HttpResponseError, ServiceRequestError, ServiceResponseError
from azure.cosmos.exceptions import CosmosClientTimeoutError, CosmosHttpResponseError
from flowcraft_core.errors import BackendError, FlowcraftError, TransientError

from ._answers import UnreadableAnswerError
from ._credential_errors import unsigned

#: Seconds after which a call that was not answered is given up, whatever time-outs its client has. The SDK waits for up
#: to 30 of them when it is throttled.
LONGEST_CALL = 60.0

#: Status codes after which the same call may succeed, and what helps it.
_TRANSIENT = {
    408: "it took too long",
    410: "a partition is moving",
    429: "the container's request units are used up; if it goes on, raise its throughput",
    449: "two writes met; try again",
    500: "the service failed",
    502: "the service cannot be reached",
    503: "the service is not available",
    504: "the service did not answer in time",
}

_REFUSED = {
    401: "the key or token is not valid for this account, or the clocks differ",
    403: "give the identity a data role on the account (Cosmos DB Built-in Data Contributor), or open its firewall",
    404: "create the database and its containers: flowcraft_azure.provision() does",
    413: "a document can have 2 MB",
}

# Sub-statuses of 404 that say nothing of the document that was asked for.
_SESSION_NOT_AVAILABLE = 1002
_NO_CONTAINER = 1003

# Those of 403.
_PARTITION_FULL = 1014
_REGION_MOVES = (3, 1008)


@contextlib.asynccontextmanager
async def translated(what: str, *expected: type[CosmosHttpResponseError]) -> AsyncIterator[None]:
    """Raise ``TransientError`` or ``BackendError`` in place of the SDK's errors, which become their causes.

    A call that takes longer than ``LONGEST_CALL`` is a transient error too.

    Args:
        what: Which database or container, for the message.
        expected: Errors that are answers to the caller, and raised as they are.
    """
    try:
        async with asyncio.timeout(LONGEST_CALL):
            yield
    except CosmosHttpResponseError as error:
        if isinstance(error, expected) and _missing(error) not in (_SESSION_NOT_AVAILABLE, _NO_CONTAINER):
            raise
        raise _of_response(error, what) from error
    except TimeoutError as error:
        raise TransientError(f"Cosmos DB, {what}: no answer within {LONGEST_CALL:g} s") from error
    except (ServiceRequestError, ServiceResponseError, CosmosClientTimeoutError) as error:
        raise TransientError(f"Cosmos DB, {what}: no answer: {error}") from error
    except (HttpResponseError, UnreadableAnswerError) as error:  # with a status, it would be Cosmos DB's own
        if isinstance(error, AzureError) and (why := unsigned(error)):
            raise BackendError(f"Cosmos DB, {what}: {why}") from error
        raise TransientError(f"Cosmos DB, {what}: no whole answer: {error}") from error
    except AzureError as error:
        raise BackendError(f"Cosmos DB, {what}: {type(error).__name__}: {error}") from error
    except binascii.Error as error:
        raise BackendError(f"Cosmos DB, {what}: the account's key is not base64: {error}; copy all of it") from error
    except FlowcraftError:
        raise
    except Exception as error:  # the SDK stumbles over an answer: its next one may be another
        why = f"an answer that cannot be understood: {type(error).__name__}: {error}"
        raise TransientError(f"Cosmos DB, {what}: {why}") from error


def _missing(error: CosmosHttpResponseError) -> int | None:
    """The sub-status of what says that something was not found."""
    return error.sub_status if error.status_code == 404 else None


def _of_response(error: CosmosHttpResponseError, what: str) -> BackendError | TransientError:
    status, where = error.status_code, f"Cosmos DB, {what}: status {error.status_code}"
    if _missing(error) == _SESSION_NOT_AVAILABLE:
        return TransientError(f"{where}: no replica has caught up with this client's writes yet")
    if status == 403 and error.sub_status == _PARTITION_FULL:
        return BackendError(f"{where}: the run has reached the 20 GB of one partition key; store less in it")
    if status == 403 and error.sub_status in _REGION_MOVES:
        return TransientError(f"{where}: the account is being moved to another region")
    if status in _TRANSIENT:
        wait = error.headers.get("x-ms-retry-after-ms") if error.headers else None
        return TransientError(f"{where}: {_TRANSIENT[status]}" + (f" (after {wait} ms)" if wait else ""))
    message = str(error.http_error_message or "").strip().partition("\n")[0]
    return BackendError(f"{where}: {message}" + (f": {_REFUSED[status]}" if status in _REFUSED else ""))
