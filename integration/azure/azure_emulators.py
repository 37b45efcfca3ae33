"""Queue Storage, Cosmos DB and Redis on this machine: in containers where Docker answers, else as processes.

``FLOWCRAFT_EMULATORS=containers`` or ``processes`` decides instead. An emulator that cannot be had is an error.
"""

from __future__ import annotations

import contextlib
import importlib
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
import servers
from azure.cosmos.aio import CosmosClient
from azure.storage.queue.aio import QueueClient
from redis.asyncio import Redis

_FOLDER = Path(__file__).parent

# The account and the key that every Azurite has; both are published and guard nothing.
_ACCOUNT = "devstoreaccount1"
_STORAGE_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
_COSMOS_KEY = "C2y6yDjf5/R+ob0N8A7Cgv30VRDJIWEHLM+4QDU5DE2nQ9nDuVTqobD4b8mGGyPMbIZnqyMsEcaGQy67XIw/Jw=="


AZURITE_IMAGE = "mcr.microsoft.com/azure-storage/azurite:3.35.0"
COSMOS_IMAGE = "mcr.microsoft.com/cosmosdb/linux/azure-cosmos-emulator:vnext-preview"
REDIS_IMAGE = "redis:7"

#: Seconds until a container must answer.
_PATIENCE = 120.0


@attrs.frozen
class Emulators:
    """Where the three answer, and clients of them.

    Attributes:
        queue_url: Queue Storage, with the account's name.
        cosmos_url: Cosmos DB.
        redis_url: Redis.
    """

    queue_url: str
    cosmos_url: str
    redis_url: str

    def environment(self) -> dict[str, str]:
        """The variables by which ``AzureSettings.from_environment`` finds them."""
        return {
            "AZURE_STORAGE_CONNECTION_STRING": self.storage_connection_string,
            "COSMOS_DB_CONNECTION_STRING": f"AccountEndpoint={self.cosmos_url};AccountKey={_COSMOS_KEY}",
            "REDIS_CONNECTION_STRING": self.redis_url,
        }

    @property
    def storage_connection_string(self) -> str:
        """As a user has one."""
        return (
            f"DefaultEndpointsProtocol=http;AccountName={_ACCOUNT};AccountKey={_STORAGE_KEY};"
            f"QueueEndpoint={self.queue_url};"
        )

    def queue_client(self, name: str) -> QueueClient:
        """A client of a queue, not yet open."""
        return QueueClient.from_connection_string(self.storage_connection_string, name)

    def cosmos_client(self) -> CosmosClient:
        """A client of the account, not yet open."""
        # The emulators say that they live elsewhere.
        return CosmosClient(self.cosmos_url, _COSMOS_KEY, enable_endpoint_discovery=False)

    def redis_client(self) -> Redis:
        """A client, not yet connected."""
        client: Redis = Redis.from_url(self.redis_url)
        return client


@contextlib.contextmanager
def emulators() -> Iterator[Emulators]:
    """Run all three for a ``with`` block."""
    with _in_containers() if servers.flavour() == "containers" else _as_processes() as running:
        yield running


@contextlib.contextmanager
def _as_processes() -> Iterator[Emulators]:
    modules = servers.node_environment(_FOLDER / "package.json") / "node_modules"
    node = servers.node()

    def azurite(port: int) -> list[str]:
        program = modules / "azurite" / "dist" / "src" / "queue" / "main.js"
        options = ["--silent", "--disableTelemetry", "--skipApiVersionCheck", "--inMemoryPersistence"]
        return [node, str(program), *options, "--queuePort", str(port)]

    def cosmos(port: int) -> list[str]:
        return [node, str(_FOLDER / "cosmos-server.cjs"), str(modules), str(port)]

    with (
        servers.served("azurite", azurite, servers.answers_http("/")) as queue,
        servers.served("cosmos", cosmos, servers.answers_http("/")) as database,
        servers.served("redis", redis_command, servers.answers_tcp) as memory,
    ):
        yield _emulators(queue, database, memory)


def redis_command(port: int, *options: str) -> list[str]:
    """What runs a Redis on a port."""
    return [_redis_server(), "--port", str(port), "--save", "", "--appendonly", "no", *options]


def _redis_server() -> str:
    """The machine's ``redis-server``, else that of a wheel which brings it."""
    found = shutil.which("redis-server")
    if found is not None:
        return found
    return str(servers.python_environment(_FOLDER / "redis-requirements.txt") / "redis-server")


@contextlib.contextmanager
def _in_containers() -> Iterator[Emulators]:
    # Needed only where there is Docker.
    DockerContainer: Any = importlib.import_module("testcontainers.core.container").DockerContainer  # noqa: N806
    queue = DockerContainer(AZURITE_IMAGE).with_command(
        "azurite-queue --queueHost 0.0.0.0 --skipApiVersionCheck --inMemoryPersistence"
    )
    cosmos = DockerContainer(COSMOS_IMAGE).with_env("PROTOCOL", "http")
    redis = DockerContainer(REDIS_IMAGE)
    with (
        _contained("azurite", queue, 10001, servers.answers_http("/")) as queue_server,
        _contained("cosmos", cosmos, 8081, servers.answers_http("/")) as database,
        _contained("redis", redis, 6379, servers.answers_tcp) as memory,
    ):
        yield _emulators(queue_server, database, memory)


@contextlib.contextmanager
def _contained(name: str, container: Any, port: int, ready: servers.Ready) -> Iterator[servers.Server]:
    with container.with_exposed_ports(port):
        server = servers.Server(name, container.get_container_host_ip(), int(container.get_exposed_port(port)))
        servers.wait_until_ready(server, ready, deadline=_PATIENCE)
        yield server


def _emulators(queue: servers.Server, database: servers.Server, memory: servers.Server) -> Emulators:
    return Emulators(f"{queue.url}/{_ACCOUNT}", database.url, f"redis://{memory.host}:{memory.port}/0")
