"""The doctor's calls to Azure: what is refused, or does not answer, becomes a finding."""

from __future__ import annotations

import asyncio
import binascii
import time
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar

from azure.core.exceptions import AzureError, HttpResponseError
from flowcraft_core.errors import BackendError, ConfigurationError, TransientError
from flowcraft_core.ports import Finding
from redis import exceptions as redis_errors

from . import symptoms
from ._credential_errors import unsigned

T = TypeVar("T")

#: Seconds after which a service counts as unreachable; an SDK would try for longer.
_PATIENCE = 15.0


class Refusal(Exception):  # noqa: N818 - it is an answer, and not an error of the doctor's
    """A call was not answered with what was asked for.

    Attributes:
        finding: What is to be said of it.
        status: The service's status; 0 if it gave none.
        is_denied: Whether it is not allowed.
    """

    def __init__(self, finding: Finding, status: int = 0, *, is_denied: bool = False) -> None:
        super().__init__(finding.problem)
        self.finding = finding
        self.status = status
        self.is_denied = is_denied


class Asking:
    """Makes the calls of one diagnosis, and notes what the services say of the time.

    Attributes:
        readings: See ``flowcraft_core.diagnosis.clock_skew``.
    """

    def __init__(self) -> None:
        self.readings: dict[str, tuple[float, float, float]] = {}

    async def ask(
        self, service: str, translated: AbstractAsyncContextManager[None], call: Callable[[], Awaitable[T]]
    ) -> T:
        """Make a call.

        Args:
            service: What is asked, for messages.
            translated: What turns the SDK's errors into ours.
            call: Makes it.

        Raises:
            Refusal: It was not answered.
        """
        try:
            async with asyncio.timeout(_PATIENCE), translated:
                return await call()
        except TimeoutError:
            raise Refusal(symptoms.UNREACHABLE.found(service=service, why=f"nothing within {_PATIENCE:g} s")) from None
        except (BackendError, ConfigurationError) as error:
            raise _refusal(error, service) from error

    def hook(self, service: str) -> dict[str, Any]:
        """What to give a call of an SDK of Azure, so that the service's time is noted."""
        asked = time.time()

        def hear(answer: Any) -> None:
            try:
                said = parsedate_to_datetime(answer.http_response.headers["Date"]).timestamp()
            except (KeyError, TypeError, ValueError):
                return
            self.note(service, said, asked)

        return {"raw_response_hook": hear}

    def note(self, service: str, said: float, asked: float) -> None:
        """Take note of a service's time; that of the quickest answer is told best."""
        now, known = time.time(), self.readings.get(service)
        if known is None or now - asked < known[2] - known[1]:
            self.readings[service] = (said, asked, now)


def _refusal(error: BackendError | ConfigurationError, service: str) -> Refusal:
    cause, why = error.__cause__, str(error).strip().partition("\n")[0].removeprefix(f"{service}: ")
    if isinstance(error, ConfigurationError):
        return Refusal(symptoms.SETTINGS.found(service=service, why=why))
    status = getattr(cause, "status_code", None) or 0
    code = str(getattr(getattr(cause, "error_code", None), "value", None) or getattr(cause, "error_code", "") or "")
    if isinstance(cause, (redis_errors.NoPermissionError, redis_errors.AuthorizationError)):
        return Refusal(symptoms.PERMISSION.found(actions=f"on {service}"), is_denied=True)
    if (
        isinstance(cause, (binascii.Error, redis_errors.AuthenticationError))
        or (isinstance(cause, AzureError) and unsigned(cause) is not None)
        or status == 401
        or (status == 403 and code == "AuthenticationFailed")
    ):
        return Refusal(symptoms.CREDENTIALS.found(service=service, why=why), status)
    if isinstance(cause, HttpResponseError) and status == 403 and not isinstance(error, TransientError):
        return Refusal(symptoms.PERMISSION.found(actions=f"on {service}"), status, is_denied=True)
    if isinstance(error, TransientError):
        return Refusal(symptoms.UNREACHABLE.found(service=service, why=why), status)
    return Refusal(symptoms.UNUSABLE.found(service=service, why=why), status)
