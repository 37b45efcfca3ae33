"""How services name what they are asked, and how they refuse it; for proxies that speak in their place."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping

import attrs

_AMAZON = "application/x-amz-json-1.0"


@attrs.frozen
class Answer:
    """What a service says.

    Attributes:
        status: The status line, from the code on.
        headers: By names in small letters.
        content: The body.
        is_empty: Whether it is one that has no body.
    """

    status: str
    headers: dict[str, str]
    content: bytes
    is_empty: bool = False


@attrs.frozen
class Dialect:
    """How a service speaks.

    Attributes:
        operation: What a request asks for, by its method, path and headers.
        refusal: What the service says for ``throttle``, ``failure`` or ``unavailable``.
    """

    operation: Callable[[str, str, Mapping[str, str]], str]
    refusal: Callable[[str, random.Random], Answer]


def _answer(status: int, headers: Mapping[str, str], content: bytes) -> Answer:
    return Answer(f"{status} refused", dict(headers), content)


# --- AWS --------------------------------------------------------------------------------------------------------------


def _of_target(method: str, path: str, headers: Mapping[str, str]) -> str:
    return headers.get("x-amz-target", "?").rpartition(".")[2]


def _amazon(throttling: tuple[str, ...], status: int) -> Callable[[str, random.Random], Answer]:
    def refuse(kind: str, dice: random.Random) -> Answer:
        code, number = {
            "throttle": (dice.choice(throttling), status),
            "failure": ("InternalServerError", 500),
            "unavailable": ("ServiceUnavailable", 503),
            "forbidden": ("AccessDeniedException", 403),
        }[kind]
        said = json.dumps({"__type": f"com.amazonaws#{code}", "message": "not now"}).encode()
        return _answer(number, {"content-type": _AMAZON, "x-amzn-requestid": "1"}, said)

    return refuse


SQS = Dialect(_of_target, _amazon(("RequestThrottled", "ThrottlingException"), 403))
DYNAMODB = Dialect(_of_target, _amazon(("ProvisionedThroughputExceededException", "ThrottlingException"), 400))


# --- Azure ------------------------------------------------------------------------------------------------------------

_OF_QUEUE = {"GET": "receive", "POST": "send", "PUT": "extend", "DELETE": "acknowledge"}
_OF_COSMOS = {"GET": "read", "POST": "create", "PUT": "replace", "PATCH": "patch", "DELETE": "delete"}


def _of_message(method: str, path: str, headers: Mapping[str, str]) -> str:
    return _OF_QUEUE.get(method, "?") if "/messages" in path else "queue"


def _of_document(method: str, path: str, headers: Mapping[str, str]) -> str:
    if "/docs" not in path:
        return "account"
    if headers.get("x-ms-documentdb-isquery", "").lower() == "true":
        return "query"
    return _OF_COSMOS.get(method, "?")


def _queue_storage(kind: str, dice: random.Random) -> Answer:
    status, code = {
        "throttle": (503, "ServerBusy"),
        "failure": (500, "InternalError"),
        "unavailable": (503, "ServerBusy"),
        "forbidden": (403, "AuthorizationFailure"),
    }[kind]
    said = f'<?xml version="1.0" encoding="utf-8"?><Error><Code>{code}</Code><Message>not now</Message></Error>'
    headers = {"content-type": "application/xml", "x-ms-error-code": code, "x-ms-request-id": "1"}
    return _answer(status, headers, said.encode())


def _cosmos(kind: str, dice: random.Random) -> Answer:
    status, sub = {
        "throttle": dice.choice(((429, 3200), (449, 0))),
        "failure": (500, 0),
        "unavailable": (503, 0),
        "forbidden": (403, 0),
    }[kind]
    said = json.dumps({"code": str(status), "message": "not now"}).encode()
    headers = {
        "content-type": "application/json",
        "x-ms-activity-id": "1",
        "x-ms-substatus": str(sub),
        "x-ms-retry-after-ms": "10",
    }
    return _answer(status, headers, said)


QUEUE_STORAGE = Dialect(_of_message, _queue_storage)
COSMOS = Dialect(_of_document, _cosmos)
