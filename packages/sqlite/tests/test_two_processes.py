"""The clauses on two processes bite: a store that is atomic within one process only fails them."""

from functools import partial
from pathlib import Path

import pytest
from flowcraft_testkit.contracts import ContextStoreContract, opened

from .test_contracts import OnSqlite, SkippingClock

BROKEN = """
from flowcraft_sqlite import SqliteBackend


class LocksInMemory(SqliteBackend):
    def __init__(self, path):
        super().__init__(path)
        put = self.context.put

        async def read_then_put(run_id, key, fact):
            # One after the other in this process, as it has one loop; the other one comes between.
            if standing := (await self.context.get(run_id, [key])).get(key):
                return standing
            await put(run_id, key, fact)
            return None

        self.context.put = read_then_put
"""


@pytest.mark.asyncio
async def test_who_is_atomic_in_one_process_only_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "broken_in_memory.py").write_text(BROKEN)
    monkeypatch.syspath_prepend(str(tmp_path))
    from broken_in_memory import LocksInMemory  # type: ignore[import-not-found]

    path = tmp_path / "flowcraft.db"
    contract = type("Tried", (OnSqlite, ContextStoreContract), {})()
    make = partial(LocksInMemory, path)
    contract.begin(lambda: opened(make()), SkippingClock(), make_in_process=make)
    with pytest.raises(AssertionError, match="each thing is one process's of 2"):
        await contract.test_two_processes_are_as_two_clients()
