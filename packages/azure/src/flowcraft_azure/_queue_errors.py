"""What the errors of Queue Storage mean to the engine, in one place."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from azure.core.exceptions import AzureError, HttpResponseError, ServiceRequestError, ServiceResponseError
from flowcraft_core.errors import BackendError, TransientError

#: Status codes after which the same call may succeed, and what helps it.
_TRANSIENT = {
    408: "it took too long",
    429: "too many requests at once",
    500: "the service failed",
    502: "the service cannot be reached",
    503: "the queue takes about 2,000 messages a second; if it goes on, spread the runs over more queues",
    504: "the service did not answer in time",
}

_REFUSED = {
    401: "the key or token is not valid for this account",
    403: "give the identity the role Storage Queue Data Contributor on the queue, or open the account's firewall",
    404: "create the queue: flowcraft_azure.provision() does",
}

#: What is said of a delivery that somebody else holds by now, or that is gone.
_LOST = {"MessageNotFound", "PopReceiptMismatch"}


@contextlib.contextmanager
def translated(queue_name: str) -> Iterator[None]:
    """Raise ``TransientError`` or ``BackendError`` in place of the SDK's errors, which become their causes.

    Args:
        queue_name: Which queue, for the message.
    """
    try:
        yield
    except HttpResponseError as error:
        status, where = error.status_code or 0, f"queue {queue_name!r}: status {error.status_code}"
        if status in _TRANSIENT:
            raise TransientError(f"{where}: {_TRANSIENT[status]}") from error
        remedy = f": {_REFUSED[status]}" if status in _REFUSED else ""
        raise BackendError(f"{where}: {_code(error) or error.reason}{remedy}") from error
    except (ServiceRequestError, ServiceResponseError, TimeoutError) as error:
        raise TransientError(f"queue {queue_name!r}: no answer: {error}") from error
    except AzureError as error:
        raise BackendError(f"queue {queue_name!r}: {type(error).__name__}: {error}") from error


def is_lost(error: HttpResponseError) -> bool:
    """Whether the error says that a delivery is not held any more."""
    return _code(error) in _LOST


def _code(error: HttpResponseError) -> str:
    code = getattr(error, "error_code", None)
    return str(getattr(code, "value", code) or "")
