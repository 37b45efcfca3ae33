"""The doctor's calls to AWS: what is refused, or does not answer, becomes a finding."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from email.utils import parsedate_to_datetime
from typing import Any

from botocore.exceptions import ClientError
from flowcraft_core.diagnosis import clock_skew
from flowcraft_core.errors import BackendError, TransientError
from flowcraft_core.ports import Finding

from . import symptoms
from ._calls import Calls
from ._errors import code_of

_NOT_TAKEN = re.compile(
    "UnrecognizedClient|InvalidClientTokenId|InvalidAccessKeyId|SignatureDoesNotMatch|InvalidSignature"
    "|IncompleteSignature|ExpiredToken|MissingAuthenticationToken|NoCredentials|PartialCredentials|CredentialRetrieval"
    "|ProfileNotFound|TokenRetrieval|SSO|RequestExpired|RequestTimeTooSkewed|NotSignedUp|AuthFailure|NoAuthToken"
)
_DENIED = re.compile("AccessDenied|UnauthorizedOperation|NotAuthorized|AuthorizationError")
_OF_CLOCKS = re.compile("Signature expired|Signature not yet current|RequestExpired|RequestTimeTooSkewed")

_NAMES = {"sqs": "SQS", "dynamodb": "DynamoDB", "s3": "S3"}


class Refusal(Exception):  # noqa: N818 - it is an answer, and not an error of the doctor's
    """A call was not answered with what was asked for.

    Attributes:
        finding: What is to be said of it.
        is_denied: Whether it is not allowed.
        code: The service's own code for it.
    """

    def __init__(self, finding: Finding, code: str, *, is_denied: bool = False) -> None:
        super().__init__(finding.problem)
        self.finding = finding
        self.is_denied = is_denied
        self.code = code


class Asking:
    """Makes the calls of one diagnosis, wherever it is made, and notes what the services say of the time.

    Attributes:
        readings: See ``flowcraft_core.diagnosis.clock_skew``.
    """

    def __init__(self, calls: Calls) -> None:
        """Ask nothing yet.

        Args:
            calls: Makes the calls; its home is nowhere in particular.
        """
        self._calls = calls
        self.readings: dict[str, tuple[float, float, float]] = {}

    async def ask(self, client: Any, method: str, place: str, **parameters: Any) -> Any:
        """Make a call.

        Args:
            client: A boto3 client.
            method: One of its methods.
            place: What is asked, for messages.
            parameters: Of the method.

        Returns:
            The service's answer.

        Raises:
            Refusal: It was not answered.
        """
        service, asked = client.meta.service_model.service_name, time.time()
        call: Callable[[], Any] = getattr(client, method)
        try:
            answer = await self._calls.make(lambda: call(**parameters), place)
        except BackendError as error:
            cause = error.__cause__
            if isinstance(cause, ClientError):
                self._note(service, cause.response, asked)
            raise self._refusal(error, client, service, place) from error
        self._note(service, answer, asked)
        return answer

    def _note(self, service: str, answer: Any, asked: float) -> None:
        """Take note of the time that a service gives; of the quickest answer, since its time is told best."""
        now = time.time()
        known = self.readings.get(_NAMES[service])
        headers = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {})
        if "date" not in headers or (known is not None and known[2] - known[1] <= now - asked):
            return
        try:
            said = parsedate_to_datetime(headers["date"]).timestamp()
        except ValueError:
            return
        self.readings[_NAMES[service]] = (said, asked, now)

    def _refusal(self, error: BackendError, client: Any, service: str, place: str) -> Refusal:
        cause = error.__cause__ or error
        code, why = code_of(cause) if isinstance(cause, Exception) else "", str(cause).rstrip(".")
        if _OF_CLOCKS.search(f"{code} {why}") and (skew := clock_skew(self.readings)):
            return Refusal(skew[0], code)
        if _NOT_TAKEN.search(code):
            return Refusal(symptoms.CREDENTIALS.found(service=_NAMES[service], why=why), code)
        if _DENIED.search(code):
            actions = f"what {place} was asked for: {why}"
            return Refusal(symptoms.PERMISSION.found(actions=actions), code, is_denied=True)
        if isinstance(error, TransientError):
            endpoint = client.meta.endpoint_url
            return Refusal(symptoms.UNREACHABLE.found(service=_NAMES[service], endpoint=endpoint, why=why), code)
        return Refusal(symptoms.UNUSABLE.found(place=place, why=error), code)
