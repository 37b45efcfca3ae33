"""What the errors of Queue Storage mean to the engine, in one place."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

from azure.core.exceptions import AzureError, HttpResponseError, ServiceRequestError, ServiceResponseError
from flowcraft_core.errors import BackendError, FlowcraftError, TransientError

from ._answers import UnreadableAnswerError
from ._credential_errors import unsigned

#: Seconds after which a call that was not answered is given up, whatever time-outs its client has.
LONGEST_CALL = 20.0

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
    413: "a message can have 64 KB",
}

_BAD_NAME = "a queue's name has 3 to 63 lower-case letters, digits and single hyphens"

#: What is refused whose status code says too little.
_REFUSED_CODES = {
    "AuthenticationFailed": (
        "the key, token or signature is not valid for this account: copy the connection string whole (Storage account >"
        " Access keys), or the clocks differ"
    ),
    "InvalidResourceName": _BAD_NAME,
    "OutOfRangeInput": _BAD_NAME,
}

#: What is said of a delivery that somebody else holds by now, or that is gone.
_LOST = {"MessageNotFound", "PopReceiptMismatch"}

_BEING_DELETED = "QueueBeingDeleted"


@contextlib.asynccontextmanager
async def translated(queue_name: str) -> AsyncIterator[None]:
    """Raise ``TransientError`` or ``BackendError`` in place of the SDK's errors, which become their causes.

    A call that takes longer than ``LONGEST_CALL`` is a transient error too.

    Args:
        queue_name: Which queue, for the message.
    """
    try:
        async with asyncio.timeout(LONGEST_CALL):
            yield
    except HttpResponseError as error:
        if why := unsigned(error):
            raise BackendError(f"queue {queue_name!r}: {why}") from error
        status, where = error.status_code or 0, f"queue {queue_name!r}: status {error.status_code}"
        if status < 400:  # it broke off on its way, or cannot be read, or is none that the service gives
            raise TransientError(f"queue {queue_name!r}: no whole answer: {error}") from error
        if status in _TRANSIENT:
            raise TransientError(f"{where}: {_TRANSIENT[status]}") from error
        code = _code(error)
        if code == _BEING_DELETED:
            raise TransientError(f"{where}: it is being deleted, which takes half a minute") from error
        remedy = _REFUSED_CODES.get(code) or _REFUSED.get(status)
        raise BackendError(f"{where}: {code or error.reason}" + (f": {remedy}" if remedy else "")) from error
    except TimeoutError as error:
        raise TransientError(f"queue {queue_name!r}: no answer within {LONGEST_CALL:g} s") from error
    except (ServiceRequestError, ServiceResponseError) as error:
        raise TransientError(f"queue {queue_name!r}: no answer: {error}") from error
    except UnreadableAnswerError as error:
        raise TransientError(f"queue {queue_name!r}: no whole answer: {error}") from error
    except AzureError as error:
        raise BackendError(f"queue {queue_name!r}: {type(error).__name__}: {error}") from error
    except FlowcraftError:
        raise
    except Exception as error:  # the SDK stumbles over an answer: its next one may be another
        why = f"an answer that cannot be understood: {type(error).__name__}: {error}"
        raise TransientError(f"queue {queue_name!r}: {why}") from error


def is_lost(error: HttpResponseError) -> bool:
    """Whether the error says that a delivery is not held any more."""
    return _code(error) in _LOST


def says_exists(error: HttpResponseError) -> bool:
    """Whether the error says that the queue is there already, and not that it is still going.

    The service says so with status 409 where the queue is another one, and 204 where it is the same.
    """
    return _code(error) != _BEING_DELETED


def _code(error: HttpResponseError) -> str:
    code = getattr(error, "error_code", None)
    return str(getattr(code, "value", code) or "")
