"""What botocore's errors mean to the engine, in one place."""

from __future__ import annotations

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionError,  # noqa: A004 - botocore's name for it
    CredentialRetrievalError,
    FlexibleChecksumError,
    HTTPClientError,
    IncompleteReadError,
    ResponseStreamingError,
)
from botocore.parsers import ResponseParserError
from flowcraft_core.errors import BackendError, FlowcraftError, TransientError

from ._answers import UnreadableAnswerError

#: The request did not come through, or its answer did not come back whole; or what renews the credentials did not
#: answer.
_LOST = (
    ConnectionError,
    CredentialRetrievalError,
    FlexibleChecksumError,
    HTTPClientError,
    IncompleteReadError,
    ResponseParserError,
    ResponseStreamingError,
)

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

_NO_QUEUE = "create the queue, see flowcraft_aws.provision, or mend queue_url or the client's region"
_NOT_VALID = "the credentials are not valid here"
_WRONG_KEY = "the secret access key is not that of the access key id, or was not copied whole; or the clocks differ"

#: What helps, by a part of what is said: a service's code, which SQS gives with and without a prefix, or words.
_REMEDIES = {
    "NonExistentQueue": _NO_QUEUE,
    "QueueDoesNotExist": _NO_QUEUE,
    "ResourceNotFound": "create the table, see flowcraft_aws.provision, or mend its name or the client's region",
    "NoSuchBucket": "create the bucket, or mend its name",
    "NoSuchKey": "a lifecycle rule of the bucket may be shorter than the run",
    "AccessDenied": "the credentials need the policy in deploy/aws/policy.json, and for a bucket what the README says",
    "UnrecognizedClient": _NOT_VALID,
    "InvalidClientTokenId": _NOT_VALID,
    "InvalidAccessKeyId": _NOT_VALID,
    "SignatureDoesNotMatch": _WRONG_KEY,
    "InvalidSignature": _WRONG_KEY,
    "IncompleteSignature": _WRONG_KEY,
    "ExpiredToken": "the credentials have expired; let botocore renew them, or start again with new ones",
    "Unable to locate credentials": "set credentials for boto3, say AWS_PROFILE",
    "You must specify a region": "set AWS_DEFAULT_REGION, or give clients that have a region",
    "MessageGroupId": "this queue takes no groups: give fair=False",
}


def translate(error: Exception, place: str) -> FlowcraftError:
    """Give the error to raise in place of the SDK's, from that one.

    An answer that is not whole, or that the SDK or this package stumbles over, may be another one the next time.

    Args:
        error: What was raised in a call to the SDK.
        place: The table or queue, for the message.
    """
    if isinstance(error, FlowcraftError):
        return error
    if isinstance(error, ClientError):
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        transient = code_of(error) in _TRANSIENT or status >= 500 or status == 429
    else:
        transient = isinstance(error, (*_LOST, OSError, UnreadableAnswerError))
    if transient:
        return TransientError(f"{place}: {error}")
    if isinstance(error, (BotoCoreError, ClientError)):
        return BackendError(advised(f"{place}: {error}"))
    return TransientError(f"{place}: an answer that cannot be understood: {type(error).__name__}: {error}")


def advised(said: str) -> str:
    """What is said about an error, with what helps, if that is known."""
    remedy = next((remedy for part, remedy in _REMEDIES.items() if part in said), None)
    return said if remedy is None else f"{said.rstrip('. ')}: {remedy}"


def code_of(error: Exception) -> str:
    """The service's code for an error, or the class of an error of the SDK itself."""
    if isinstance(error, ClientError):
        return str(error.response.get("Error", {}).get("Code", ""))
    return type(error).__name__
