"""Answers of Queue Storage and Cosmos DB, looked at before they are believed.

"There is none" is an answer of the service, and not of something in between: a gateway has pages with status 404, too.
Both services put their mark on every answer, and what they say has a form. What has not, raises
``UnreadableAnswerError``, and is asked for again.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

# Headers of which each service sends at least one with all that it says.
_MARKS_OF_COSMOS = ("x-ms-activity-id", "x-ms-request-charge")
_MARKS_OF_QUEUES = ("x-ms-request-id", "x-ms-version")

_MESSAGES = b"QueueMessagesList"
_SHOWN = 80


class UnreadableAnswerError(Exception):
    """Something has answered, and it is not, or not all of, what the service says."""


def require_readable(answer: Any) -> None:
    """Let an answer about messages or documents pass that is the service's.

    Args:
        answer: As a pipeline of azure-core has it.

    Raises:
        UnreadableAnswerError: It is not; the message says what it is like.
    """
    request, response = answer.http_request, answer.http_response
    path: str = request.url.partition("?")[0]
    if "/messages" in path:
        _require_of_queue(request.method, response)
    elif "/docs" in path:
        _require_of_cosmos(request, response)


def _require_of_queue(method: str, response: Any) -> None:
    _require_mark(response, _MARKS_OF_QUEUES)
    if response.status_code >= 300:
        return
    if method == "PUT" and not response.headers.get("x-ms-popreceipt"):
        raise UnreadableAnswerError(f"an answer gives no receipt, {_shown(response)}")
    if method in ("GET", "POST") and _MESSAGES not in response.body():
        raise UnreadableAnswerError(f"an answer says nothing of messages, {_shown(response)}")


def _require_of_cosmos(request: Any, response: Any) -> None:
    _require_mark(response, _MARKS_OF_COSMOS)
    body = response.body()
    may_be_empty = request.method == "DELETE" or request.headers.get("Prefer") == "return=minimal"
    if response.status_code >= 300 or (may_be_empty and not body):
        return
    try:
        said = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise UnreadableAnswerError(f"an answer is no JSON, {_shown(response)}") from error
    if not isinstance(said, dict):
        raise UnreadableAnswerError(f"an answer is no JSON object, {_shown(response)}")


def _require_mark(response: Any, marks: tuple[str, ...]) -> None:
    if not any(mark in response.headers for mark in marks):
        raise UnreadableAnswerError(f"an answer is not the service's, {_shown(response)}")


def _shown(response: Any) -> str:
    return f"status {response.status_code}: {response.body()[:_SHOWN]!r}"


def require_document(found: Any, document_id: str) -> Any:
    """A document that was asked for, if that is what was answered.

    Raises:
        UnreadableAnswerError: It is something else.
    """
    if not isinstance(found, Mapping) or found.get("id") != document_id:
        raise UnreadableAnswerError(f"an answer is not the document {document_id!r:.200}: {found!r:.80}")
    return found
