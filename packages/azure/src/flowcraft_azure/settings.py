"""Settings from the environment: where the services are, and what opens them."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

import attrs
from azure.cosmos.aio import CosmosClient
from azure.storage.queue.aio import QueueClient
from flowcraft_core.errors import ConfigurationError
from flowcraft_core.urls import BackendUrl
from redis.asyncio import Redis

from .redis_coordination import RedisCoordinationStore

if TYPE_CHECKING:
    from azure.core.credentials_async import AsyncTokenCredential

#: The queue, and the database, of the reference set-up.
QUEUE_NAME = "flowcraft-jobs"
DATABASE_NAME = "flowcraft-db"


@attrs.frozen(kw_only=True)
class AzureSettings:
    """Where the three services are.

    Attributes:
        storage: A connection string, or the address of the account's queues, ``https://ACCOUNT.queue.core.windows.net``.
        queue_name: The queue.
        queues: The names that flows and workers call further queues by: ``gpu`` is called as the queue is, with
            ``-gpu`` behind that.
        cosmos: A connection string, or the account's address, ``https://ACCOUNT.documents.azure.com``.
        cosmos_database_name: The database.
        context_container_name: The container of facts and context values.
        status_container_name: The container of statuses.
        redis: ``rediss://:KEY@HOST:PORT``, or ``HOST:PORT,password=KEY,ssl=True`` as the portal shows it; without it
            all coordination is in Cosmos DB.
        redis_prefix: Before each key in Redis; each deployment that shares one needs its own.
        credential: Makes the credential for what is given as an address; by default ``DefaultAzureCredential`` of
            azure-identity, which finds a managed identity.
    """

    storage: str = attrs.field(repr=False)
    queue_name: str = QUEUE_NAME
    queues: tuple[str, ...] = ()
    cosmos: str = attrs.field(repr=False)
    cosmos_database_name: str = DATABASE_NAME
    context_container_name: str = "contexts"
    status_container_name: str = "statuses"
    redis: str | None = attrs.field(default=None, repr=False)
    redis_prefix: str = "flowcraft:"
    credential: Callable[[], AsyncTokenCredential] | None = None

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> AzureSettings:
        """Read ``AZURE_STORAGE_CONNECTION_STRING`` or ``AZURE_STORAGE_QUEUE_ENDPOINT``, ``COSMOS_DB_CONNECTION_STRING``
        or ``COSMOS_DB_ENDPOINT``, ``REDIS_CONNECTION_STRING``; and for the names ``FLOWCRAFT_QUEUE``,
        ``FLOWCRAFT_NAMED_QUEUES`` (``gpu,urgent``), ``FLOWCRAFT_DATABASE``, ``FLOWCRAFT_CONTEXTS`` and
        ``FLOWCRAFT_STATUSES``.

        Raises:
            ConfigurationError: A service is not named.
        """  # noqa: D205 - the list is the summary
        names = {
            "queue_name": "FLOWCRAFT_QUEUE",
            "cosmos_database_name": "FLOWCRAFT_DATABASE",
            "context_container_name": "FLOWCRAFT_CONTEXTS",
            "status_container_name": "FLOWCRAFT_STATUSES",
        }
        chosen: dict[str, Any] = {field: environment[name] for field, name in names.items() if environment.get(name)}
        further = [name.strip() for name in environment.get("FLOWCRAFT_NAMED_QUEUES", "").split(",") if name.strip()]
        chosen["queues"] = tuple(_require_queue(name) for name in further)
        return cls(
            storage=_one_of(environment, "AZURE_STORAGE_CONNECTION_STRING", "AZURE_STORAGE_QUEUE_ENDPOINT"),
            cosmos=_one_of(environment, "COSMOS_DB_CONNECTION_STRING", "COSMOS_DB_ENDPOINT"),
            redis=environment.get("REDIS_CONNECTION_STRING") or None,
            **chosen,
        )

    @classmethod
    def from_url(cls, url: str, environment: Mapping[str, str] = os.environ) -> AzureSettings:
        """Read ``azure://ACCOUNT/DATABASE``, where the account is that of storage and, unless ``?cosmos=`` names
        another, of Cosmos DB. What the URL leaves out, and all that has a key in it, is as ``from_environment`` says.

        With an account in the URL, both are opened with a token (``DefaultAzureCredential``). Further options are
        ``queue=``, ``queues=gpu,urgent``, ``contexts=`` and ``statuses=``, their names, and ``prefix=`` of the keys in
        Redis.

        Raises:
            ConfigurationError: It cannot be read, says something else, or a service is not named.
        """  # noqa: D205 - the form of the URL is the summary
        parts = BackendUrl.parse(url, ("contexts", "cosmos", "prefix", "queue", "queues", "statuses"))
        database = parts.path.strip("/")
        if "/" in database:
            raise ConfigurationError(f"{parts}: write azure://ACCOUNT/DATABASE, with one database")
        named = dict(environment)
        if parts.host:
            cosmos = parts.options.get("cosmos", parts.host)
            named.pop("AZURE_STORAGE_CONNECTION_STRING", None)
            named.pop("COSMOS_DB_CONNECTION_STRING", None)
            named["AZURE_STORAGE_QUEUE_ENDPOINT"] = f"https://{parts.host}.queue.core.windows.net"
            named["COSMOS_DB_ENDPOINT"] = f"https://{cosmos}.documents.azure.com"
        elif "cosmos" in parts.options:
            raise ConfigurationError(f"{parts}: cosmos= goes with an account: azure://ACCOUNT/DATABASE?cosmos=OTHER")
        chosen = {
            "FLOWCRAFT_DATABASE": database,
            "FLOWCRAFT_QUEUE": parts.options.get("queue"),
            "FLOWCRAFT_NAMED_QUEUES": parts.options.get("queues"),
            "FLOWCRAFT_CONTEXTS": parts.options.get("contexts"),
            "FLOWCRAFT_STATUSES": parts.options.get("statuses"),
        }
        settings = cls.from_environment({**named, **{name: value for name, value in chosen.items() if value}})
        prefix = parts.options.get("prefix")
        return settings if prefix is None else attrs.evolve(settings, redis_prefix=prefix)

    def named_queue(self, name: str) -> str:
        """What the storage account calls a further queue."""
        return f"{self.queue_name}-{name}"

    def queue_client(self, queue_name: str | None = None) -> QueueClient:
        """A client of the queue, or of another one, not yet open.

        Raises:
            ConfigurationError: What says where it is cannot be read, or a token is needed and azure-identity missing.
        """
        queue_name = queue_name or self.queue_name
        if _is_address(self.storage):
            return QueueClient(self.storage, queue_name, credential=self._token_credential())
        with _readable("AZURE_STORAGE_CONNECTION_STRING", "Storage account > Access keys > Connection string"):
            return QueueClient.from_connection_string(self.storage, queue_name)

    def cosmos_client(self) -> CosmosClient:
        """A client of the account, not yet open.

        Raises:
            ConfigurationError: What says where it is cannot be read, or a token is needed and azure-identity missing.
        """
        # Emulators say that they live elsewhere than where they are reached.
        options: dict[str, Any] = {} if self._is_cloud else {"enable_endpoint_discovery": False}
        if _is_address(self.cosmos):
            return CosmosClient(self.cosmos, self._token_credential(), **options)
        with _readable("COSMOS_DB_CONNECTION_STRING", "Azure Cosmos DB account > Keys > Primary Connection String"):
            return CosmosClient.from_connection_string(self.cosmos, **options)

    def redis_client(self) -> Redis:
        """A client of Redis, not yet connected.

        Raises:
            ConfigurationError: There is no Redis in these settings, or what says where it is cannot be read.
        """
        if self.redis is None:
            raise ConfigurationError("REDIS_CONNECTION_STRING is not set: without Redis, coordination is in Cosmos DB")
        with _readable("REDIS_CONNECTION_STRING", "rediss://:KEY@HOST:PORT, or as the portal shows it"):
            client: Redis = Redis.from_url(_redis_url(self.redis), health_check_interval=30)
        return client

    def for_backend(self) -> dict[str, Any]:
        """The arguments that ``AzureBackend`` and ``AzureQueueAdapter`` have in common."""
        redis = None if self.redis is None else RedisCoordinationStore(self.redis_client, prefix=self.redis_prefix)
        return {**self.for_provision(), "coordination_store": redis}

    @property
    def queue_clients(self) -> dict[str, Callable[[], QueueClient]]:
        """What makes a client of each further queue, by the name that flows call it by."""
        return {name: partial(self.queue_client, self.named_queue(name)) for name in self.queues}

    def for_provision(self) -> dict[str, Any]:
        """The arguments of ``provision``."""
        return {
            "queue_client": self.queue_client,
            "cosmos_client": self.cosmos_client,
            "cosmos_database_name": self.cosmos_database_name,
            "context_container_name": self.context_container_name,
            "status_container_name": self.status_container_name,
        }

    @property
    def _is_cloud(self) -> bool:
        return "://127.0.0.1" not in self.cosmos and "://localhost" not in self.cosmos

    def _token_credential(self) -> AsyncTokenCredential:
        if self.credential is not None:
            return self.credential()
        try:
            from azure.identity.aio import DefaultAzureCredential  # noqa: PLC0415 - an extra
        except ImportError as error:
            raise ConfigurationError(
                "an address without a key needs a token: install flowcraft-azure[identity], or give a credential"
            ) from error
        return DefaultAzureCredential()


def _require_queue(name: str) -> str:
    if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", name) or name == "poison":
        raise ConfigurationError(
            f"FLOWCRAFT_NAMED_QUEUES names {name!r}: storage takes lowercase letters, digits and single '-' in the"
            " name of a queue, and '-poison' is what Functions calls those of theirs"
        )
    return name


def _one_of(environment: Mapping[str, str], *names: str) -> str:
    for name in names:
        if value := environment.get(name):
            return value
    raise ConfigurationError(f"set {' or '.join(names)}")


@contextlib.contextmanager
def _readable(name: str, form: str) -> Iterator[None]:
    """Say which setting an SDK cannot read, and not what it is: there may be a key in it."""
    try:
        yield
    except ValueError:
        raise ConfigurationError(f"{name} cannot be read: give it whole ({form})") from None


def _is_address(text: str) -> bool:
    return urlsplit(text).scheme in ("http", "https")


def _redis_url(text: str) -> str:
    """The address in the form that Redis clients know."""
    if "://" in text:
        return text
    host, *options = text.split(",")
    settings = dict(option.strip().partition("=")[::2] for option in options if "=" in option)
    scheme = "rediss" if settings.get("ssl", "").lower() == "true" else "redis"
    return f"{scheme}://:{quote(settings.get('password', ''), safe='')}@{host}/0"
