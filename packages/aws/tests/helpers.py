"""AWS played by a function: what boto3 really sends, below its serialisers and retries, and answers to it."""

import io
import json
from collections.abc import Callable, Iterator
from typing import Any

import attrs
import boto3
from botocore.awsrequest import AWSResponse
from botocore.config import Config
from flowcraft_aws import Metrics
from flowcraft_aws._calls import Calls
from flowcraft_aws.metrics import watch

#: What answers: given the operation and its parameters, it gives the answer, or raises ``RefusalError``.
Answer = Callable[[str, dict[str, Any]], dict[str, Any]]

URL = "https://sqs.eu-west-1.amazonaws.com/1/jobs"


class RefusalError(Exception):
    """An error of the service."""

    def __init__(self, code: str, status: int = 400, **more: Any) -> None:
        super().__init__(code)
        self.code, self.status, self.more = code, status, more


@attrs.define
class Service:
    """A client and what it has sent.

    Attributes:
        client: A boto3 client whose requests go nowhere.
        sent: The operations with their parameters, in order.
        metrics: Counts them, if they are made by ``calls``.
        calls: Makes calls.
    """

    client: Any
    sent: list[tuple[str, dict[str, Any]]]
    metrics: Metrics
    calls: Calls

    def parameters(self, operation: str) -> list[dict[str, Any]]:
        return [parameters for name, parameters in self.sent if name == operation]


class Raw(io.BytesIO):
    def stream(self, **_: Any) -> Iterator[bytes]:
        yield self.read()


def service(name: Any, answer: Answer, *, attempts: int = 1, **settings: Any) -> Service:
    """A client of a service that a function plays; with settings as botocore's ``Config`` has them."""
    client = boto3.client(
        name,
        region_name="eu-west-1",
        aws_access_key_id="key",
        aws_secret_access_key="secret",
        config=Config(retries={"mode": "standard", "total_max_attempts": attempts}, **settings),
    )
    watch(client)
    sent: list[tuple[str, dict[str, Any]]] = []

    def send(request: Any, event_name: str, **_: Any) -> AWSResponse:
        operation = event_name.rpartition(".")[2]
        parameters = json.loads(request.body)
        sent.append((operation, parameters))
        try:
            status, body = 200, answer(operation, parameters)
        except RefusalError as refusal:
            status, body = refusal.status, {"__type": f"com.amazonaws#{refusal.code}", "message": "no", **refusal.more}
        headers: Any = {"content-type": "application/x-amz-json-1.0"}
        return AWSResponse(request.url, status, headers, Raw(json.dumps(body).encode()))

    client.meta.events.register_last(f"before-send.{name}", send)
    metrics = Metrics()
    return Service(client, sent, metrics, Calls(metrics=metrics))
