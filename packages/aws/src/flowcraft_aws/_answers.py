"""Answers of SQS and DynamoDB, looked at before they are believed.

The SDK takes a body that is no JSON for an empty object, and does not compare its length with what was announced. Of a
read that says "there is no such item", of a receive "there is no message". So an answer has to be whole, and the
service's, before anything is concluded from it: what is not, raises ``UnreadableAnswerError``, and is asked for again.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from functools import partial
from typing import Any

#: The services that answer in JSON; others have answers of another kind, which the SDK itself refuses.
_SERVICES = frozenset({"dynamodb", "sqs"})
_SHOWN = 80


class UnreadableAnswerError(Exception):
    """Something has answered, and it is not, or not all of, what the service says."""


def guard(client: Any) -> None:
    """Have a boto3 client refuse answers that cannot be read. Guarding it again changes nothing."""
    service = client.meta.service_model.service_name
    if service in _SERVICES:
        look = partial(_look, client.meta.service_model)
        client.meta.events.register(f"response-received.{service}", look, unique_id=f"flowcraft-guarded-{service}")


def _look(service_model: Any, event_name: str, response_dict: Mapping[str, Any] | None = None, **_: Any) -> None:
    if response_dict is None:  # there is no answer, which the SDK knows by itself
        return
    operation = event_name.rpartition(".")[2]
    shape = service_model.operation_model(operation).output_shape
    require_readable(response_dict, None if shape is None else frozenset(shape.members))


def require_readable(answer: Mapping[str, Any], members: frozenset[str] | None) -> None:
    """Let an answer pass that is whole, and the service's.

    Args:
        answer: ``status_code``, ``headers`` and ``body``.
        members: What an answer of the operation can say; None if it says nothing.

    Raises:
        UnreadableAnswerError: It is not; the message says what it is like.
    """
    status, headers, body = answer["status_code"], answer["headers"], bytes(answer["body"])
    announced = headers.get("content-length")
    if announced is not None and not headers.get("content-encoding") and int(announced) != len(body):
        raise UnreadableAnswerError(f"{len(body)} of {announced} bytes of an answer have come")
    checksum = headers.get("x-amz-crc32")
    if checksum is not None and not headers.get("content-encoding") and int(checksum) != zlib.crc32(body):
        raise UnreadableAnswerError("the checksum of an answer is not that of its bytes")
    shown = f"status {status}: {body[:_SHOWN]!r}"
    if not body and status < 300 and not members:
        return
    try:
        said = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise UnreadableAnswerError(f"an answer is no JSON, {shown}") from error
    if not isinstance(said, dict):
        raise UnreadableAnswerError(f"an answer is no JSON object, {shown}")
    is_refusal = "__type" in said or "code" in said or "x-amzn-errortype" in headers
    if status >= 300 and not is_refusal:
        raise UnreadableAnswerError(f"an answer says nothing of why it refuses, {shown}")
    if status < 300 and members is not None and said and not members & said.keys():
        # None of what it can say: a refusal that claims to be none, or somebody else's.
        raise UnreadableAnswerError(f"an answer says nothing that was asked for, {shown}")
