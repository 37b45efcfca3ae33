"""Documents in Cosmos DB: the few operations that the stores need, with its errors turned into ours."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias, cast

from azure.core import MatchConditions
from azure.core.async_paging import AsyncPageIterator
from azure.cosmos.aio import ContainerProxy, CosmosClient
from azure.cosmos.exceptions import (
    CosmosAccessConditionFailedError,
    CosmosResourceExistsError,
    CosmosResourceNotFoundError,
)
from azure.cosmos.partition_key import NonePartitionKeyValue
from flowcraft_core.durable.storage import NewerRecordError
from flowcraft_core.errors import ConfigurationError
from flowcraft_core.texts import require_text

from ._answers import require_document
from ._clients import ClientKind, Connection
from ._cosmos_errors import translated
from .metrics import Metrics

Document: TypeAlias = dict[str, Any]

#: Cosmos DB's own. The emulator does not enforce it, so a test does.
MAX_PATCH_OPERATIONS = 10

PARTITION_KEY_PATH = "/runId"

#: The version of the documents' form, their ``v``.
FORMAT = 1


class CosmosDatabase:
    """A database, whose containers share one client.

    Open it, or a backend that uses it, in the event loop in which it is used.
    """

    def __init__(
        self,
        cosmos_client: CosmosClient | Callable[[], CosmosClient] | Connection[CosmosClient],
        name: str,
        *,
        metrics: Metrics | None = None,
    ) -> None:
        """Open nothing yet.

        Args:
            cosmos_client: A client of the account, or a function that makes one.
            name: The database.
            metrics: What counts the requests; new ones by default.
        """
        self.name = name
        self.given = cosmos_client
        self.metrics = metrics or Metrics()
        self._connection = cosmos_connection(cosmos_client)

    def again(self, metrics: Metrics) -> CosmosDatabase:
        """The same database with other metrics: for any event loop if this one was given a function, else for its."""
        return CosmosDatabase(self.given if callable(self.given) else self._connection, self.name, metrics=metrics)

    def connection(self) -> Connection[CosmosClient]:
        """A connection for any event loop if this one was given a function, else its own."""
        return cosmos_connection(self.given) if callable(self.given) else self._connection

    async def open(self) -> None:
        """Open the client."""
        async with translated(f"database {self.name!r}"):
            await self._connection.open()

    async def close(self) -> None:
        """Let go of the client."""
        await self._connection.close()

    def container(self, name: str) -> Container:
        """One of its containers, whether or not it exists."""
        return Container(self, name)

    def proxy(self, name: str) -> ContainerProxy:
        """The SDK's own view of a container, in the running event loop."""
        return self._connection.client.get_database_client(self.name).get_container_client(name)


class Container:
    """A container partitioned by ``/runId``."""

    def __init__(self, database: CosmosDatabase, name: str) -> None:
        self.database = database
        self.name = name

    async def open(self) -> None:
        """Open the database's client, and see whether the container is as it must be.

        Raises:
            BackendError: It does not exist, or may not be read.
            ConfigurationError: It is not partitioned by ``/runId``.
        """
        await self.database.open()
        try:
            async with translated(self._what):
                properties = await self._proxy.read()
                paths = properties["partitionKey"]["paths"]
            if paths != [PARTITION_KEY_PATH]:
                raise ConfigurationError(
                    f"{self._what} is partitioned by {', '.join(paths)}: create it with the partition key path "
                    f"{PARTITION_KEY_PATH}"
                )
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """Let go of the database's client."""
        await self.database.close()

    async def create(self, document: Mapping[str, Any]) -> bool:
        """Store a document if its partition has none of its id; False if it has."""
        require_text(document)
        try:
            async with translated(self._what, CosmosResourceExistsError):
                await self._proxy.create_item(dict(document), no_response=True, **self._watching)
        except CosmosResourceExistsError:
            return False
        return True

    async def read(self, document_id: str, partition: str) -> Document | None:
        """A document, by a point read; None if it is not there, or not visible yet."""
        try:
            async with translated(self._what, CosmosResourceNotFoundError):
                found = await self._proxy.read_item(document_id, partition, **self._watching)
                return cast(Document, require_document(found, document_id))
        except CosmosResourceNotFoundError:
            return None

    async def replace(self, document: Document) -> bool:
        """Store a changed document that was read; False if somebody else has changed or deleted it since."""
        require_text(document)
        try:
            async with translated(self._what, *_CHANGED):
                await self._proxy.replace_item(
                    document["id"],
                    document,
                    etag=document["_etag"],
                    match_condition=MatchConditions.IfNotModified,
                    no_response=True,
                    **self._watching,
                )
        except _CHANGED:
            return False
        return True

    async def patch(
        self, document_id: str, partition: str, operations: Sequence[tuple[str, str, Any]], condition: str
    ) -> Document | None:
        """Change a document if it is there and a condition holds, in one step, and return it; else None.

        Args:
            document_id: The document.
            partition: Where it is.
            operations: Each with an operation (``set``, ``incr``), a path and a value.
            condition: For a ``WHERE`` clause, in which the document is called ``c``.
        """
        assert len(operations) <= MAX_PATCH_OPERATIONS
        require_text(operations)
        try:
            async with translated(self._what, *_CHANGED):
                patched = await self._proxy.patch_item(
                    document_id,
                    partition,
                    [{"op": operation, "path": path, "value": value} for operation, path, value in operations],
                    filter_predicate=f"FROM c WHERE {condition}",
                    **self._watching,
                )
                return cast(Document, require_document(patched, document_id))
        except _CHANGED:
            return None

    async def delete(self, document_id: str, partition: str | None) -> None:
        """Remove a document, if it is there; with no partition one that lacks a ``runId``."""
        try:
            async with translated(self._what, CosmosResourceNotFoundError):
                await self._proxy.delete_item(
                    document_id,
                    cast(str, NonePartitionKeyValue) if partition is None else partition,
                    **self._watching,
                )
        except CosmosResourceNotFoundError:
            return

    async def query(self, where: str, partition: str | None = None, **parameters: Any) -> list[Document]:
        """All documents for which a condition holds, however many pages they fill.

        Args:
            where: The condition; the document is called ``c``, and ``@name`` stands for a parameter.
            partition: Where to look; None for everywhere.
            parameters: By name.
        """
        require_text(parameters)
        async with translated(self._what):
            found = self._proxy.query_items(partition_key=partition, **_query(where, parameters), **self._watching)
            return [_required(document) async for document in found]

    async def page(
        self, where: str, *, limit: int, cursor: str | None, **parameters: Any
    ) -> tuple[list[Document], str | None]:
        """Some of the documents of all partitions for which a condition holds, and where the next page begins.

        Raises:
            ValueError: The cursor is none that this method gave.
        """
        begin = None if cursor is None else _read_cursor(cursor, where)
        async with translated(self._what):
            found = self._proxy.query_items(max_item_count=limit, **_query(where, parameters), **self._watching)
            pages = cast("AsyncPageIterator[Document]", found.by_page(begin))
            try:
                page = await anext(pages)
            except StopAsyncIteration:
                return [], None
            documents = [_required(document) async for document in page]
        token = pages.continuation_token
        return documents, _write_cursor(str(token), where) if token else None

    @property
    def _what(self) -> str:
        return f"container {self.database.name}/{self.name}"

    @property
    def _watching(self) -> Mapping[str, Any]:
        return self.database.metrics.watching

    @property
    def _proxy(self) -> ContainerProxy:
        return self.database.proxy(self.name)


def _required(found: Any) -> Document:
    return cast(Document, require_document(found, found.get("id")))


def require_format(document: Document, what: str) -> None:
    """Refuse a document that a newer version has written.

    Args:
        document: As it was read.
        what: What it is, for the message.

    Raises:
        NewerRecordError: It is one; jobs that meet it are passed on to a worker that can read it.
    """
    if document.get("v") != FORMAT:
        raise NewerRecordError(
            f"{what} has format {document.get('v')!r}; this version of flowcraft-azure reads {FORMAT}: update it"
        )


_CHANGED = (CosmosAccessConditionFailedError, CosmosResourceNotFoundError)


def require_two_containers(contexts: str, statuses: str) -> None:
    """Refuse one container for both.

    Raises:
        ConfigurationError: They are the same.
    """
    if contexts == statuses:
        raise ConfigurationError(
            f"the container {contexts!r} was given for both contexts and statuses: give each one of its own, as what is"
            " written by hand of a run has the run's id in both"
        )


def cosmos_connection(
    given: CosmosClient | Callable[[], CosmosClient] | Connection[CosmosClient],
) -> Connection[CosmosClient]:
    """A connection to an account."""
    if isinstance(given, Connection):
        return given
    return Connection(
        "cosmos_client",
        given,
        open_client=lambda client: client.__aenter__(),
        close_client=lambda client: client.close(),
        kind=ClientKind("azure.cosmos.aio", ("__aenter__", "get_database_client")),
    )


def _query(where: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "query": f"SELECT * FROM c WHERE {where}",  # noqa: S608 - conditions are constants; what varies is a parameter
        "parameters": [{"name": f"@{name}", "value": value} for name, value in parameters.items()],
    }


# A cursor is Cosmos DB's own token, and the question that it belongs to.


def _write_cursor(token: str, question: str) -> str:
    return base64.urlsafe_b64encode(json.dumps([question, token]).encode()).decode()


def _read_cursor(cursor: str, question: str) -> str:
    try:
        asked, token = json.loads(base64.b64decode(cursor, altchars=b"-_", validate=True))
    except (ValueError, TypeError, RecursionError, binascii.Error) as error:
        raise ValueError(f"cursor={cursor!r:.80} is none that CosmosStatusStore gave") from error
    if asked != question or not isinstance(token, str):
        raise ValueError(f"cursor={cursor!r:.80} is none that CosmosStatusStore gave for this question")
    return token
