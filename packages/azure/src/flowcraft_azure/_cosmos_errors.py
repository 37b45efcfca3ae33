"""What the errors of Cosmos DB mean to the engine, in one place."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from azure.core.exceptions import AzureError, ServiceRequestError, ServiceResponseError
from azure.cosmos.exceptions import CosmosClientTimeoutError, CosmosHttpResponseError
from flowcraft_core.errors import BackendError, TransientError

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

_SESSION_NOT_AVAILABLE = 1002
_PARTITION_FULL = 1014


@contextlib.contextmanager
def translated(what: str, *expected: type[CosmosHttpResponseError]) -> Iterator[None]:
    """Raise ``TransientError`` or ``BackendError`` in place of the SDK's errors, which become their causes.

    Args:
        what: Which database or container, for the message.
        expected: Errors that are answers to the caller, and raised as they are.
    """
    try:
        yield
    except CosmosHttpResponseError as error:
        if isinstance(error, expected) and not _is_behind(error):
            raise
        raise _of_response(error, what) from error
    except (ServiceRequestError, ServiceResponseError, CosmosClientTimeoutError, TimeoutError) as error:
        raise TransientError(f"Cosmos DB, {what}: no answer: {error}") from error
    except AzureError as error:
        raise BackendError(f"Cosmos DB, {what}: {type(error).__name__}: {error}") from error


def _is_behind(error: CosmosHttpResponseError) -> bool:
    """Whether no replica could answer since all are behind this client's session; it has the status of "not found"."""
    return error.status_code == 404 and error.sub_status == _SESSION_NOT_AVAILABLE


def _of_response(error: CosmosHttpResponseError, what: str) -> BackendError | TransientError:
    status, where = error.status_code, f"Cosmos DB, {what}: status {error.status_code}"
    if _is_behind(error):
        return TransientError(f"{where}: no replica has caught up with this client's writes yet")
    if status == 403 and error.sub_status == _PARTITION_FULL:
        return BackendError(f"{where}: the run has reached the 20 GB of one partition key; store less in it")
    if status in _TRANSIENT:
        wait = error.headers.get("x-ms-retry-after-ms") if error.headers else None
        return TransientError(f"{where}: {_TRANSIENT[status]}" + (f" (after {wait} ms)" if wait else ""))
    message = str(error.http_error_message or "").strip().partition("\n")[0]
    return BackendError(f"{where}: {message}" + (f": {_REFUSED[status]}" if status in _REFUSED else ""))
