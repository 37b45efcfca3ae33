from typing import Any

import attrs
import pytest
from flowcraft_core.durable import RunDescription, RunsPage, StoredRun
from flowcraft_ui.source import Source, home_of


def status(state: Any = "running") -> StoredRun:
    return StoredRun(run_id="r", state=state, blueprint_id="f", created=0.0, updated=0.0, next_check=None)


@attrs.define
class FakeClient:
    """Describes a run in so many seconds, and counts how often it is asked."""

    seconds: float = 1.0
    steps: int = 0
    time: float = 0.0
    asked: list[Any] = attrs.field(factory=list)

    def monotonic(self) -> float:
        return self.time

    async def describe(self, run_id: str, **how: Any) -> RunDescription:
        self.asked.append((run_id, how["inside"]))
        self.time += self.seconds
        return RunDescription(
            run=status(),
            at=0.0,
            deadline=None,
            inside=how["inside"],
            instances=(),
            counts={},
            total=0,
            cursor=None,
            steps=self.steps,
        )

    async def runs_page(self, state: str, *, after: str | None, limit: int) -> RunsPage:
        self.asked.append((state, after))
        self.time += self.seconds
        more = "more" if state == "completed" else None
        return RunsPage(runs=(status(),) * limit if more else (), cursor=more, newest_first=True)


def source_of(client: FakeClient) -> Source:
    return Source(client, client.monotonic)  # type: ignore[arg-type]


async def test_what_was_dear_to_read_is_read_again_after_a_while() -> None:
    client = FakeClient(seconds=2.0)
    source = source_of(client)
    await source.describe("r")
    client.time += 9.9
    await source.describe("r")
    assert len(client.asked) == 1
    client.time += 0.2
    await source.describe("r")
    assert len(client.asked) == 2


async def test_news_at_one_level_is_news_at_all_of_them() -> None:
    client = FakeClient(seconds=100.0)
    source = source_of(client)
    await source.describe("r")
    await source.describe("other")
    client.steps += 1
    await source.describe("r", inside="pages")
    await source.describe("r")
    await source.describe("other")
    assert client.asked == [("r", ""), ("other", ""), ("r", "pages"), ("r", "")]


async def test_only_so_much_is_kept() -> None:
    client = FakeClient(seconds=100.0)
    source = source_of(client)
    for number in range(200):
        await source.describe(f"r{number}")
    assert (len(source._described), len(source._latest)) == (64, 64)


async def test_counting_ends_and_is_not_done_again_at_once() -> None:
    client = FakeClient(seconds=0.5)
    source = source_of(client)
    counts = await source.counts()
    assert (counts["completed"], counts["running"]) == (10_000, 0)
    asked = len(client.asked)
    await source.counts()
    assert len(client.asked) == asked == 14


@pytest.mark.parametrize(
    ("key", "home"),
    [
        ("check", ""),
        ("a%2Eb", ""),
        ("pages[17].ocr", "pages[17]"),
        ("retry_loop[2]", "retry_loop[2]"),
        ("retry_loop[2].pages[1].ocr", "retry_loop[2].pages[1]"),
        ("charge/validate", "charge"),
        ("charge/each[0]/x", "charge/each[0]"),
        ("charge:entry", ""),
        ("charge/again:entry", "charge"),
    ],
)
def test_the_level_that_an_instance_stands_in(key: str, home: str) -> None:
    assert home_of(key) == home
