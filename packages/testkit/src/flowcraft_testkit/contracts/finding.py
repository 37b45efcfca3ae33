"""The clauses of a status store on finding statuses."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, get_args

import pytest
from flowcraft_core.ports import Backend, RunStatus, State, StatusStore

from .clauses import needs
from .drawn import DrawnStatusClauses
from .hostile import TEXTS
from .processes import ROUNDS, end_runs
from .troubled import Calls

#: A time with microseconds, as a database may round it.
NOW = 1_700_000_000.123457


class FindingClauses(DrawnStatusClauses):
    """What a ``StatusStore`` promises of ``find``. An index may lag behind, so the clauses ask until it is right."""

    contract = "status"

    def port(self, backend: Backend) -> StatusStore:
        """The status store."""
        return backend.status

    racer = end_runs

    def calls_with(self, port: StatusStore, text: str) -> Calls:
        """See ``TroubledClauses``."""
        return {
            "create (run id)": lambda: port.create(self.status(run_id=text)),
            "create (flow)": lambda: port.create(self.status(blueprint_id=text)),
            "create (tag)": lambda: port.create(self.status(tags={text: ""})),
            "create (tag's value)": lambda: port.create(self.status(tags={"tag": text})),
            "create (reason)": lambda: port.create(self.status(reason=text)),
            "create (body)": lambda: port.create(self.status(state="dead", body=text)),
            "get": lambda: port.get(text),
            "touch": lambda: port.touch(text, at=NOW, next_check=NOW),
            "finish (run id)": lambda: port.finish(text, "completed", at=NOW),
            "finish (reason)": lambda: self._ended(port, text),
            "delete": lambda: port.delete(text),
        }

    async def _ended(self, port: StatusStore, reason: str) -> None:
        status = self.status()
        await port.create(status)
        await port.finish(status.run_id, "failed", at=NOW, reason=reason)

    async def calls_without_text(self, port: StatusStore) -> Calls:
        """See ``TroubledClauses``."""
        return {
            "find": lambda: port.find(state="running"),
            "find due": lambda: port.find(state="running", due_before=1),
        }

    async def before_the_race(self, port: StatusStore, name: str) -> set[Any]:
        """See ``TroubledClauses``."""
        return set(range(ROUNDS))

    async def leaves_no_trace(self, here: StatusStore, there: StatusStore, name: str) -> None:
        """See ``TroubledClauses``."""
        status = self.status(run_id=name, next_check=NOW)
        assert await here.create(status) is True, "another store's status stands in the way"
        await self.until_found(here, [name], "running")
        assert await there.get(name) is None, "a status of one store is seen in the other"
        assert name not in await self.scan(there, "running"), "a status of one store is found in the other"
        assert await there.finish(name, "failed", at=NOW) is False, "a run of one store can be ended in the other"
        await there.delete(name)
        assert await here.get(name) == status, "deleting in one store takes from the other"
        await here.delete(name)

    def status(self, **fields: Any) -> RunStatus:
        """The status of a run of its own that began just now, but for these fields."""
        plain: dict[str, Any] = {"run_id": self.fresh("run"), "state": "running", "blueprint_id": "flow"}
        return RunStatus(**{**plain, "created": NOW, "updated": NOW, **fields})

    async def create_all(self, store: StatusStore, statuses: Collection[RunStatus]) -> None:
        """Create statuses."""
        for status in statuses:
            assert await store.create(status) is True, f"there is a status of {status.run_id!a} already"

    async def scan(
        self, store: StatusStore, state: State, *, due_before: float | None = None, limit: int = 100
    ) -> dict[str, RunStatus]:
        """All pages, by run id."""
        found: dict[str, RunStatus] = {}
        cursors: list[str | None] = [None]
        while True:
            page = await store.find(state=state, due_before=due_before, cursor=cursors[-1], limit=limit)
            assert len(page.items) <= limit, f"a page of at most {limit} was to be found, and has {len(page.items)}"
            found.update((status.run_id, status) for status in page.items)
            if page.cursor is None:
                return found
            assert page.cursor not in cursors, "the pages go round in a circle"
            cursors.append(page.cursor)

    async def until_found(
        self, store: StatusStore, wanted: Collection[str], state: State, **query: Any
    ) -> dict[str, RunStatus]:
        """Scan until all of these runs are found, and return what was."""
        found: dict[str, RunStatus] = {}

        async def all_found() -> bool:
            found.clear()
            found.update(await self.scan(store, state, **query))
            return found.keys() >= set(wanted)

        async def not_found() -> str:
            missing = [] if await all_found() else sorted(set(wanted) - found.keys())
            told = f"{len(missing)} of {len(set(wanted))} runs are not found among the {state}: {missing[:5]!a}"
            return told if missing else ""

        await self.until_nothing(not_found)
        return found

    async def until_not_found(self, store: StatusStore, unwanted: str, state: State, **query: Any) -> None:
        """Scan until this run is not found any more."""

        async def is_gone() -> bool:
            return unwanted not in await self.scan(store, state, **query)

        await self.until(is_gone)

    async def test_statuses_are_found_whole_by_their_state(self) -> None:
        """Lists show all of a run, and a reconciler asks for the live ones only."""
        async with self.connect() as creator, self.connect() as reader:
            statuses = {state: self.status(state=state, tags={"is": state}) for state in get_args(State)}
            await self.create_all(creator, statuses.values())
            for state, status in statuses.items():
                found = await self.until_found(reader, [status.run_id], state)
                assert found[status.run_id] == status
                assert {each.state for each in found.values()} == {state}

    async def test_schedules_are_found_by_their_state_and_never_among_runs(self) -> None:
        """They are in the same store: who asks for runs is given none, and a reconciler asks for those that are due."""
        async with self.connect() as creator, self.connect() as reader:
            due, later = (self.status(state="schedule", next_check=when) for when in (NOW, NOW + 60))
            await self.create_all(creator, [due, later, self.status(next_check=NOW)])
            found = await self.until_found(reader, [due.run_id, later.run_id], "schedule")
            assert (found[due.run_id], found[later.run_id]) == (due, later)
            assert {status.state for status in found.values()} == {"schedule"}
            found = await self.until_found(reader, [due.run_id], "schedule", due_before=NOW)
            assert later.run_id not in found
            for state in get_args(State):
                if state != "schedule":
                    for due_before in (None, NOW * 2):
                        others = await self.scan(reader, state, due_before=due_before)
                        assert others.keys().isdisjoint({due.run_id, later.run_id}), f"schedules among the {state}"
            await creator.touch(due.run_id, at=NOW, next_check=NOW + 60)
            await self.until_not_found(reader, due.run_id, "schedule", due_before=NOW)
            await self.until_found(reader, [due.run_id], "schedule", due_before=NOW + 60)

    async def test_due_runs_are_found_and_others_are_not(self) -> None:
        """Due is what has a time that is not later; a run without a time needs no look."""
        async with self.connect() as store:
            due = [self.status(next_check=when) for when in (0.0, NOW - 0.001, NOW)]
            others = [self.status(next_check=when) for when in (NOW + 0.001, NOW * 10, None)]
            await self.create_all(store, [*others, *due, self.status(state="awaiting", next_check=NOW)])
            found = await self.until_found(store, [status.run_id for status in due], "running", due_before=NOW)
            assert found.keys().isdisjoint(status.run_id for status in others)
            assert {status.state for status in found.values()} == {"running"}
            await self.until_found(store, [status.run_id for status in (*due, *others)], "running")

    async def test_a_run_is_found_by_what_it_was_last_written_as(self) -> None:
        """A reconciler that saw to a run does not find it again, until it is due again; and a final one never."""
        async with self.connect() as store:
            status = self.status(next_check=NOW)
            await store.create(status)
            await self.until_found(store, [status.run_id], "running", due_before=NOW)
            await store.touch(status.run_id, at=NOW, next_check=NOW + 60)
            await self.until_not_found(store, status.run_id, "running", due_before=NOW)
            await self.until_found(store, [status.run_id], "running", due_before=NOW + 60)
            await store.touch(status.run_id, at=NOW, next_check=NOW, state="awaiting")
            await self.until_not_found(store, status.run_id, "running")
            await self.until_found(store, [status.run_id], "awaiting", due_before=NOW)
            await store.finish(status.run_id, "failed", at=NOW)
            await self.until_not_found(store, status.run_id, "awaiting")
            await self.until_found(store, [status.run_id], "failed")
            await self.until_not_found(store, status.run_id, "failed", due_before=NOW * 2)

    async def test_all_are_found_whatever_the_size_of_the_pages(self) -> None:
        """Thousands of runs may stall at once, and one that is on no page is lost."""
        async with self.connect() as store:
            statuses = [self.status() for _ in range(25)]
            await self.create_all(store, statuses)
            for limit in (1, 4, 25, 1_000):
                found = await self.until_found(store, [status.run_id for status in statuses], "running", limit=limit)
                assert [found[status.run_id] for status in statuses] == statuses

    async def test_pages_are_turned_over_any_run_id(self) -> None:
        """A cursor is made of the last run id, or of what stands beside it: one that is read wrongly skips others."""
        async with self.connect() as store:
            first = self.fresh("run")
            statuses = [self.status(run_id=f"{text}{first}{text}", next_check=NOW) for text in TEXTS]
            await self.create_all(store, statuses)
            for due_before in (None, NOW):
                found = await self.until_found(
                    store, [status.run_id for status in statuses], "running", due_before=due_before, limit=1
                )
                assert [found[status.run_id] for status in statuses] == statuses

    async def test_what_is_due_is_found_among_many_that_are_not(self) -> None:
        """A page may be empty and not be the last."""
        async with self.connect() as store:
            statuses = [self.status(next_check=NOW if place % 15 == 7 else NOW + 60) for place in range(45)]
            await self.create_all(store, statuses)
            due = {status.run_id for status in statuses if status.next_check == NOW}
            for limit in (2, 100):
                found = await self.until_found(store, due, "running", due_before=NOW, limit=limit)
                assert found.keys().isdisjoint({status.run_id for status in statuses} - due)

    async def test_what_stays_is_found_while_others_change(self) -> None:
        """A reconciler ends and puts off runs while it turns the pages: counting places in a list, it would skip."""
        async with self.connect() as store:
            statuses = [self.status(next_check=NOW) for _ in range(20)]
            mine = {status.run_id for status in statuses}
            await self.create_all(store, statuses)
            await self.until_found(store, mine, "running", due_before=NOW)
            await self.pass_time(self.short)  # let an index settle that answers from several places
            found: set[str] = set()
            cursor = None
            while True:
                page = await store.find(state="running", due_before=NOW, cursor=cursor, limit=3)
                for status in page.items:
                    if status.run_id in mine - found:
                        found.add(status.run_id)
                        if len(found) % 2:
                            await store.finish(status.run_id, "completed", at=NOW)
                        else:
                            await store.touch(status.run_id, at=NOW, next_check=NOW + 60)
                cursor = page.cursor
                if cursor is None:
                    break
            assert found == mine

    async def test_a_cursor_that_the_store_did_not_give_is_refused(self) -> None:
        """Cursors come back from web pages and command lines."""
        async with self.connect() as store:
            await store.create(self.status())
            for cursor in ("", "no cursor", '{"a": 1}', "😀"):
                with pytest.raises(ValueError, match="cursor"):
                    await store.find(state="running", cursor=cursor)

    async def test_a_deleted_run_is_not_found(self) -> None:
        """A purge leaves nothing in any list."""
        async with self.connect() as store:
            status, other = self.status(next_check=NOW), self.status(next_check=NOW)
            await self.create_all(store, [status, other])
            await self.until_found(store, [status.run_id, other.run_id], "running")
            await store.delete(status.run_id)
            await self.until_not_found(store, status.run_id, "running")
            await self.until_not_found(store, status.run_id, "running", due_before=NOW)
            await self.until_found(store, [other.run_id], "running")

    @needs("index_lag")
    async def test_what_has_long_settled_is_found_as_it_is(self) -> None:
        """A list that is wrong for longer than it is said to be hides runs from reconcilers, or shows ended ones."""
        async with self.connect() as store, self.connect() as other:
            live, ended, touched = self.status(next_check=NOW), self.status(next_check=NOW), self.status(next_check=NOW)
            await self.create_all(store, [live, ended, touched])
            await self.scan(other, "running", due_before=NOW)  # who remembers this answer is wrong for ever
            await store.finish(ended.run_id, "failed", at=NOW)
            await store.touch(touched.run_id, at=NOW, next_check=NOW + 60)
            await self.pass_time(float(self.declared.index_lag or 0.0))
            due = await self.scan(other, "running", due_before=NOW)
            assert live.run_id in due
            assert not due.keys() & {ended.run_id, touched.run_id}
            assert ended.run_id in await self.scan(other, "failed")
