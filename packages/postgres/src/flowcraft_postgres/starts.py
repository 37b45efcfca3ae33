"""Runs that begin by one statement: their record, their status and their first message, in one commit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import attrs
from flowcraft_core.ports import Fact, Message, RunStatus
from flowcraft_core.queues import DEFAULT_QUEUE

from ._database import Database
from ._listener import Listener
from ._wire import Row
from .context import NewFact, put_all
from .queue import stored_message
from .status import stored_status

_PER_REQUEST = 100

# Only of those whose fact was the first is there anything more to store. In the order of the keys, as of any facts.
_BEGIN = """
WITH given AS MATERIALIZED (
    SELECT * FROM unnest(
        %(run_ids)b::text[], %(keys)b::text[], %(long_keys)b::text[], %(writers)b::text[], %(jobs)b::text[],
        %(facts)b::bytea[], %(states)b::text[], %(blueprint_ids)b::text[], %(created)b::float8[], %(updated)b::float8[],
        %(next_checks)b::float8[], %(tags)b::text[], %(reasons)b::text[], %(bodies)b::text[], %(queues)b::text[],
        %(delays)b::float8[], %(messages)b::text[]
    ) AS given (
        run_id, key, long_key, writer, job, fact, state, blueprint_id, created, updated, next_check, tags, reason, body,
        queue, delay, message
    ) ORDER BY run_id COLLATE "C", key COLLATE "C"
), first AS (
    INSERT INTO flowcraft.facts (run_id, key, long_key, writer, job, body)
    SELECT run_id, key, long_key, writer, job, fact FROM given
    ON CONFLICT DO NOTHING RETURNING run_id, key, writer
), begun AS MATERIALIZED (
    SELECT given.* FROM given JOIN first USING (run_id, key, writer)
), status AS (
    INSERT INTO flowcraft.statuses (run_id, state, blueprint_id, created, updated, next_check, tags, reason, body)
    SELECT run_id, state, blueprint_id, created, updated, next_check, tags::json, reason, body FROM begun
    ORDER BY run_id COLLATE "C" ON CONFLICT DO NOTHING
), message AS (
    INSERT INTO flowcraft.jobs (queue, visible_at, body) SELECT queue, :now + delay, message FROM begun
)
SELECT run_id, key, writer FROM first
"""


@attrs.frozen
class _Start:
    """What a run begins with, as it is stored."""

    fact: NewFact
    status: Mapping[str, Any]
    queue: str
    delay: float
    message: str


class PostgresStarts:
    """A ``flowcraft_core.ports.Starts`` in PostgreSQL. What begins at the same time shares a statement."""

    def __init__(self, database: Database, listener: Listener) -> None:
        """Use a database that may not be open yet."""
        self._database, self._listener = database, listener
        self._starts = database.gathering(self._begin, most=_PER_REQUEST)

    async def begin(
        self,
        run_id: str,
        key: str,
        fact: Fact,
        status: RunStatus,
        message: Message,
        *,
        delay: float = 0.0,
        queue: str = DEFAULT_QUEUE,
    ) -> Fact | None:
        """Store a fact, a status and a message if there is no fact under the key; else return the one that stands."""
        self._database.require_home()
        start = _Start(
            NewFact.of(run_id, key, fact), stored_status(status), queue, delay, stored_message(message, delay)
        )
        return await self._starts.submit(start, len(fact.body) + len(start.message))

    async def _begin(self, starts: Sequence[_Start]) -> Sequence[Fact | None]:
        async def insert(places: Sequence[int]) -> list[Row]:
            asked = [starts[place] for place in places]
            return await self._database.run(
                _BEGIN,
                run_ids=[each.fact.run_id for each in asked],
                keys=[each.fact.key for each in asked],
                long_keys=[each.fact.long_key for each in asked],
                writers=[each.fact.writer for each in asked],
                jobs=[each.fact.job for each in asked],
                facts=[each.fact.body for each in asked],
                states=[each.status["state"] for each in asked],
                blueprint_ids=[each.status["blueprint_id"] for each in asked],
                created=[each.status["created"] for each in asked],
                updated=[each.status["updated"] for each in asked],
                next_checks=[each.status["next_check"] for each in asked],
                tags=[each.status["tags"] for each in asked],
                reasons=[each.status["reason"] for each in asked],
                bodies=[each.status["body"] for each in asked],
                queues=[each.queue for each in asked],
                delays=[each.delay for each in asked],
                messages=[each.message for each in asked],
            )

        standing = await put_all(self._database, [start.fact for start in starts], insert)
        await self._listener.tell()
        return standing
