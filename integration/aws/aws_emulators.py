"""Emulators of SQS, DynamoDB and S3, and places on them: a queue and three tables."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import importlib
import itertools
import os
from collections.abc import Coroutine, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import attrs
import boto3
from dialects import DYNAMODB, SQS, Dialect
from flowcraft_aws import AwsBackend, DynamoDbCoordinationStore, SqsAdapter, client_config, provision
from flowcraft_aws.places import named_queue
from flowcraft_core import FlowRuntime
from flowcraft_testkit.contracts import QUEUES
from proxy import HttpProxy
from servers import (
    Server,
    answers_http,
    answers_tcp,
    flavour,
    node,
    node_environment,
    python_environment,
    served,
    wait_until_ready,
)

_HERE = Path(__file__).parent
_LOCALSTACK_IMAGE = "localstack/localstack:4.9.2"
#: An emulator takes any credentials.
CREDENTIALS: dict[str, Any] = {
    "region_name": "us-east-1",
    "aws_access_key_id": "test",
    "aws_secret_access_key": "test",
}
_numbers = itertools.count(1)


def moto() -> AbstractContextManager[Server]:
    """SQS and DynamoDB of moto, always as a process."""
    python = python_environment(_HERE / "moto-requirements.txt") / "python"
    return served(
        "moto",
        lambda port: [str(python), str(_HERE / "moto_program.py"), str(port)],
        answers_http("/moto-api/"),
    )


def dynalite() -> AbstractContextManager[Server]:
    """DynamoDB of dynalite, always as a process."""
    program = node_environment(_HERE / "dynalite" / "package.json") / "node_modules" / "dynalite" / "cli.js"
    return served(
        "dynalite",
        # Tables and indexes are made at once.
        lambda port: [node(), str(program), "--port", str(port), "--createTableMs", "0", "--updateTableMs", "0"],
        answers_tcp,
    )


def localstack() -> AbstractContextManager[Server]:
    """SQS and S3 of LocalStack, in a container where there is an engine for it."""
    return _localstack_container() if flavour() == "containers" else _localstack_process()


def _localstack_process() -> AbstractContextManager[Server]:
    python = python_environment(_HERE / "localstack-requirements.txt", dependencies=False) / "python"
    return served(
        "localstack",
        lambda _: [str(python), "-m", "localstack.runtime.main"],
        answers_http("/_localstack/health"),
        environment={
            "GATEWAY_LISTEN": "127.0.0.1:{port}",
            "SERVICES": "sqs,s3",
            "SKIP_SSL_CERT_DOWNLOAD": "1",
            "DISABLE_EVENTS": "1",
            "DNS_ADDRESS": "0",
        },
    )


@contextlib.contextmanager
def _localstack_container() -> Iterator[Server]:
    testcontainers: Any = importlib.import_module("testcontainers.core.container")  # only where containers are used
    container = (
        testcontainers.DockerContainer(_LOCALSTACK_IMAGE).with_exposed_ports(4566).with_env("SERVICES", "sqs,s3")
    )
    with container:
        server = Server("localstack", container.get_container_host_ip(), int(container.get_exposed_port(4566)))
        wait_until_ready(server, answers_http("/_localstack/health"))
        yield server


@attrs.frozen
class Place:
    """A queue, further ones by name, and three tables of their own, as the plainest commands make them.

    Attributes:
        sqs_url: The address of the emulator of SQS.
        dynamodb_url: The address of the emulator of DynamoDB.
        queue_url: The queue.
        contexts: The table of facts and context values.
        statuses: The table of statuses.
        coordination: The table of counters, leases and sets.
    """

    sqs_url: str
    dynamodb_url: str
    queue_url: str
    contexts: str
    statuses: str
    coordination: str

    @classmethod
    def create(cls, *, sqs: str, dynamodb: str) -> Place:
        """Make them."""
        mark = f"{os.getpid()}-{next(_numbers)}"
        queue_url = client("sqs", sqs).create_queue(QueueName=f"jobs-{mark}")["QueueUrl"]
        for name in QUEUES:
            client("sqs", sqs).create_queue(QueueName=named_queue(f"jobs-{mark}", name))
        tables = {f"contexts-{mark}": "runId", f"statuses-{mark}": "runId", f"coordination-{mark}": "key"}
        made = client("dynamodb", dynamodb)
        for name, key in tables.items():
            made.create_table(
                TableName=name,
                AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"}],
                KeySchema=[{"AttributeName": key, "KeyType": "HASH"}],
                BillingMode="PAY_PER_REQUEST",
            )
        for name in tables:
            made.get_waiter("table_exists").wait(TableName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 30})
        return cls(sqs, dynamodb, queue_url, *tables)

    @property
    def queue_name(self) -> str:
        """The queue's name."""
        return self.queue_url.rpartition("/")[2]

    @property
    def url(self) -> str:
        """The place as a URL, for programs with ``environment_of`` these emulators."""
        tables = f"contexts={self.contexts}&statuses={self.statuses}&coordination={self.coordination}"
        return f"aws://{CREDENTIALS['region_name']}?queue={self.queue_name}&queues={','.join(QUEUES)}&{tables}"

    @classmethod
    def provisioned(cls, *, sqs: str, dynamodb: str) -> Place:
        """One that is set up as it should be."""
        mark = f"{os.getpid()}-{next(_numbers)}"
        made = provision(
            queue_name=f"jobs-{mark}",
            queues=QUEUES,
            context_table_name=f"contexts-{mark}",
            status_table_name=f"statuses-{mark}",
            coordination_table_name=f"coordination-{mark}",
            sqs_client=client("sqs", sqs),
            dynamodb_client=client("dynamodb", dynamodb),
        )
        tables = (made.context_table_name, made.status_table_name, made.coordination_table_name)
        return cls(sqs, dynamodb, made.queue_url, *tables)

    def backend(self, **options: Any) -> AwsBackend:
        """A backend, not yet open."""
        usual: dict[str, Any] = {
            "queue_url": self.queue_url,
            "queues": {name: named_queue(self.queue_url, name) for name in QUEUES},
            "context_table_name": self.contexts,
            "status_table_name": self.statuses,
            "coordination_table_name": self.coordination,
        }
        if "sqs_client" not in options:
            usual["sqs_client"] = client("sqs", self.sqs_url)
        if "dynamodb_client" not in options:
            usual["dynamodb_client"] = client("dynamodb", self.dynamodb_url)
        return AwsBackend(**{**usual, **options})

    def adapter(self, runtime: FlowRuntime, **options: Any) -> SqsAdapter:
        """An adapter, made as the reference's page makes it."""
        dynamodb = client("dynamodb", self.dynamodb_url)
        return SqsAdapter(
            runtime=runtime,
            coordination_store=DynamoDbCoordinationStore(client=dynamodb, table_name=self.coordination),
            sqs_client=client("sqs", self.sqs_url),
            dynamodb_client=dynamodb,
            queue_url=self.queue_url,
            context_table_name=self.contexts,
            status_table_name=self.statuses,
            **options,
        )


@contextlib.contextmanager
def proxied(place: Place, *, seed: int = 7) -> Iterator[tuple[Place, tuple[HttpProxy, HttpProxy]]]:
    """The same place behind proxies, of SQS and of DynamoDB."""

    def proxy(url: str, dialect: Dialect) -> HttpProxy:
        parts = urlsplit(url)
        return HttpProxy(parts.hostname or "", parts.port or 0, dialect, seed=seed)

    with proxy(place.sqs_url, SQS) as sqs, proxy(place.dynamodb_url, DYNAMODB) as dynamodb:
        yield attrs.evolve(place, sqs_url=sqs.url, dynamodb_url=dynamodb.url), (sqs, dynamodb)


@functools.cache
def client(service: Any, url: str) -> Any:
    """A boto3 client of an emulator, one for all: it takes long to make, and any thread may use it."""
    return boto3.client(service, endpoint_url=url, config=client_config(threads=64), **CREDENTIALS)


def add_index(place: Place) -> None:
    """Give a place's statuses the index, as ``provision`` does."""
    provision(
        queue_name=place.queue_url.rsplit("/", 1)[-1],
        context_table_name=place.contexts,
        status_table_name=place.statuses,
        coordination_table_name=place.coordination,
        sqs_client=client("sqs", place.sqs_url),
        dynamodb_client=client("dynamodb", place.dynamodb_url),
    )


def environment_of(*, sqs: str, dynamodb: str) -> dict[str, str]:
    """This process's environment, with what leads a program's boto3 to the emulators."""
    return {
        **os.environ,
        "AWS_ENDPOINT_URL_SQS": sqs,
        "AWS_ENDPOINT_URL_DYNAMODB": dynamodb,
        "AWS_DEFAULT_REGION": CREDENTIALS["region_name"],
        "AWS_ACCESS_KEY_ID": CREDENTIALS["aws_access_key_id"],
        "AWS_SECRET_ACCESS_KEY": CREDENTIALS["aws_secret_access_key"],
    }


def in_background(work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
    """Start a program in the running loop."""
    return asyncio.get_running_loop().create_task(work)
