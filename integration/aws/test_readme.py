"""What ``packages/aws/README.md`` shows, done as it is printed: its programs, and its commands."""

from __future__ import annotations

import contextlib
import json
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from aws_emulators import client, environment_of
from flowcraft_aws import provision

_ROOT = Path(__file__).parents[2]
_README = (_ROOT / "packages" / "aws" / "README.md").read_text(encoding="utf-8")
_PROGRAMS = re.findall(r"^```python\n(.*?)^```$", _README, re.MULTILINE | re.DOTALL)
_COMMANDS = re.findall(r"^aws .*$", _README, re.MULTILINE)
_SERVES = "asyncio.run(adapter.serve(handle_signals=True))\n"
_PATIENCE = 120.0


@pytest.fixture
def environment(localstack: str, moto: str) -> dict[str, str]:
    """A newcomer's, after the set-up."""
    there = provision(sqs_client=client("sqs", localstack), dynamodb_client=client("dynamodb", moto))
    return {**environment_of(sqs=localstack, dynamodb=moto), "SQS_QUEUE_URL": there.queue_url}


def _start(program: str, environment: dict[str, str]) -> subprocess.Popen[str]:
    """A program beside the example's modules, one of which it imports."""
    return subprocess.Popen(
        [sys.executable, "-c", program],
        cwd=_ROOT / "examples" / "aws",
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@contextlib.contextmanager
def _worker(environment: dict[str, str]) -> Iterator[None]:
    """The worker that is shown; it ends well when it is told to."""
    worker = _start(_PROGRAMS[0], environment)
    try:
        yield
        worker.send_signal(signal.SIGTERM)
        _, said = worker.communicate(timeout=_PATIENCE)
        assert worker.returncode == 0, said
    finally:
        worker.kill()
        worker.wait()


def test_the_programs_run_as_they_are_printed(environment: dict[str, str]) -> None:
    """The worker; and another program that begins as it does, and then does all the rest."""
    worker, *others = _PROGRAMS
    assert worker.endswith(_SERVES)
    shown = "\n".join([worker.removesuffix(_SERVES), *others, "print(result.outputs['ship'])", "adapter.stop()"])
    with _worker(environment):
        client_program = _start(shown, environment)
        printed, said = client_program.communicate(timeout=_PATIENCE)
    assert client_program.returncode == 0, said
    reconciled, shipped = printed.splitlines()
    assert re.fullmatch(r"scanned \d+, reconciled \d+, without a message \(\)", reconciled)
    assert shipped == "shipped: charged 8, packed 2 items"


def test_a_run_is_begun_by_hand_with_the_commands_that_are_printed(
    environment: dict[str, str], localstack: str, moto: str
) -> None:
    assert len(_COMMANDS) == 3
    for command in _COMMANDS:
        _aws(command.replace("$SQS_QUEUE_URL", environment["SQS_QUEUE_URL"]), {"sqs": localstack, "dynamodb": moto})
    with _worker(environment):
        end = time.monotonic() + _PATIENCE
        while _status(moto)["status"] == {"S": "running"}:
            assert time.monotonic() < end, "the run does not end"
            time.sleep(0.1)
    assert _status(moto)["status"] == {"S": "completed"}


def _status(moto: str) -> dict[str, Any]:
    key = {"runId": {"S": "run-1"}}
    found = client("dynamodb", moto).get_item(TableName="flowcraft-statuses", Key=key, ConsistentRead=True)
    item: dict[str, Any] = found["Item"]
    return item


def _aws(command: str, urls: dict[str, str]) -> None:
    """What the AWS CLI does with a command: the operation of an SDK, whose parameters are the options."""
    _, service, operation, *options = shlex.split(command)
    parameters = {
        option.removeprefix("--").title().replace("-", ""): json.loads(value) if option == "--item" else value
        for option, value in zip(options[::2], options[1::2], strict=True)
    }
    getattr(client(service, urls[service]), operation.replace("-", "_"))(**parameters)
