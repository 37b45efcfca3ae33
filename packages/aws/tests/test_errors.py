import pytest
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectTimeoutError,
    CredentialRetrievalError,
    EndpointConnectionError,
    NoCredentialsError,
    NoRegionError,
    ReadTimeoutError,
)
from flowcraft_aws._errors import translate
from flowcraft_core.errors import BackendError, TransientError


def refusal(code: str, status: int = 400) -> ClientError:
    return ClientError(
        {"Error": {"Code": code, "Message": "why"}, "ResponseMetadata": {"HTTPStatusCode": status}},  # type: ignore[typeddict-item]
        "PutItem",
    )


@pytest.mark.parametrize(
    "error",
    [
        refusal("ProvisionedThroughputExceededException"),
        refusal("ThrottlingException"),
        refusal("RequestThrottled"),
        refusal("TooMany", 429),
        refusal("SomethingNew", 503),
        refusal("InternalServerError", 500),
        EndpointConnectionError(endpoint_url="https://there"),
        ConnectTimeoutError(endpoint_url="https://there"),
        ReadTimeoutError(endpoint_url="https://there"),
        CredentialRetrievalError(provider="iam-role", error_msg="too many requests"),
    ],
    ids=str,
)
def test_what_may_pass_is_transient(error: BotoCoreError | ClientError) -> None:
    translated = translate(error, "table 'contexts'")
    assert isinstance(translated, TransientError)
    assert "table 'contexts'" in str(translated)


@pytest.mark.parametrize(
    ("error", "remedy"),
    [
        (refusal("ResourceNotFoundException"), "provision"),
        (refusal("AWS.SimpleQueueService.NonExistentQueue"), "queue_url"),
        (refusal("QueueDoesNotExist"), "queue_url"),
        (refusal("AccessDeniedException", 403), "policy"),
        (refusal("ExpiredTokenException"), "expired"),
        (refusal("NoSuchBucket", 404), "bucket"),
        (refusal("NoSuchKey", 404), "lifecycle"),
        (NoCredentialsError(), "credentials"),
        (NoRegionError(), "AWS_DEFAULT_REGION"),
    ],
    ids=str,
)
def test_what_stays_is_refused_with_what_helps(error: BotoCoreError | ClientError, remedy: str) -> None:
    translated = translate(error, "queue 'jobs'")
    assert type(translated) is BackendError
    assert "queue 'jobs'" in str(translated)
    assert remedy in str(translated)


def test_what_nobody_can_help_against_is_said_as_it_is() -> None:
    assert str(translate(refusal("ValidationException"), "table 'contexts'")).endswith("PutItem operation: why")
