"""A long list begins at once, and takes no longer than its lines do."""

import asyncio
import time

from flowcraft_core.ports import Backend, RunStatus

from .helpers import Commanding

MANY = 10_000


async def _fill(backend: Backend) -> None:
    def status(number: int) -> RunStatus:
        run_id, now = f"run{number:05}", float(number)
        return RunStatus(run_id=run_id, state="completed", blueprint_id="f", created=now, updated=now)

    for start in range(0, MANY, 1_000):
        await asyncio.gather(*(backend.status.create(status(start + number)) for number in range(1_000)))


def test_ten_thousand_runs_are_listed_as_they_come(cli: Commanding) -> None:
    cli.on_backend(_fill)
    begun = time.perf_counter()
    assert len(cli("list", "-b", cli.url, "--limit", "0").stdout.splitlines()) == MANY
    all_of_them = time.perf_counter() - begun
    begun = time.perf_counter()
    first = cli.said("list", "-b", cli.url)["runs"]
    some = time.perf_counter() - begun
    assert (len(first), first[0]["run_id"]) == (50, f"run{MANY - 1:05}")
    assert some < all_of_them / 2, "fifty take as long as all: the list does not begin before it is whole"
    assert all_of_them < 30.0
