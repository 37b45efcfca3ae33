"""A short time of chaos; ``hatch run chaos`` makes it longer."""

from __future__ import annotations

import sqlite3
import sys
from pathlib import Path

import pytest
from unleashed import Chaos, Facts, unleash

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL and no SIGSTOP")


async def test_workers_that_are_killed_and_stopped_at_random_lose_and_double_nothing(tmp_path: Path) -> None:
    done = await unleash(tmp_path / "flowcraft.db", seconds=5, seed=7)
    assert done.wrong == []
    assert done.kills + done.stops >= 4
    assert done.runs >= 10
    assert done.facts > 5 * done.runs


def test_a_fact_that_changes_or_goes_is_seen(tmp_path: Path) -> None:
    path, chaos = tmp_path / "file", Chaos(seed=0)
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE facts (run_id, key, writer, job, body)")
        connection.execute("INSERT INTO facts VALUES ('r', 'a', 'w', '', x'01'), ('r', 'b', 'w', '', x'02')")
    facts = Facts(path, chaos)
    facts.look()
    facts.look()
    assert (chaos.wrong, chaos.facts) == ([], 2)
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE facts SET body = x'03' WHERE key = 'a'")
        connection.execute("DELETE FROM facts WHERE key = 'b'")
    connection.close()
    facts.look()
    assert chaos.wrong == ["the fact ('r', 'a') was changed", "the fact ('r', 'b') was removed"]
