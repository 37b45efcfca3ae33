from typing import Any

import pytest
from flowcraft_aws import DynamoDbContextStore
from flowcraft_aws.by_hand import ByHand
from flowcraft_core.errors import BackendError

from .helpers import service


async def read(item: dict[str, Any] | None) -> Any:
    dynamodb = service("dynamodb", lambda *_: {} if item is None else {"Item": item})
    return await ByHand(DynamoDbContextStore(dynamodb.client, "contexts", dynamodb.calls)).initial_context("run")


async def test_a_context_is_read_as_plain_json_data() -> None:
    context = {
        "M": {
            "text": {"S": "a"},
            "whole": {"N": "20"},
            "part": {"N": "1.5"},
            "yes": {"BOOL": True},
            "nothing": {"NULL": True},
            "list": {"L": [{"N": "1"}, {"M": {"deep": {"S": ""}}}]},
            "set": {"SS": ["b", "a"]},
        }
    }
    values = await read({"runId": {"S": "run"}, "context": context})
    assert values == {
        "text": "a",
        "whole": 20,
        "part": 1.5,
        "yes": True,
        "nothing": None,
        "list": [1, {"deep": ""}],
        "set": ["a", "b"],
    }
    assert type(values["whole"]) is int


async def test_a_context_may_be_a_text_of_json_or_missing() -> None:
    assert await read({"runId": {"S": "run"}, "context": {"S": '{"a": [1]}'}}) == {"a": [1]}
    assert await read({"runId": {"S": "run"}}) == {}
    assert await read(None) is None


@pytest.mark.parametrize(
    ("context", "problem"),
    [({"S": "{"}, "no JSON"), ({"S": "[]"}, "no map"), ({"N": "1"}, "no map"), ({"M": {"a": {"B": "eA=="}}}, "binary")],
)
async def test_what_is_no_context_is_refused_with_the_reason(context: dict[str, Any], problem: str) -> None:
    with pytest.raises(BackendError, match=problem):
        await read({"runId": {"S": "run"}, "context": context})
