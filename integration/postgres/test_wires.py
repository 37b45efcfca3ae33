"""Statements on the wire: values as they were given, and what poolers, time-outs and callers who leave do to them."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import pytest
from flowcraft_core.errors import BackendError, TransientError
from flowcraft_core.ports import Fact
from flowcraft_postgres._statements import Statement
from postgres_places import Place

_AGAIN = "SELECT %(it)s::text"


async def test_values_come_back_as_they_were_given(place: Place) -> None:
    given = {"text": "ä\n", "bytes": b"\0\xff", "whole": -(2**63), "part": 0.1, "truth": True, "none": None}
    lists = {"texts": ["", "a,{}\"'", None], "bodies": [b"", b"\0", None], "numbers": [2**62], "parts": [1e300]}
    statement = (
        "SELECT %(text)s::text, %(bytes)s, %(whole)s, %(part)s, %(truth)s, %(none)s::text, %(texts)b::text[],"
        " %(bodies)b::bytea[], %(numbers)b::int8[], %(parts)b::float8[]"
    )
    async with place.backend() as backend:
        for _ in range(3):  # by itself, prepared, and as prepared
            (row,) = await backend._database.run(statement, **given, **lists)
            assert list(row) == [*given.values(), *lists.values()]
        assert await backend._database.run("SELECT 1 WHERE %(it)s = 1", it=2) == []


async def test_statements_that_a_pooler_has_made_unknown_are_carried_out_all_the_same(place: Place) -> None:
    """A pooler may give each statement another connection to the server, with other statements prepared on it."""
    async with place.backend(connections=1) as backend:
        run = backend._database.run
        for number in range(6):
            assert await run(_AGAIN, it=f"{number}") == [(f"{number}",)]
            if number % 2:
                await run("DEALLOCATE ALL")
        name = Statement("SELECT %(it)s::int8").bind({"it": 1}).name.decode()
        await run(f"PREPARE {name} (int8) AS SELECT $1::int8")
        for number in range(4):
            assert await run("SELECT %(it)s::int8", it=number) == [(number,)]


async def test_what_does_not_fit_into_the_socket_at_once_is_written_when_it_can_be(place: Place) -> None:
    bodies = [bytes([number]) * (8 * 2**20) for number in range(4)]
    async with place.backend() as backend:
        puts = [backend.context.put("run", f"{number}", Fact(body, "w")) for number, body in enumerate(bodies)]
        assert await asyncio.gather(*puts) == [None] * 4
        found = await backend.context.get("run", [f"{number}" for number in range(4)])
        assert [found[f"{number}"].body for number in range(4)] == bodies


async def test_what_nobody_waits_for_is_carried_out(place: Place) -> None:
    async with place.backend(connections=1) as backend:
        sleeping = asyncio.ensure_future(backend._database.run("SELECT pg_sleep(0.2)"))
        put = asyncio.ensure_future(backend.context.put("run", "key", Fact(b"body", "w")))
        await asyncio.sleep(0.05)
        for task in (sleeping, put):
            task.cancel()
        assert set(await backend.context.get("run", ["key"])) == {"key"}


async def test_an_answer_that_comes_late_is_a_transient_error_and_no_other_callers_answer(place: Place) -> None:
    async with place.backend(connections=1, timeout=0.3) as backend:
        run = backend._database.run
        with pytest.raises(TransientError, match=r"no answer within 0\.3 s"):
            await run("SELECT pg_sleep(0.5)")

        async def again() -> Any:
            with contextlib.suppress(TransientError):
                return await run(_AGAIN, it="mine")

        answers = [await again() for _ in range(6)]
        assert [answer for answer in answers if answer is not None] == [[("mine",)]] * (6 - answers.count(None))
        assert answers[-1] is not None


async def test_an_error_is_its_own_statements(place: Place) -> None:
    async with place.backend(connections=2) as backend:
        run = backend._database.run
        wrong = [run("SELECT 1 / %(it)s", it=0) for _ in range(4)]
        right = [run("SELECT 6 / %(it)s", it=2) for _ in range(4)]
        answers = await asyncio.gather(*wrong, *right, return_exceptions=True)
        assert all(isinstance(answer, BackendError) and "22012" in str(answer) for answer in answers[:4]), answers
        assert answers[4:] == [[(3,)]] * 4
