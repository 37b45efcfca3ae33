from typing import Any
from unittest.mock import Mock

from flowcraft_aws import SqsAdapter, create_sqs_reconciler
from flowcraft_core import FlowRuntime
from flowcraft_core.observing import Telemetry

from .helpers import URL, service


async def test_a_run_that_cannot_be_read_does_not_hold_up_the_others() -> None:
    found = [{"runId": {"S": run_id}, "status": {"S": "running"}} for run_id in ("damaged", "ended")]
    items = {
        "damaged": {"runId": {"S": "damaged"}, "status": {"S": "who knows"}},
        "ended": {"runId": {"S": "ended"}, "status": {"S": "completed"}},
    }

    def answer(operation: str, parameters: dict[str, Any]) -> dict[str, Any]:
        match operation:
            case "DescribeTable":
                return {"Table": {}}
            case "Scan":
                state = parameters["ExpressionAttributeValues"][":state"]["S"]
                return {"Items": found if (parameters["Segment"], state) == (0, "running") else []}
        item = items.get(parameters["Key"].get("runId", {}).get("S", ""))
        return {} if item is None else {"Item": item}

    sqs, dynamodb = service("sqs", lambda *_: {}), service("dynamodb", answer)
    telemetry = Mock(spec=Telemetry)
    reconciler = create_sqs_reconciler(
        adapter=SqsAdapter(
            runtime=FlowRuntime([], telemetry=telemetry),
            queue_url=URL,
            sqs_client=sqs.client,
            dynamodb_client=dynamodb.client,
        ),
        dynamodb_client=dynamodb.client,
        status_table_name="flowcraft-statuses",
        stalled_threshold_seconds=300,
    )
    stats = await reconciler.run()
    assert (stats.scanned_items, stats.reconciled_runs, stats.errors) == (1, 0, 1)
    read = [parameters["Key"] for parameters in dynamodb.parameters("GetItem")]
    assert {"runId": {"S": "ended"}} in read
    assert [call.args[0] for call in telemetry.happened.call_args_list] == ["look_failed"]
