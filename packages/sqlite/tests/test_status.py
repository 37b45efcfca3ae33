import base64
from pathlib import Path

import pytest
from flowcraft_core.ports import RunStatus
from flowcraft_sqlite import SqliteBackend

from .helpers import ask


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "flowcraft.db"


def status(place: int, *, next_check: float | None = None) -> RunStatus:
    return RunStatus(
        run_id=f"run {place}", state="running", blueprint_id="flow", created=place, updated=place, next_check=next_check
    )


async def run_ids(backend: SqliteBackend, **question: float) -> list[str]:
    """All pages of two."""
    found: list[str] = []
    cursor = None
    while True:
        page = await backend.status.find(state="running", limit=2, cursor=cursor, **question)
        found += (item.run_id for item in page.items)
        if (cursor := page.cursor) is None:
            return found


async def test_the_newest_come_first(path: Path) -> None:
    async with SqliteBackend(path) as backend:
        for place in (2, 1, 4, 3):
            await backend.status.create(status(place))
        assert await run_ids(backend) == ["run 4", "run 3", "run 2", "run 1"]


async def test_of_those_that_are_due_the_longest_overdue_come_first(path: Path) -> None:
    async with SqliteBackend(path) as backend:
        for place in range(4):
            await backend.status.create(status(place, next_check=100 - place))
        await backend.status.create(status(4))
        assert await run_ids(backend, due_before=99.0) == ["run 3", "run 2", "run 1"]


async def test_a_run_that_is_touched_between_two_pages_is_in_the_list(path: Path) -> None:
    async with SqliteBackend(path) as backend:
        for place in range(4):
            await backend.status.create(status(place, next_check=1))
        first = await backend.status.find(state="running", limit=2)
        for place in range(4):
            await backend.status.touch(f"run {place}", at=50, next_check=60)
        second = await backend.status.find(state="running", limit=2, cursor=first.cursor)
        assert [item.run_id for page in (first, second) for item in page.items] == [
            f"run {3 - place}" for place in range(4)
        ]
        assert second.cursor is None


async def test_a_cursor_of_another_question_is_refused(path: Path) -> None:
    async with SqliteBackend(path) as backend:
        for place in range(3):
            await backend.status.create(status(place, next_check=1))
        page = await backend.status.find(state="running", limit=2)
        with pytest.raises(ValueError, match="cursor"):
            await backend.status.find(state="running", due_before=5, cursor=page.cursor)


@pytest.mark.parametrize(
    "content",
    [
        *(b"", b"1", b"[]", b'["all", "x", "run"]', b'["all", 1, 2]', b'["all", 1]', b'["all", null, "run"]', b"\xff"),
        pytest.param(b"[" * 100_000, id="deep"),
    ],
)
async def test_a_cursor_is_looked_at_closely(path: Path, content: bytes) -> None:
    async with SqliteBackend(path) as backend:
        with pytest.raises(ValueError, match="cursor"):
            await backend.status.find(state="running", cursor=base64.urlsafe_b64encode(content).decode())


@pytest.mark.parametrize(
    ("query", "index"),
    [
        ("state = 'a' ORDER BY created DESC, run_id DESC", "statuses_by_created"),
        ("state = 'a' AND (created, run_id) < (1, 'a') ORDER BY created DESC, run_id DESC", "statuses_by_created"),
        ("state = 'a' AND next_check <= 1 ORDER BY next_check, run_id", "statuses_by_next_check"),
        (
            "state = 'a' AND next_check <= 1 AND (next_check, run_id) > (1, 'a') ORDER BY next_check, run_id",
            "statuses_by_next_check",
        ),
    ],
)
async def test_a_page_reads_no_more_than_it_shows(path: Path, query: str, index: str) -> None:
    async with SqliteBackend(path) as backend:
        plan = [row[-1] for row in await ask(backend, f"EXPLAIN QUERY PLAN SELECT * FROM statuses WHERE {query}")]
        assert len(plan) == 1  # no sorting
        assert f"SEARCH statuses USING INDEX {index}" in plan[0]
