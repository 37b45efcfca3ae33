"""The emulators of AWS as fixtures, one process of each for a whole session."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import aws_emulators
from aws_emulators import Place


@pytest.fixture(scope="session")
def moto() -> Iterator[str]:
    """The address of moto: SQS that enforces the 12-hour cap, and DynamoDB."""
    with aws_emulators.moto() as server:
        yield server.url


@pytest.fixture(scope="session")
def localstack() -> Iterator[str]:
    """The address of LocalStack: SQS and S3."""
    with aws_emulators.localstack() as server:
        yield server.url


@pytest.fixture(scope="session")
def dynalite() -> Iterator[str]:
    """The address of dynalite: DynamoDB, strict and with exact capacities."""
    with aws_emulators.dynalite() as server:
        yield server.url


@pytest.fixture
def place(localstack: str, moto: str) -> Place:
    """A queue and tables of its own for each test, on SQS of LocalStack and DynamoDB of moto."""
    return Place.create(sqs=localstack, dynamodb=moto)
