"""The command ``flowcraft`` on SQS and DynamoDB: what it creates, and each command that touches a backend."""

from __future__ import annotations

import itertools
import os
from pathlib import Path

import pytest
from aws_emulators import CREDENTIALS, environment_of
from commanding import commanded
from flowcraft_aws import AwsBackend

_numbers = itertools.count()


async def test_each_command_does_on_aws_what_it_says(
    tmp_path: Path, localstack: str, moto: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment = environment_of(sqs=localstack, dynamodb=moto)
    for name, value in environment.items():  # for the backend beside the command, too
        monkeypatch.setenv(name, value)
    url = f"aws://{CREDENTIALS['region_name']}/commanded-{os.getpid()}-{next(_numbers)}"
    await commanded(tmp_path, url, environment, lambda: AwsBackend.from_url(url))
