"""What the templates of deploy/azure say is what ``provision`` creates, and what the adapter's questions need."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from flowcraft_azure.provision import CONTEXT_INDEXING, STATUS_INDEXING
from servers import python_environment

_HERE = Path(__file__).parent
_DEPLOY = _HERE.parents[1] / "deploy" / "azure"
_READ = "import hcl2, json, sys; print(json.dumps(hcl2.load(open(sys.argv[1], encoding='utf-8'))))"
_INDEXING = {"contexts": CONTEXT_INDEXING, "statuses": STATUS_INDEXING}


@pytest.fixture(scope="module")
def terraform() -> dict[str, Any]:
    """What main.tf says, as data."""
    python = python_environment(_HERE / "deploy-requirements.txt") / "python"
    command = [str(python), "-c", _READ, str(_DEPLOY / "main.tf")]
    read = subprocess.run(command, capture_output=True, check=True, text=True)
    parsed: dict[str, Any] = json.loads(read.stdout)
    return parsed


@pytest.fixture(scope="module")
def bicep() -> str:
    """What main.bicep says, without its comments."""
    text = (_DEPLOY / "main.bicep").read_text(encoding="utf-8")
    return re.sub(r"^\s*//.*$", "", text, flags=re.MULTILINE)


def _resource(terraform: dict[str, Any], kind: str, name: str) -> dict[str, Any]:
    (found,) = [each[kind][name] for each in terraform["resource"] if name in each.get(kind, {})]
    return dict(found)


def _block(bicep: str, name: str) -> str:
    """A resource's text: from its name to the brace that closes it."""
    begin = bicep.index(f"resource {name} ")
    place = bicep.index("{", begin)
    depth = 0
    for end in range(place, len(bicep)):
        depth += {"{": 1, "}": -1}.get(bicep[end], 0)
        if depth == 0:
            return bicep[begin : end + 1]
    raise AssertionError(f"the resource {name} is not closed")


def _paths(indexing: dict[str, Any], kind: str) -> list[str]:
    return [path["path"] for path in indexing[kind]]


@pytest.mark.parametrize("name", _INDEXING)
def test_terraform_creates_the_containers_that_provision_does(terraform: dict[str, Any], name: str) -> None:
    container = _resource(terraform, "azurerm_cosmosdb_sql_container", name)
    (indexing,) = container["indexing_policy"]
    assert container["partition_key_paths"] == ["/runId"]
    assert container["default_ttl"] == "${var.time_to_live}"
    assert indexing["indexing_mode"] == _INDEXING[name]["indexingMode"]
    assert [path["path"] for path in indexing["included_path"]] == _paths(_INDEXING[name], "includedPaths")
    assert [path["path"] for path in indexing["excluded_path"]] == _paths(_INDEXING[name], "excludedPaths")


@pytest.mark.parametrize("name", _INDEXING)
def test_bicep_creates_the_containers_that_provision_does(bicep: str, name: str) -> None:
    block = _block(bicep, name)
    assert "defaultTtl: timeToLive" in block
    (partitioned,) = re.findall(r"partitionKey: \{.*?paths: \[(.*?)\]", block, re.DOTALL)
    assert partitioned.split() == ["'/runId'"]
    for kind in ("includedPaths", "excludedPaths"):
        (listed,) = re.findall(rf"{kind}: \[(.*?)\]", block, re.DOTALL)
        assert re.findall(r"path: '(.*?)'", listed) == _paths(_INDEXING[name], kind)


def test_both_have_the_same_names_and_limits_by_default(terraform: dict[str, Any], bicep: str) -> None:
    of_terraform = {
        name: variable["default"]
        for each in terraform["variable"]
        for name, variable in each.items()
        if "default" in variable
    }
    of_bicep = dict(re.findall(r"^param (\w+) \w+ = (?:'(.*)'|(?:-?\w+))$", bicep, re.MULTILINE))
    for name in ("queue_name", "database_name", "context_container_name", "status_container_name", "redis_name"):
        camel = re.sub(r"_(\w)", lambda letter: letter[1].upper(), name)
        assert of_bicep[camel] == of_terraform[name]
    assert f"param maxThroughput int = {of_terraform['max_throughput']}\n" in bicep
    assert str(of_terraform["time_to_live"]).strip("${}") == "-1"
    assert "param timeToLive int = -1\n" in bicep


def test_workers_get_data_roles_on_the_queue_and_the_database_only(terraform: dict[str, Any], bicep: str) -> None:
    queue = _resource(terraform, "azurerm_role_assignment", "queue")
    assert queue["role_definition_name"] == "Storage Queue Data Contributor"
    assert queue["scope"] == "${azurerm_storage_queue.jobs.id}"
    database = _resource(terraform, "azurerm_cosmosdb_sql_role_assignment", "database")
    assert "/dbs/" in database["scope"]
    assert database["role_definition_id"].endswith("00000000-0000-0000-0000-000000000002")
    # The built-in roles of the same names.
    assert "var queueDataContributor = '974c5e8b-45b9-4653-ba55-5f855dd0fb88'" in bicep
    assert "var cosmosDataContributor = '00000000-0000-0000-0000-000000000002'" in bicep
    assert "scope: jobs" in _block(bicep, "mayUseTheQueue")
    assert "scope: '${cosmos.id}/dbs/${databaseName}'" in _block(bicep, "mayUseTheDatabase")
    assigned = [kind for each in terraform["resource"] for kind in each if "role" in kind]
    assert len(assigned) == 2
    assert bicep.count("oleAssignments@") == 2


def test_keys_are_switched_off(terraform: dict[str, Any], bicep: str) -> None:
    assert _resource(terraform, "azurerm_storage_account", "flowcraft")["shared_access_key_enabled"] is False
    assert _resource(terraform, "azurerm_cosmosdb_account", "flowcraft")["local_authentication_disabled"] is True
    assert "allowSharedKeyAccess: false" in _block(bicep, "storage")
    assert "disableLocalAuth: true" in _block(bicep, "cosmos")


def test_braces_and_brackets_of_bicep_are_closed(bicep: str) -> None:
    text = re.sub(r"'[^'\n]*'", "''", bicep)
    closing = {"}": "{", "]": "[", ")": "("}
    opened: list[str] = []
    for character in text:
        if character in closing.values():
            opened.append(character)
        elif character in closing:
            assert opened.pop() == closing[character]
    assert not opened
