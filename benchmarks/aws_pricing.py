"""What requests to SQS and DynamoDB cost: computed from their bytes, as the services' price lists say.

List prices of us-east-1 in June 2026, on demand and without free tiers: DynamoDB's are those since its cut of November
2024; SQS's have the surcharge of fair queues in them. A unit of writing is a KiB of the whole item, the larger of
before and after, also where a condition fails; a unit of reading is 4 KiB of an item, strongly consistent, and half of
that otherwise; a request to SQS is 64 KiB.

https://aws.amazon.com/dynamodb/pricing/on-demand/ and https://aws.amazon.com/sqs/pricing/
"""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Mapping
from typing import Any

PRICES_OF = "2026-06"
USD_PER_WRITE_UNIT = 0.625e-6
USD_PER_READ_UNIT = 0.125e-6
USD_PER_SQS_REQUEST = (0.40 + 0.10) * 1e-6

_KIB = 1_024


class Bill:
    """Adds up what the requests of boto3 clients take, below the SDK: also those that it makes again.

    Attributes:
        write_units: Of DynamoDB.
        read_units: Of DynamoDB.
        sqs_requests: As they are billed.
        messages: Messages sent.
        by_service: The units that the service itself said it took, for requests that were answered.
        modelled: The units of those same requests by the model.
    """

    def __init__(self) -> None:
        self.write_units = self.read_units = 0.0
        self.sqs_requests = 0
        self.messages = 0
        self.by_service: dict[str, float] = {}
        self.modelled: dict[str, float] = {}
        self._sizes: dict[tuple[str, str], int] = {}

    def watch(self, *clients: Any) -> None:
        """Add up what these clients send from now on; of DynamoDB, ask also for what it says itself."""
        for client in clients:
            service = client.meta.service_model.service_name
            events = client.meta.events
            if service == "dynamodb":
                events.register("before-parameter-build.dynamodb", _ask_for_capacity)
                events.register("before-call.dynamodb", self._remember)
                events.register("after-call.dynamodb", self._add_dynamodb)
            else:
                events.register("before-send.sqs", self._add_sqs)

    @property
    def usd(self) -> float:
        """The price of all of it."""
        return (
            self.write_units * USD_PER_WRITE_UNIT
            + self.read_units * USD_PER_READ_UNIT
            + self.sqs_requests * USD_PER_SQS_REQUEST
        )

    # --- SQS ------------------------------------------------------------------------------------------------------

    def _add_sqs(self, request: Any, event_name: str, **_: Any) -> None:
        operation, size = event_name.rpartition(".")[2], 0
        if operation == "SendMessageBatch":
            entries = json.loads(request.body)["Entries"]
            self.messages += len(entries)
            size = sum(len(entry["MessageBody"].encode()) for entry in entries)
        self.sqs_requests += max(1, math.ceil(size / (64 * _KIB)))

    # --- DynamoDB -------------------------------------------------------------------------------------------------

    def _remember(self, params: Mapping[str, Any], context: dict[str, Any], **_: Any) -> None:
        context["flowcraft_request"] = json.loads(params["body"])

    def _add_dynamodb(self, parsed: Mapping[str, Any], model: Any, context: Mapping[str, Any], **_: Any) -> None:
        operation, asked = model.name, context["flowcraft_request"]
        kind, units = self._units(operation, asked, parsed)
        if kind == "write":
            self.write_units += units
        elif kind == "read":
            self.read_units += units
        consumed = parsed.get("ConsumedCapacity")
        if consumed and kind:
            parts = consumed if isinstance(consumed, list) else [consumed]
            said = sum(part["CapacityUnits"] for part in parts)
            self.by_service[kind] = self.by_service.get(kind, 0.0) + said
            self.modelled[kind] = self.modelled.get(kind, 0.0) + units

    def _units(self, operation: str, asked: Any, parsed: Mapping[str, Any]) -> tuple[str, float]:
        if operation in ("PutItem", "UpdateItem", "DeleteItem"):
            return "write", self._write_units(operation, asked, parsed)
        if operation == "GetItem":
            return "read", _read_units([parsed.get("Item", {})], asked.get("ConsistentRead", False))
        if operation == "BatchGetItem":
            units = 0.0
            for table, wanted in asked["RequestItems"].items():
                found = parsed.get("Responses", {}).get(table, [])
                # A key without an item takes as much as one with a small one.
                missing: list[Any] = [{}] * (len(wanted["Keys"]) - len(found))
                units += _read_units([*found, *missing], wanted.get("ConsistentRead", False))
            return "read", units
        return "", 0.0

    def _write_units(self, operation: str, asked: Any, parsed: Mapping[str, Any]) -> float:
        key = json.dumps(asked.get("Key") or _key_of(asked["Item"]), sort_keys=True)
        place = (asked["TableName"], key)
        before = self._sizes.get(place, 0)
        after = before
        if "Error" not in parsed:
            if operation == "PutItem":
                after = size_of(asked["Item"])
            elif operation == "UpdateItem":
                after = size_of(parsed["Attributes"])  # the adapter asks for the whole item
            else:
                after = 0
            self._sizes[place] = after
        return max(1, math.ceil(max(before, after) / _KIB))


def size_of(item: Mapping[str, Any]) -> int:
    """Bytes of an item in the service's own notation, as it counts them: of the names and of the values."""
    return sum(len(name.encode()) + _size_of_value(value) for name, value in item.items())


def _size_of_value(value: Mapping[str, Any]) -> int:
    kind: str
    content: Any
    ((kind, content),) = value.items()
    match kind:
        case "S":
            return len(content.encode())
        case "B":
            return len(content) if isinstance(content, bytes) else len(base64.b64decode(content))
        case "N":
            digits = str(content).lstrip("-").replace(".", "").strip("0")
            return math.ceil(len(digits) / 2) + 1 + str(content).startswith("-")
        case "SS":
            return sum(len(member.encode()) for member in content)
        case "BOOL" | "NULL":
            return 1
        case _:
            raise ValueError(f"the model knows no attributes of type {kind!r}")


def _read_units(items: list[Any], consistent: bool) -> float:
    share = 1.0 if consistent else 0.5
    return sum(max(1, math.ceil(size_of(item) / (4 * _KIB))) * share for item in items)


def _key_of(item: Mapping[str, Any]) -> Mapping[str, Any]:
    return {name: item[name] for name in ("runId", "key") if name in item}


def _ask_for_capacity(params: dict[str, Any], model: Any, **_: Any) -> None:
    if "ReturnConsumedCapacity" in model.input_shape.members:
        params["ReturnConsumedCapacity"] = "TOTAL"
