"""``python integration aws``: the tests and scenarios on SQS of LocalStack and DynamoDB of moto."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from aws_emulators import environment_of
from integrating import integrate
from on_aws import OnAws, emulators, end_emulators


def main(arguments: Sequence[str]) -> int:
    """Run what the command line asks for; the exit code is 0 if all of it holds."""
    try:
        return integrate("aws", arguments, OnAws, more=_lambda_times)
    finally:
        end_emulators()


def _lambda_times() -> dict[str, Any]:
    """How long the example's function takes to start, in a process of its own."""
    sqs, dynamodb = emulators()
    program = Path(__file__).with_name("lambda_times.py")
    measured = subprocess.run(
        [sys.executable, str(program)],
        env=environment_of(sqs=sqs, dynamodb=dynamodb),
        capture_output=True,
        check=True,
        text=True,
    )
    times: dict[str, float] = json.loads(measured.stdout)
    print(", ".join(f"{name} {seconds:.0f} ms" for name, seconds in times.items()))
    return {"lambda": times}
