"""What botocore's errors mean to the engine, in one place."""

from __future__ import annotations

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionError,  # noqa: A004 - botocore's name for it
    HTTPClientError,
    IncompleteReadError,
    ResponseStreamingError,
)
from flowcraft_core.errors import BackendError, TransientError

#: The request did not come through, or its answer did not come back.
_LOST = (ConnectionError, HTTPClientError, IncompleteReadError, ResponseStreamingError)

#: The service answered, and may answer otherwise in a moment.
_TRANSIENT = frozenset(
    {
        "InternalError",
        "InternalFailure",
        "InternalServerError",
        "KmsThrottled",
        "LimitExceededException",
        "OverLimit",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "RequestThrottled",
        "RequestTimeout",
        "RequestTimeoutException",
        "ServiceUnavailable",
        "SlowDown",
        "ThrottledException",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
        "TransactionConflictException",
    }
)

#: What helps, by the parts of error codes; SQS gives them with and without a prefix.
_REMEDIES = {
    "NonExistentQueue": "create the queue, see flowcraft_aws.provision, or mend queue_url",
    "QueueDoesNotExist": "create the queue, see flowcraft_aws.provision, or mend queue_url",
    "ResourceNotFound": "create the table, see flowcraft_aws.provision, or mend its name",
    "NoSuchBucket": "create the bucket, or mend its name",
    "AccessDenied": "the credentials need the policy in deploy/aws/policy.json",
    "UnrecognizedClient": "the credentials are not valid here",
    "InvalidClientTokenId": "the credentials are not valid here",
    "ExpiredToken": "the credentials have expired; let botocore renew them, or start again with new ones",
    "NoCredentials": "set credentials for boto3",
    "NoRegion": "set AWS_REGION, or give the clients a region",
    "ValidationException": "the table needs the key that the README gives",
}


def translate(error: BotoCoreError | ClientError, place: str) -> BackendError:
    """Give the error to raise in place of the SDK's, from that one.

    Args:
        error: What the SDK raised.
        place: The table or queue, for the message.
    """
    code = code_of(error)
    if isinstance(error, ClientError):
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        transient = code in _TRANSIENT or status >= 500 or status == 429
    else:
        transient = isinstance(error, _LOST)
    if transient:
        return TransientError(f"{place}: {error}")
    remedy = next((remedy for part, remedy in _REMEDIES.items() if part in code), "")
    return BackendError(f"{place}: {error}" + (f": {remedy}" if remedy else ""))


def code_of(error: BotoCoreError | ClientError) -> str:
    """The service's code for an error, or the class of an error of the SDK itself."""
    if isinstance(error, ClientError):
        return str(error.response.get("Error", {}).get("Code", ""))
    return type(error).__name__
