"""How long ``examples/aws/lambda_function.py`` takes to be imported and to do its first job, against emulators."""

from __future__ import annotations

import importlib
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

_EXAMPLES = Path(__file__).parents[2] / "examples" / "aws"


class _Context:
    def get_remaining_time_in_millis(self) -> int:
        return 60_000


def _job(sqs: Any, url: str) -> dict[str, Any]:
    """An event with the next message."""
    (message,) = sqs.receive_message(QueueUrl=url, WaitTimeSeconds=10, MessageSystemAttributeNames=["All"])["Messages"]
    record = {"messageId": "1", "body": message["Body"], "attributes": message["Attributes"], "messageAttributes": {}}
    return {"Records": [record]}


def main() -> dict[str, float]:
    """Milliseconds of each phase."""
    sys.path.insert(0, str(_EXAMPLES))
    began = time.perf_counter()
    import flowcraft_aws  # noqa: PLC0415 - importing is what is measured

    imported = time.perf_counter()
    # The queue is of this measurement alone: a name of its own.
    name = f"lambda-times-{os.getpid()}"
    os.environ["SQS_QUEUE_URL"] = url = flowcraft_aws.provision(queue_name=name).queue_url
    place = importlib.import_module("place")
    client = place.make_adapter()
    orders = importlib.import_module("orders").orders
    sqs = place.boto3.client("sqs")
    events = []
    for _ in range(2):
        client.sync_client.start(orders, {"items": {"tea": 1}})
        events.append(_job(sqs, url))
    created = time.perf_counter()
    function = importlib.import_module("lambda_function")
    made = time.perf_counter()
    times = {"import_ms": imported - began, "adapter_ms": made - created}
    for phase, event in zip(("first_job_ms", "next_job_ms"), events, strict=True):
        called = time.perf_counter()
        answer = function.handler(event, _Context())
        times[phase] = time.perf_counter() - called
        if answer["batchItemFailures"]:
            raise RuntimeError(f"the job failed: {answer}")
    client.stop()
    return {phase: seconds * 1_000 for phase, seconds in times.items()}


if __name__ == "__main__":
    print(json.dumps(main()))
