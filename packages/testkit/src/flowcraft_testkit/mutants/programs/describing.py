"""Clients that show people what is not so, and workers that rest on what they only leave for people."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, get_args

import attrs
import flowcraft_core.durable.describing.levels as levels_module
import flowcraft_core.durable.describing.reading as reading_module
import flowcraft_core.durable.describing.telling as telling_module
import flowcraft_core.durable.finding as finding_module
import flowcraft_core.durable.storage as storage_module
from flowcraft_core.durable import InstanceState, WorkerDescription
from flowcraft_core.durable.describing import heartbeats as heartbeats_module
from flowcraft_core.durable.describing.at_work import AtWork, PassingOn
from flowcraft_core.durable.describing.board import Board
from flowcraft_core.durable.describing.hints import Hints
from flowcraft_core.durable.describing.levels import Level
from flowcraft_core.durable.describing.telling import Teller
from flowcraft_core.durable.engine import Engine
from flowcraft_core.durable.finding import RunFinder, Wanted
from flowcraft_core.durable.runs import RunRecord
from flowcraft_core.durable.stored_runs import StoredRuns
from flowcraft_core.durable.suspensions import SuspensionWindow
from flowcraft_core.durable.worker import Worker
from flowcraft_core.graph.facts import Suspension
from flowcraft_core.graph.instances import Instance, ScopeState
from flowcraft_core.graph.scopes import Vertex
from flowcraft_core.graph.standing import Standing
from flowcraft_core.graph.state import RunState
from flowcraft_core.ports import CoordinationStore, RunStatus, State

from ...contracts import BackendContract
from ..mutant import replaces

# --- states -----------------------------------------------------------------------------------------------------------


@replaces(
    (Standing, "_vertex"),
    caught_by=BackendContract.test_a_run_is_described_instance_by_instance,
    name="describe.DeadIsPending",
)
def dead_is_pending(original: Any, self: Standing, scope: ScopeState, vertex: Vertex) -> InstanceState:
    """Takes what will never run for what is yet to come."""
    state: InstanceState = original(self, scope, vertex)
    return "pending" if state == "dead" else state


@replaces(
    (Standing, "_vertex"),
    caught_by=BackendContract.test_what_is_inside_is_folded_and_opened_page_by_page,
    name="describe.FailedIsDone",
)
def failed_is_done(original: Any, self: Standing, scope: ScopeState, vertex: Vertex) -> InstanceState:
    """Takes what has an outcome for done, whatever it says."""
    return "done" if vertex.index in scope.outcomes else original(self, scope, vertex)


@replaces(
    (storage_module, "suspension_windows"),
    caught_by=BackendContract.test_waits_sleeps_and_retries_are_described_by_what_they_wait_for,
    name="describe.RetryIsReady",
)
def retry_is_ready(original: Any, instance: Instance) -> list[SuspensionWindow]:
    """Looks for suspensions of waits and sleeps only."""
    return original(instance) if instance.vertex.node.uses in ("wait", "sleep") else []


@replaces(
    (Teller, "_input"),
    caught_by=BackendContract.test_a_run_is_described_instance_by_instance,
    name="describe.InputWithoutTransform",
)
def input_without_transform(original: Any, self: Teller, entry: Instance, state: InstanceState) -> Any:
    """Shows the output of what comes before in the place of what the edge carries."""
    incoming = entry.vertex.incoming
    before = entry.scope.outcomes.get(incoming[0].source) if len(incoming) == 1 else None
    return original(self, entry, state) if before is None else before.output


@replaces(
    (telling_module, "_known"),
    caught_by=BackendContract.test_a_run_is_described_instance_by_instance,
    name="describe.NoTimes",
)
def no_times(original: Any, time: float) -> float | None:
    """Shows no time of what has ended."""
    return None


# --- pages ------------------------------------------------------------------------------------------------------------


@replaces(
    (Level, "page"),
    caught_by=BackendContract.test_what_is_inside_is_folded_and_opened_page_by_page,
    name="describe.PageRepeats",
)
def page_repeats(original: Any, self: Level, after: str | None, limit: int) -> tuple[list[Instance], str | None]:
    """Begins a page with the last instance of the page before."""
    index, place = levels_module._place(after)
    return original(self, f"{index}.{max(0, place - 1)}" if limit > 1 else after, limit)  # type: ignore[no-any-return]


@replaces(
    (levels_module, "_place"),
    caught_by=BackendContract.test_what_is_inside_is_folded_and_opened_page_by_page,
    name="describe.PageSkips",
)
def page_skips(original: Any, cursor: str | None) -> tuple[int, int]:
    """Goes on with the next item, wherever the page before has ended."""
    index, place = original(cursor)
    return (index + 1, 0) if place else (index, place)


@replaces(
    (levels_module.Level, "beginning_at"),
    caught_by=BackendContract.test_what_is_inside_is_folded_and_opened_page_by_page,
    name="describe.LastItemOnly",
)
def last_item_only(original: Any, self: Any, index: int) -> list[ScopeState]:
    """Shows of a batch's items, or of a loop's passes, the last one only."""
    return list(original(self, index))[-1:]


# --- hints ------------------------------------------------------------------------------------------------------------


@replaces(
    (reading_module, "_hints"),
    caught_by=BackendContract.test_a_run_goes_on_and_is_described_where_no_hint_can_be_left,
    name="describe.HintsAreNeeded",
)
async def hints_are_needed(original: Any, store: CoordinationStore, record: RunRecord, now: float) -> Hints:
    """Shows nothing of a run where nobody can say what workers say."""
    await store.get(f"board:{record.incarnation}")
    return await original(store, record, now)  # type: ignore[no-any-return]


@replaces(
    (Worker, "_tell_at_work"),
    caught_by=BackendContract.test_a_run_goes_on_and_is_described_where_no_hint_can_be_left,
    name="describe.UntoldIsGivenUp",
)
async def untold_is_given_up(original: Any, self: Worker, at_work: AtWork) -> None:
    """Gives a job up of which people cannot be told."""
    try:
        await original(self, at_work)
    except Exception:
        for held in list(self._held):
            held.give_up()


@replaces(
    (AtWork, "_steps"),
    caught_by=BackendContract.test_a_step_that_takes_long_is_seen_under_way_with_its_progress,
    name="describe.NoProgress",
)
def no_progress(original: Any, self: AtWork, engine: Engine, now: float) -> Any:
    """Tells that a step is at work, and not how far it is."""
    return [attrs.evolve(step, fraction=None, message=None) for step in original(self, engine, now)]


@replaces(
    (reading_module, "_still_true"),
    caught_by=BackendContract.test_a_step_that_takes_long_is_seen_under_way_with_its_progress,
    name="describe.UnderWayForEver",
)
def under_way_for_ever(original: Any, hints: Hints, state: RunState, suspensions: Mapping[str, Suspension]) -> Hints:
    """Believes what workers have said of steps that have ended since."""
    return hints


@replaces(
    (PassingOn, "tell"),
    caught_by=BackendContract.test_what_is_passed_on_is_described_with_what_is_missing,
    name="describe.PassedOnUntold",
)
async def passed_on_untold(
    original: Any, self: PassingOn, incarnation: str, key: str, node_id: str, reason: str, since: float
) -> None:
    """Tells nobody but the log what is passed on."""


@replaces(
    (Board, "leave"),
    caught_by=BackendContract.test_workers_are_listed_for_as_long_as_they_live,
    name="describe.OneNoteAPage",
)
async def one_note_a_page(
    original: Any, self: Board, note: Mapping[str, Any], now: float, *, ttl: float | None = None
) -> None:
    """Leaves each note in the place of the first."""
    page = self._key(now)
    await self.store.increment(page, ttl=60)
    await self.store.set_if_absent(f"{page}:1", "{}", ttl=60)


@replaces(
    (heartbeats_module, "latest"),
    caught_by=BackendContract.test_workers_are_listed_for_as_long_as_they_live,
    name="describe.StoppedStaysListed",
)
def stopped_stays(original: Any, notes: Iterable[Mapping[str, Any]], *, since: float) -> list[WorkerDescription]:
    """Lists workers that have said that they have stopped."""
    return original([note for note in notes if note.get("state") != "stopped"], since=since)  # type: ignore[no-any-return]


# --- lists and links --------------------------------------------------------------------------------------------------


@replaces(
    (Wanted, "__contains__"),
    caught_by=BackendContract.test_runs_are_listed_by_states_flow_tags_and_time,
    name="describe.AnyTagWillDo",
)
def any_tag(original: Any, self: Wanted, status: RunStatus) -> bool:
    """Lists runs of any flow with any of the tags."""
    return status.state in self.states and bool(self.tags.items() & dict(status.tags).items())


@replaces(
    (RunFinder, "page"),
    caught_by=BackendContract.test_runs_are_listed_by_states_flow_tags_and_time,
    name="describe.FullPageSkips",
)
async def full_page_skips(original: Any, self: RunFinder, cursor: str | None, limit: int) -> Any:
    """Asks the store for more than goes on a page, and forgets the rest."""
    found, cursor = await original(self, cursor, 2 * limit)
    return found[:limit], cursor


@replaces(
    (finding_module, "_states"),
    caught_by=BackendContract.test_runs_are_listed_by_states_flow_tags_and_time,
    name="describe.NoSuchStateIsNone",
)
def no_such_state(original: Any, states: Sequence[str]) -> tuple[State, ...]:
    """Lists nothing where a state is asked for that there is not."""
    found: tuple[State, ...] = original([state for state in states if state in get_args(State)])
    return found


@replaces(
    (StoredRuns, "note_fork"),
    caught_by=BackendContract.test_a_fork_and_its_run_name_each_other_wherever_they_are_shown,
    name="describe.ForkUnknownToItsRun",
)
async def fork_unknown(original: Any, self: StoredRuns, run_id: str, forked_as: str) -> None:
    """Links a fork to its run, and the run not to its fork."""


@replaces(
    (StoredRuns, "note_fork"),
    caught_by=BackendContract.test_a_fork_and_its_run_name_each_other_wherever_they_are_shown,
    name="describe.FirstForkOnly",
)
async def first_fork_only(original: Any, self: StoredRuns, run_id: str, forked_as: str) -> None:
    """Links a run to the first of its forks."""
    await self.records.put(run_id, ":forked:0", {"as": forked_as})
