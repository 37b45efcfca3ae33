"""Looks at a queue, containers and Redis on Azure, and says what is wrong with them; nothing is changed by it.

Whether something may be done is found out by calls that can do nothing: changes of messages and documents that nobody
has, a message that is too long. What is refused as such was allowed to be asked.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import attrs
from azure.core import MatchConditions
from flowcraft_core.diagnosis import clock_skew
from flowcraft_core.ports import Finding

from . import _cosmos_errors, _queue_errors, _redis_errors, symptoms
from ._asking import Asking, Refusal
from ._clients import Connection
from ._cosmos import PARTITION_KEY_PATH
from ._layout import LEAST_KEPT, ContainerLayout
from .queue import ONCE

#: No message, document and key is called so: ids of documents begin with a kind.
_NOBODYS = "flowcraft-doctor"
#: A message has 64 KiB at most.
_TOO_LONG = "x" * 70_000


@attrs.define
class Report:
    """What has come out so far.

    Attributes:
        found: What is wrong.
        denied: What is not allowed, and has to be.
    """

    found: list[Finding] = attrs.field(factory=list)
    denied: list[str] = attrs.field(factory=list)

    def findings(self) -> list[Finding]:
        """All of it: what has one cause is one finding."""
        denied = [symptoms.PERMISSION.found(actions="; ".join(self.denied))] if self.denied else []
        return list(dict.fromkeys([*self.found, *denied]))


@attrs.frozen
class DiagnosedDatabase:
    """A database, and what its containers have to be like.

    Attributes:
        connection: A connection to the account.
        name: The database.
        layouts: Its containers.
        holds_hints: The name of the container that holds hints, which expire; None if Redis does.
    """

    connection: Connection[Any]
    name: str
    layouts: Sequence[ContainerLayout]
    holds_hints: str | None


@attrs.frozen
class DiagnosedRedis:
    """A Redis.

    Attributes:
        connection: A connection to it.
        prefix: What all keys begin with.
    """

    connection: Connection[Any]
    prefix: str


async def examine(
    queues: Sequence[Connection[Any]], database: DiagnosedDatabase, redis: DiagnosedRedis | None
) -> list[Finding]:
    """What is wrong.

    Args:
        queues: A connection to each queue; like the others they are opened and closed here.
        database: The database.
        redis: Redis, if there is one.
    """
    asking, report = Asking(), Report()
    parts = [*(_of_queue(asking, queue, report) for queue in queues), _of_database(asking, database, report)]
    await asyncio.gather(*parts, *([] if redis is None else [_of_redis(asking, redis, report)]))
    return [*report.findings(), *clock_skew(asking.readings)]


@asynccontextmanager
async def _opened(asking: Asking, service: str, translated: Any, connection: Connection[Any]) -> Any:
    await asking.ask(service, translated, connection.open)
    try:
        yield connection.client
    finally:
        await connection.leave()


async def _of_probes(
    asking: Asking, service: str, translated: Callable[[], Any], probes: Mapping[str, Callable[[], Any]], report: Report
) -> None:
    """Note what is not allowed; any answer but that says that it is."""

    async def is_denied(call: Callable[[], Awaitable[Any]]) -> bool:
        try:
            await asking.ask(service, translated(), call)
        except Refusal as refusal:
            return refusal.is_denied
        return False

    answers = [await is_denied(call) for call in probes.values()]
    if denied := [action for action, no in zip(probes, answers, strict=True) if no]:
        report.denied.append(f"{', '.join(denied)} on {service}")


# --- the queue --------------------------------------------------------------------------------------------------------


async def _of_queue(asking: Asking, connection: Connection[Any], report: Report) -> None:
    service = "Queue Storage"
    try:
        async with _opened(asking, service, _queue_errors.translated("of storage"), connection) as client:
            name, service = client.queue_name, f"queue {client.queue_name!r}"
            policy = type(getattr(client, "_message_encode_policy", None)).__name__
            if policy not in ("NoEncodePolicy", "NoneType"):
                report.found.append(symptoms.QUEUE_ENCODING.found(name=name, policy=policy))
            options = {**ONCE, **asking.hook("Queue Storage")}

            def translated() -> Any:
                return _queue_errors.translated(name)

            try:
                await asking.ask(service, translated(), lambda: client.get_queue_properties(**options))
            except Refusal as refusal:
                if refusal.status == 404:
                    report.found.append(symptoms.QUEUE_MISSING.found(name=name))
                    return
                if not refusal.is_denied:
                    raise
                report.denied.append(f"to read the properties of {service}")
            await _of_probes(
                asking,
                service,
                translated,
                {
                    "to send": lambda: client.send_message(_TOO_LONG, time_to_live=1, **ONCE),
                    "to receive and delete": lambda: client.delete_message(_NOBODYS, _NOBODYS, **ONCE),
                    "to hold": lambda: client.update_message(_NOBODYS, _NOBODYS, visibility_timeout=0, **ONCE),
                },
                report,
            )
    except Refusal as refusal:
        report.found.append(refusal.finding)


# --- the database -----------------------------------------------------------------------------------------------------


async def _of_database(asking: Asking, database: DiagnosedDatabase, report: Report) -> None:
    names = [layout.name for layout in database.layouts]
    if len(set(names)) < len(names):
        report.found.append(symptoms.CONTAINERS_SHARED.found(name=names[0]))
        return
    service = "Cosmos DB"

    def translated() -> Any:
        return _cosmos_errors.translated(f"database {database.name!r}")

    try:
        async with _opened(asking, service, translated(), database.connection) as client:
            proxy = client.get_database_client(database.name)
            hook = asking.hook(service)
            try:
                await asking.ask(service, translated(), lambda: proxy.read(**hook))
            except Refusal as refusal:
                if refusal.status == 404:
                    report.found.append(symptoms.DATABASE_MISSING.found(name=database.name))
                    return
                if not refusal.is_denied:
                    raise
            missing = []
            for layout in database.layouts:
                if not await _of_container(asking, proxy.get_container_client(layout.name), layout, database, report):
                    missing.append(repr(layout.name))
            if missing:
                listed = ", ".join(missing)
                report.found.append(symptoms.CONTAINER_MISSING.found(names=listed, database=database.name))
    except Refusal as refusal:
        report.found.append(refusal.finding)


async def _of_container(
    asking: Asking, proxy: Any, layout: ContainerLayout, database: DiagnosedDatabase, report: Report
) -> bool:
    """Whether it is there at all; what is wrong with it is reported."""
    service = f"container {database.name}/{layout.name}"

    def translated() -> Any:
        return _cosmos_errors.translated(service)

    try:
        made = await asking.ask(service, translated(), proxy.read)
    except Refusal as refusal:
        if not refusal.is_denied and refusal.status != 404:
            raise
        if refusal.is_denied:
            report.denied.append(f"to read the properties of {service}")
        return refusal.is_denied
    paths = made["partitionKey"]["paths"]
    if paths != [PARTITION_KEY_PATH]:
        listed = ", ".join(map(repr, paths))
        report.found.append(symptoms.CONTAINER_KEY.found(name=layout.name, paths=listed, wanted=PARTITION_KEY_PATH))
        return True
    report.found += _of_expiry(made, layout, database)
    report.found += _of_indexing(made.get("indexingPolicy", layout.indexing), layout)
    nothing = {"id": _NOBODYS, "runId": _NOBODYS}
    unchanged: Any = {"etag": _NOBODYS, "match_condition": MatchConditions.IfNotModified}
    await _of_probes(
        asking,
        service,
        translated,
        {
            "to read": lambda: proxy.read_item(_NOBODYS, _NOBODYS),
            "to replace": lambda: proxy.replace_item(_NOBODYS, nothing, **unchanged),
            "to delete": lambda: proxy.delete_item(_NOBODYS, _NOBODYS),
        },
        report,
    )
    return True


def _of_expiry(made: Mapping[str, Any], layout: ContainerLayout, database: DiagnosedDatabase) -> Iterator[Finding]:
    kept = made.get("defaultTtl")
    if kept is None and layout.name == database.holds_hints:
        yield symptoms.EXPIRY_OFF.found(name=layout.name)
    elif kept is not None and 0 < kept < LEAST_KEPT:
        yield symptoms.EXPIRY_OF_RUNS.found(name=layout.name, days=kept / 86_400)


def _of_indexing(policy: Mapping[str, Any], layout: ContainerLayout) -> Iterator[Finding]:
    included = {each["path"] for each in policy.get("includedPaths", [])}
    is_off = policy.get("indexingMode", "consistent") == "none"
    lacks = [path for path in layout.indexed if is_off or not included & {path, "/*", path.replace("/?", "/*")}]
    if lacks:
        yield symptoms.INDEX_MISSING.found(name=layout.name, paths=", ".join(lacks))
    elif "/*" in included and len(layout.indexed) == 1:  # of what is asked by one path only, all else is for nothing
        yield symptoms.INDEX_COSTLY.found(name=layout.name)


# --- Redis ------------------------------------------------------------------------------------------------------------


async def _of_redis(asking: Asking, redis: DiagnosedRedis, report: Report) -> None:
    service, key = "Redis", f"{redis.prefix}{_NOBODYS}"
    try:
        async with _opened(asking, service, _redis_errors.translated(), redis.connection) as client:
            await _of_probes(
                asking,
                service,
                _redis_errors.translated,
                {
                    "to read": lambda: client.get(key),
                    "to delete": lambda: client.delete(key),
                    "to run scripts": lambda: client.eval("return 1", 1, key),
                },
                report,
            )
            if hasattr(client, "nodes_manager"):  # of a cluster, each of which has settings of its own
                return
            asked = time.time()
            try:
                seconds, micros = await asking.ask(service, _redis_errors.translated(), client.time)
                asking.note(service, int(seconds + micros / 1_000_000), asked)
                settings = await asking.ask(service, _redis_errors.translated(), client.info)
            except Refusal:  # a managed one need not tell
                return
            if settings.get("role") == "slave":
                options = client.connection_pool.connection_kwargs
                address = f"{options.get('host')}:{options.get('port')}"
                report.found.append(symptoms.REDIS_READ_ONLY.found(address=address))
            policy = settings.get("maxmemory_policy")
            if settings.get("maxmemory") and policy == "noeviction":
                report.found.append(symptoms.REDIS_EVICTION.found(policy=policy))
    except Refusal as refusal:
        report.found.append(refusal.finding)
