"""What deploy/aws creates is what the adapter needs, and the three descriptions of it agree."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import aws_emulators
import pytest
from aws_emulators import client
from flowcraft_aws import AwsBackend, provision
from flowcraft_aws._layout import MAX_RECEIVES
from flowcraft_core import FlowRuntime, NodeContext, create_flow
from flowcraft_core.durable import Client, Worker
from servers import python_environment

_HERE = Path(__file__).parent
_ROOT = _HERE.parents[1]
_DEPLOY = _ROOT / "deploy" / "aws"
#: As the service calls them, and as Terraform does.
_QUEUE_ATTRIBUTES = {
    "MessageRetentionPeriod": "message_retention_seconds",
    "ReceiveMessageWaitTimeSeconds": "receive_wait_time_seconds",
    "VisibilityTimeout": "visibility_timeout_seconds",
}
_TEMPLATE = _DEPLOY / "flowcraft.yaml"


@pytest.fixture(scope="module")
def programs() -> Path:
    """The folder of cfn-lint, and of a Python that reads Terraform."""
    return python_environment(_HERE / "deploy-requirements.txt")


@pytest.fixture(scope="module")
def terraform(programs: Path) -> dict[str, Any]:
    """What main.tf says, as data."""
    return _read(programs, "import hcl2, json, sys; print(json.dumps(hcl2.load(open(sys.argv[1]))))", "main.tf")


@pytest.fixture(scope="module")
def template(programs: Path) -> dict[str, Any]:
    """What flowcraft.yaml says, as data."""
    read = "import json, sys; from cfnlint.decode import decode; print(json.dumps(decode(sys.argv[1])[0]))"
    return _read(programs, read, "flowcraft.yaml")


def _read(programs: Path, program: str, name: str) -> dict[str, Any]:
    command = [str(programs / "python"), "-c", program, str(_DEPLOY / name)]
    found: dict[str, Any] = json.loads(subprocess.run(command, capture_output=True, check=True, text=True).stdout)
    return found


@pytest.mark.parametrize(
    "template", [_TEMPLATE, _ROOT / "examples" / "aws" / "lambda.yaml"], ids=lambda path: path.name
)
def test_the_template_is_valid(programs: Path, template: Path) -> None:
    checked = subprocess.run([str(programs / "cfn-lint"), str(template)], capture_output=True, check=False, text=True)
    assert checked.returncode == 0, checked.stdout


@pytest.fixture(scope="module")
def stack(moto: str) -> dict[str, str]:
    """The outputs of the template's stack, deployed on the emulator under names of its own."""
    formation = client("cloudformation", moto)
    names = {"QueueName": "deployed-jobs"}
    names |= {f"{kind}TableName": f"deployed-{kind.lower()}" for kind in ("Context", "Status", "Coordination")}
    formation.create_stack(
        StackName="flowcraft",
        TemplateBody=_TEMPLATE.read_text(encoding="utf-8"),
        Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in names.items()],
        Capabilities=["CAPABILITY_IAM"],
    )
    (described,) = formation.describe_stacks(StackName="flowcraft")["Stacks"]
    assert described["StackStatus"] == "CREATE_COMPLETE"
    return {output["OutputKey"]: output["OutputValue"] for output in described["Outputs"]}


def _tables(moto: str, prefix: str) -> dict[str, Any]:
    dynamodb = client("dynamodb", moto)
    found = {}
    for kind in ("context", "status", "coordination"):
        table = dynamodb.describe_table(TableName=f"{prefix}-{kind}")["Table"]
        found[kind] = {
            "key": table["KeySchema"],
            "types": sorted((each["AttributeName"], each["AttributeType"]) for each in table["AttributeDefinitions"]),
            "billing": table["BillingModeSummary"]["BillingMode"],
            "indexes": [
                (index["IndexName"], index["KeySchema"], index["Projection"]["ProjectionType"])
                for index in table.get("GlobalSecondaryIndexes", [])
            ],
        }
    return found


def test_the_template_and_provision_create_the_same(moto: str, stack: dict[str, str]) -> None:
    def provisioned() -> Any:
        return provision(
            queue_name="provisioned-jobs",
            context_table_name="provisioned-context",
            status_table_name="provisioned-status",
            coordination_table_name="provisioned-coordination",
            sqs_client=client("sqs", moto),
            dynamodb_client=client("dynamodb", moto),
        )

    first = provisioned()
    assert provisioned() == first  # and a second call changes nothing
    assert _tables(moto, "deployed") == _tables(moto, "provisioned")
    attributes = []
    for url, dead_url in (
        (stack["QueueUrl"], stack["DeadLetterQueueUrl"]),
        (first.queue_url, first.dead_letter_queue_url),
    ):
        found = client("sqs", moto).get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
        redrive = json.loads(found["RedrivePolicy"])
        assert redrive["deadLetterTargetArn"].endswith(dead_url.rpartition("/")[2])
        attributes.append((*(found[name] for name in _QUEUE_ATTRIBUTES), int(redrive["maxReceiveCount"])))
    assert attributes[0] == attributes[1]


async def test_a_run_completes_on_what_the_template_creates(moto: str, stack: dict[str, str]) -> None:
    async def one(ctx: NodeContext) -> int:
        return 1

    flow = create_flow("deployed").node("a", one).node("b", one).edge("a", "b")
    backend = AwsBackend(
        queue_url=stack["QueueUrl"],
        context_table_name="deployed-context",
        status_table_name="deployed-status",
        coordination_table_name="deployed-coordination",
        sqs_client=client("sqs", moto),
        dynamodb_client=client("dynamodb", moto),
    )
    async with backend:
        assert await backend.status.has_index() is True  # type: ignore[attr-defined]
        worker = Worker(backend, FlowRuntime([flow]), poll=1.0)
        task = aws_emulators.in_background(worker.run())
        started = await Client(backend).start(flow)
        assert (await Client(backend).wait(started.run_id, timeout=60)).outputs == {"a": 1, "b": 1}
        worker.stop()
        await task


def test_all_three_have_what_expires_removed(moto: str, template: dict[str, Any], terraform: dict[str, Any]) -> None:
    """The emulator's CloudFormation knows nothing of expiry, so that the template is asked itself."""
    resources = template["Resources"]
    assert resources["Coordination"]["Properties"]["TimeToLiveSpecification"] == {
        "AttributeName": "ttl",
        "Enabled": True,
    }
    assert [name for name, each in resources.items() if "TimeToLiveSpecification" in each["Properties"]] == [
        "Coordination"
    ]
    described = client("dynamodb", moto).describe_time_to_live(TableName="provisioned-coordination")
    assert described["TimeToLiveDescription"] == {"TimeToLiveStatus": "ENABLED", "AttributeName": "ttl"}
    tables = _terraform_resources(terraform, "aws_dynamodb_table")
    expiring = {name: table["ttl"] for name, table in tables.items() if "ttl" in table}
    ((name, (ttl,)),) = expiring.items()
    assert (name, _bare(ttl["attribute_name"]), ttl["enabled"]) == ("coordination", "ttl", True)


def _terraform_resources(terraform: dict[str, Any], wanted: str) -> dict[str, Any]:
    return {
        _bare(name): described
        for resource in terraform["resource"]
        for kind, named in resource.items()
        if _bare(kind) == wanted
        for name, described in named.items()
    }


def _actions(policy: dict[str, Any]) -> dict[str, list[str]]:
    found = {}
    for statement in policy["Statement"]:
        actions = statement["Action"]
        found[statement["Sid"]] = sorted([actions] if isinstance(actions, str) else actions)
        assert statement["Effect"] == "Allow"
        assert "*" not in str(statement), "least privilege names what it allows"
    return found


def test_the_three_descriptions_of_the_policy_agree(
    moto: str, stack: dict[str, str], terraform: dict[str, Any]
) -> None:
    by_hand = _actions(json.loads((_DEPLOY / "policy.json").read_text(encoding="utf-8")))
    iam, arn = client("iam", moto), stack["WorkerPolicyArn"]
    version = iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]
    deployed = iam.get_policy_version(PolicyArn=arn, VersionId=version)["PolicyVersion"]["Document"]
    assert _actions(deployed) == by_hand
    (document,) = (each["aws_iam_policy_document"] for each in terraform["data"])
    ((worker,),) = (document.values(),)
    said = {_bare(each["sid"]): sorted(map(_bare, each["actions"])) for each in worker["statement"]}
    assert said == by_hand
    resources = {_bare(each["sid"]): each["resources"][0] for each in worker["statement"]}
    assert [re.search(r"aws_\w+\.\w+", resources[sid])[0] for sid in by_hand] == [  # type: ignore[index]
        "aws_sqs_queue.jobs",
        "aws_dynamodb_table.contexts",
        "aws_dynamodb_table.statuses",
        "aws_dynamodb_table.statuses",
        "aws_dynamodb_table.coordination",
    ]
    arns = {each["Sid"]: re.split("[:/]deployed-", each["Resource"])[1] for each in deployed["Statement"]}
    assert arns == {
        "Jobs": "jobs",
        "Facts": "context",
        "Statuses": "status",
        "Due": "status/index/due",
        "Hints": "coordination",
    }


def test_terraform_creates_the_tables_that_the_template_does(
    moto: str, stack: dict[str, str], terraform: dict[str, Any]
) -> None:
    tables = _terraform_resources(terraform, "aws_dynamodb_table")
    deployed = _tables(moto, "deployed")
    for name, kind in {"contexts": "context", "statuses": "status", "coordination": "coordination"}.items():
        table, expected = tables[name], deployed[kind]
        assert [{"AttributeName": _bare(table["hash_key"]), "KeyType": "HASH"}] == expected["key"]
        assert sorted((_bare(each["name"]), _bare(each["type"])) for each in table["attribute"]) == expected["types"]
        indexes = [
            (
                _bare(index["name"]),
                [
                    {"AttributeName": _bare(index["hash_key"]), "KeyType": "HASH"},
                    {"AttributeName": _bare(index["range_key"]), "KeyType": "RANGE"},
                ],
                _bare(index["projection_type"]),
            )
            for index in table.get("global_secondary_index", [])
        ]
        assert indexes == expected["indexes"]


def test_terraform_creates_the_queues_that_the_template_does(
    moto: str, stack: dict[str, str], terraform: dict[str, Any]
) -> None:
    queues = _terraform_resources(terraform, "aws_sqs_queue")
    for name, url in {"jobs": stack["QueueUrl"], "dead_letters": stack["DeadLetterQueueUrl"]}.items():
        found = client("sqs", moto).get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
        for attribute, said in _QUEUE_ATTRIBUTES.items():
            assert str(queues[name][said]) == found[attribute], f"{attribute} of {name}"
    limit = re.search(r"maxReceiveCount\D*(\d+)", queues["jobs"]["redrive_policy"])
    assert limit is not None
    assert limit[1] == str(MAX_RECEIVES)  # as the template has it, see above


def _bare(text: str) -> str:
    """Text without the quotes that the reader of Terraform leaves around it."""
    return text.strip('"')
