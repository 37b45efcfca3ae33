"""What the templates of deploy/azure say is what ``provision`` creates, and what the adapter's questions need."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from flowcraft_azure import AzureSettings
from flowcraft_azure._layout import CONTEXT_INDEXING, STATUS_INDEXING
from servers import python_environment

_HERE = Path(__file__).parent
_DEPLOY = _HERE.parents[1] / "deploy" / "azure"
_READ_TERRAFORM = "import hcl2, json, sys; print(json.dumps(hcl2.load(open(sys.argv[1], encoding='utf-8'))))"
_READ_BICEP = (
    "import json, pathlib, pycep, sys; "
    "print(json.dumps(pycep.BicepParser().parse(text=pathlib.Path(sys.argv[1]).read_text(encoding='utf-8'))))"
)
_INDEXING = {"contexts": CONTEXT_INDEXING, "statuses": STATUS_INDEXING}


def _read(program: str, name: str) -> dict[str, Any]:
    python = python_environment(_HERE / "deploy-requirements.txt") / "python"
    read = subprocess.run([str(python), "-c", program, str(_DEPLOY / name)], capture_output=True, check=True, text=True)
    parsed: dict[str, Any] = json.loads(read.stdout)
    return parsed


@pytest.fixture(scope="module")
def terraform() -> dict[str, Any]:
    """What main.tf says, as data."""
    return _read(_READ_TERRAFORM, "main.tf")


@pytest.fixture(scope="module")
def bicep() -> dict[str, Any]:
    """What main.bicep says, as data."""
    return _read(_READ_BICEP, "main.bicep")


def _resource(terraform: dict[str, Any], kind: str, name: str) -> dict[str, Any]:
    (found,) = [each[kind][name] for each in terraform["resource"] if name in each.get(kind, {})]
    return dict(found)


def _of_bicep(bicep: dict[str, Any], name: str) -> dict[str, Any]:
    """What a resource is configured as, be it one, one of several, or there on a condition."""
    config: dict[str, Any] = bicep["resources"][name]["config"]
    inside: dict[str, Any] = config.get("config", config)
    return inside


@pytest.mark.parametrize("name", _INDEXING)
def test_terraform_creates_the_containers_that_provision_does(terraform: dict[str, Any], name: str) -> None:
    container = _resource(terraform, "azurerm_cosmosdb_sql_container", name)
    (indexing,) = container["indexing_policy"]
    assert container["partition_key_paths"] == ["/runId"]
    assert container["default_ttl"] == "${var.time_to_live}"
    assert indexing["indexing_mode"] == _INDEXING[name]["indexingMode"]
    assert indexing["included_path"] == _INDEXING[name]["includedPaths"]
    assert indexing["excluded_path"] == _INDEXING[name]["excludedPaths"]


@pytest.mark.parametrize("name", _INDEXING)
def test_bicep_creates_the_containers_that_provision_does(bicep: dict[str, Any], name: str) -> None:
    container = _of_bicep(bicep, name)["properties"]["resource"]
    assert container["partitionKey"] == {"kind": "Hash", "version": 2, "paths": ["/runId"]}
    assert container["defaultTtl"] == "timeToLive"
    assert container["indexingPolicy"] == _INDEXING[name]


def test_both_have_the_same_names_and_limits_by_default(terraform: dict[str, Any], bicep: dict[str, Any]) -> None:
    of_terraform = {
        name: variable["default"]
        for each in terraform["variable"]
        for name, variable in each.items()
        if "default" in variable
    }
    of_bicep = {name: parameter["default"] for name, parameter in bicep["parameters"].items()}
    for name in (
        "queue_name",
        "database_name",
        "context_container_name",
        "status_container_name",
        "redis_name",
        "max_throughput",
    ):
        camel = re.sub(r"_(\w)", lambda letter: letter[1].upper(), name)
        assert of_bicep[camel] == of_terraform[name]
    assert str(of_terraform["time_to_live"]).strip("${}") == "-1"
    assert of_bicep["timeToLive"]["operator"] == {"type": "minus", "operands": {"integer_value": 1}}


def test_the_outputs_of_both_are_what_settings_are_read_from(terraform: dict[str, Any], bicep: dict[str, Any]) -> None:
    outputs = [name for each in terraform["output"] for name in each]
    assert outputs == list(bicep["outputs"])
    values = {name: f"https://{name}" for name in outputs} | {"FLOWCRAFT_NAMED_QUEUES": "gpu,urgent"}
    settings = AzureSettings.from_environment(values)
    assert settings == AzureSettings(
        storage="https://AZURE_STORAGE_QUEUE_ENDPOINT",
        queue_name="https://FLOWCRAFT_QUEUE",
        queues=("gpu", "urgent"),
        cosmos="https://COSMOS_DB_ENDPOINT",
        cosmos_database_name="https://FLOWCRAFT_DATABASE",
        context_container_name="https://FLOWCRAFT_CONTEXTS",
        status_container_name="https://FLOWCRAFT_STATUSES",
    )


def test_workers_get_data_roles_on_the_queue_and_the_database_only(
    terraform: dict[str, Any], bicep: dict[str, Any]
) -> None:
    queue = _resource(terraform, "azurerm_role_assignment", "queue")
    assert queue["role_definition_name"] == "Storage Queue Data Contributor"
    assert queue["scope"] == "${azurerm_storage_queue.jobs.id}"
    named = _resource(terraform, "azurerm_role_assignment", "named_queue")
    assert named["role_definition_name"] == queue["role_definition_name"]
    assert named["scope"].startswith("${azurerm_storage_queue.named[")
    database = _resource(terraform, "azurerm_cosmosdb_sql_role_assignment", "database")
    assert "/dbs/" in database["scope"]
    assert database["role_definition_id"].endswith("00000000-0000-0000-0000-000000000002")
    # The built-in roles of the same names.
    assert {name: variable["value"] for name, variable in bicep["variables"].items()} == {
        "queueDataContributor": "974c5e8b-45b9-4653-ba55-5f855dd0fb88",
        "cosmosDataContributor": "00000000-0000-0000-0000-000000000002",
    }
    may_use_queue, may_use_database = (_of_bicep(bicep, name) for name in ("mayUseTheQueue", "mayUseTheDatabase"))
    assert may_use_queue["scope"] == "jobs"
    of_named = _of_bicep(bicep, "mayUseTheNamed")
    assert of_named["properties"]["roleDefinitionId"] == may_use_queue["properties"]["roleDefinitionId"]
    assert "queueDataContributor" in json.dumps(may_use_queue["properties"]["roleDefinitionId"])
    assert may_use_database["properties"]["scope"] == "${cosmos.id}/dbs/${databaseName}"
    assert may_use_database["properties"]["roleDefinitionId"].endswith("/${cosmosDataContributor}")
    assert len([kind for each in terraform["resource"] for kind in each if "role" in kind]) == 3
    assert len([each for each in bicep["resources"].values() if "role" in each["type"].lower()]) == 3


def test_keys_are_switched_off(terraform: dict[str, Any], bicep: dict[str, Any]) -> None:
    assert _resource(terraform, "azurerm_storage_account", "flowcraft")["shared_access_key_enabled"] is False
    assert _resource(terraform, "azurerm_cosmosdb_account", "flowcraft")["local_authentication_disabled"] is True
    assert _of_bicep(bicep, "storage")["properties"]["allowSharedKeyAccess"] is False
    assert _of_bicep(bicep, "cosmos")["properties"]["disableLocalAuth"] is True


def test_redis_is_made_only_where_it_is_named_and_speaks_tls(terraform: dict[str, Any], bicep: dict[str, Any]) -> None:
    made = _resource(terraform, "azurerm_managed_redis", "flowcraft")
    assert "var.redis_name" in str(made["count"])
    (database,) = made["default_database"]
    assert database["client_protocol"] == "Encrypted"
    of_bicep = _of_bicep(bicep, "redisDatabase")["properties"]
    assert (of_bicep["clientProtocol"], of_bicep["port"]) == ("Encrypted", 10_000)
    assert "redisName" in json.dumps(bicep["resources"]["redis"]["config"]["condition"])
