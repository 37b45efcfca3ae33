"""Facts and context values, in two tables."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Self, TypeVar

import attrs
from flowcraft_core.ports import Fact, PositionedValue, StoreLimits

from ._database import Statements
from ._gathering import parts
from ._texts import escaped, in_full, indexed, unescaped
from ._wire import Row

T = TypeVar("T")

_MAX_VALUE_BYTES = 8 * 2**20
_MAX_KEYS_READ = 500
_PER_REQUEST = 200

# In the order of the keys, so that of two such statements neither waits for the other and is waited for.
_INSERT = """
INSERT INTO flowcraft.facts (run_id, key, long_key, writer, job, body)
SELECT * FROM unnest(
    %(run_ids)b::text[], %(keys)b::text[], %(long_keys)b::text[], %(writers)b::text[], %(jobs)b::text[],
    %(bodies)b::bytea[]
) AS given (run_id, key, long_key, writer, job, body) ORDER BY run_id COLLATE "C", key COLLATE "C"
ON CONFLICT DO NOTHING RETURNING run_id, key, writer
"""

_STANDING = """
SELECT facts.run_id, facts.key, facts.body, facts.writer, facts.job FROM flowcraft.facts AS facts
JOIN unnest(%(run_ids)b::text[], %(keys)b::text[]) AS asked (run_id, key)
ON facts.run_id = asked.run_id AND facts.key = asked.key
"""

_UPSERT = """
INSERT INTO flowcraft.context_values AS standing (run_id, name, long_name, position, body)
SELECT %(run_id)s, given.* FROM unnest(
    %(names)b::text[], %(long_names)b::text[], %(positions)b::bytea[], %(bodies)b::bytea[]
) AS given (name, long_name, position, body) ORDER BY name COLLATE "C"
ON CONFLICT (run_id, name) DO UPDATE SET position = excluded.position, body = excluded.body
WHERE excluded.position > standing.position
"""


@attrs.frozen
class NewFact:
    """A fact to be stored, as it is stored."""

    run_id: str
    key: str
    long_key: str | None
    writer: str
    job: str
    body: bytes

    @classmethod
    def of(cls, run_id: str, key: str, fact: Fact) -> Self:
        """A fact that was given.

        Raises:
            ValueError: It is longer than the store takes.
        """
        _require_room(fact.body, f"the fact {key!r} of run {run_id!r}")
        return cls(escaped(run_id), indexed(key), in_full(key), escaped(fact.writer), escaped(fact.job), fact.body)


class PostgresContextStore:
    """A ``flowcraft_core.ports.ContextStore`` in PostgreSQL; reads are never stale."""

    limits = StoreLimits(max_value_bytes=_MAX_VALUE_BYTES, max_keys_read=_MAX_KEYS_READ)

    def __init__(self, database: Statements) -> None:
        """Use a database that may not be open yet."""
        self._database = database
        self._puts = database.gathering(self._insert, most=_PER_REQUEST)

    async def put(self, run_id: str, key: str, fact: Fact) -> Fact | None:
        """Store a fact if there is none under the key; else return the one that stands."""
        self._database.require_home()
        return await self._puts.submit(NewFact.of(run_id, key, fact), len(fact.body))

    async def get(self, run_id: str, keys: Sequence[str]) -> Mapping[str, Fact]:
        """The facts under those keys."""
        return await self._find(
            "SELECT key, body, writer, job FROM flowcraft.facts"
            " WHERE run_id = %(run_id)s AND key = ANY(%(names)b::text[])",
            run_id,
            keys,
            _fact,
        )

    async def apply(self, run_id: str, values: Mapping[str, PositionedValue]) -> None:
        """Set context values, each only if no value of a greater or equal position stands."""
        for name, value in values.items():
            _require_room(value.body or b"", f"the context value {name!r} of run {run_id!r}")
        run = escaped(run_id)
        # The order of UTF-8 is the order of code points.
        rows = [(indexed(name), in_full(name), each.position.encode(), each.body) for name, each in values.items()]
        for part in parts([len(body or b"") for *_, body in rows], _MAX_KEYS_READ):
            names, long_names, positions, bodies = (list(column) for column in zip(*rows[part], strict=True))
            await self._database.run(
                _UPSERT, run_id=run, names=names, long_names=long_names, positions=positions, bodies=bodies
            )

    async def values(self, run_id: str, names: Sequence[str]) -> Mapping[str, PositionedValue]:
        """The standing values of those names."""
        return await self._find(
            "SELECT name, position, body FROM flowcraft.context_values"
            " WHERE run_id = %(run_id)s AND name = ANY(%(names)b::text[])",
            run_id,
            names,
            _value,
        )

    async def delete(self, run_id: str, *, keys: Sequence[str], names: Sequence[str]) -> None:
        """Remove facts and values."""
        run = escaped(run_id)
        for table, column, given in (("facts", "key", keys), ("context_values", "name", names)):
            stored = [indexed(each) for each in given]
            for part in parts([0] * len(stored), _MAX_KEYS_READ):
                await self._database.run(
                    f"DELETE FROM flowcraft.{table} WHERE run_id = %(run_id)s AND {column} = ANY(%(names)b::text[])",
                    run_id=run,
                    names=stored[part],
                )

    async def _insert(self, facts: Sequence[NewFact]) -> Sequence[Fact | None]:
        async def insert(places: Sequence[int]) -> list[Row]:
            ask = [facts[place] for place in places]
            return await self._database.run(
                _INSERT,
                run_ids=[each.run_id for each in ask],
                keys=[each.key for each in ask],
                long_keys=[each.long_key for each in ask],
                writers=[each.writer for each in ask],
                jobs=[each.job for each in ask],
                bodies=[each.body for each in ask],
            )

        return await put_all(self._database, facts, insert)

    async def _find(self, statement: str, run_id: str, names: Sequence[str], make: Callable[..., T]) -> dict[str, T]:
        asked = {indexed(name): name for name in names}
        stored, run = list(asked), escaped(run_id)
        found: dict[str, T] = {}
        for part in parts([0] * len(stored), _MAX_KEYS_READ):
            for name, *row in await self._database.run(statement, run_id=run, names=stored[part]):
                found[asked[name]] = make(*row)
        return found


async def put_all(
    database: Statements, facts: Sequence[NewFact], insert: Callable[[Sequence[int]], Awaitable[list[Row]]]
) -> Sequence[Fact | None]:
    """Store facts that are the first under their keys; of each of the others the one that stands.

    Args:
        database: Where they go.
        facts: The facts.
        insert: Stores those at some places by one statement; gives the run, the key and the writer of those that were
            the first.
    """
    left = list(range(len(facts)))
    answers: list[Fact | None] = [None] * len(facts)
    while left:
        won = set(await insert(left))
        lost: list[int] = []
        for place in left:
            mark = (facts[place].run_id, facts[place].key, facts[place].writer)
            if mark in won:
                won.discard(mark)  # the same one twice is the same call made again
            else:
                lost.append(place)
        if not lost:
            break
        # A statement of its own: the one above does not see what others have stored meanwhile.
        found = await database.run(
            _STANDING, run_ids=[facts[place].run_id for place in lost], keys=[facts[place].key for place in lost]
        )
        standing = {(run_id, key): _fact(body, writer, job) for run_id, key, body, writer, job in found}
        for place in lost:
            answers[place] = standing.get((facts[place].run_id, facts[place].key))
        left = [place for place in lost if answers[place] is None]  # it was deleted meanwhile
    return answers


def _fact(body: Any, writer: str, job: str) -> Fact:
    return Fact(bytes(body), unescaped(writer), unescaped(job))


def _value(position: Any, body: Any) -> PositionedValue:
    return PositionedValue(bytes(position).decode("utf-8", "backslashreplace"), None if body is None else bytes(body))


def _require_room(body: bytes, what: str) -> None:
    if len(body) > _MAX_VALUE_BYTES:
        raise ValueError(f"{what} has {len(body)} bytes, and PostgresContextStore takes {_MAX_VALUE_BYTES} at most")
