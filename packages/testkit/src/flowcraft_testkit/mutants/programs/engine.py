"""Engines that forget, repeat, or decide again."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from typing import Any

import attrs
from flowcraft_core.durable import engine as engine_module
from flowcraft_core.durable import reconciler as reconciler_module
from flowcraft_core.durable import whole as whole_module
from flowcraft_core.durable.advancing import Advance
from flowcraft_core.durable.engine import Engine
from flowcraft_core.durable.intake import Intake
from flowcraft_core.durable.poison import PoisonCount
from flowcraft_core.durable.sets import JoinSets, Size, Waiting
from flowcraft_core.durable.signals import send_suspended
from flowcraft_core.durable.undoing import StoppedRun
from flowcraft_core.durable.worker import Worker
from flowcraft_core.errors import TransientError
from flowcraft_core.graph.decisions import take_edges
from flowcraft_core.graph.instances import Arrival, Instance, Phase
from flowcraft_core.ids import new_id

from ...contracts import BackendContract
from ..mutant import Mutant, clause_id, register, replaces

# --- joins ------------------------------------------------------------------------------------------------------------


@replaces(
    (JoinSets, "add"),
    caught_by=BackendContract.test_a_join_waits_for_every_predecessor_though_one_comes_twice,
    name="engine.CounterInsteadOfSet",
)
async def counted(original: Any, self: Any, incarnation: str, arrivals: Sequence[Arrival]) -> Size:
    """Counts arrivals at a join, so that a redelivered one counts twice."""
    name = f"count:{incarnation}:{arrivals[0].key}"
    number = await self.store.add_members(name, *(new_id() for _ in arrivals), ttl=86_400.0)
    return Size(is_full=number == arrivals[0].total, was_empty=False)


@replaces(
    (JoinSets, "add"),
    caught_by=BackendContract.test_a_killed_workers_job_is_done_by_another,
    name="engine.OnlyTheLastNewMemberActs",
)
async def only_new(original: Any, self: Any, incarnation: str, arrivals: Sequence[Arrival]) -> Size:
    """Takes an arrival whose member was there already for one that somebody has acted on."""
    known = await self.store.members(f"join:{incarnation}:{arrivals[0].key}:0.0")
    size: Size = await original(self, incarnation, arrivals)
    again = {str(arrival.member) for arrival in arrivals} <= known
    return attrs.evolve(size, is_full=size.is_full and not again)


@replaces(
    (JoinSets, "add"),
    caught_by=BackendContract.test_a_join_whose_set_was_lost_is_healed_by_the_next_arrival,
    name="engine.EmptySetIsTheFirst",
)
async def never_empty(original: Any, self: Any, incarnation: str, arrivals: Sequence[Arrival]) -> Size:
    """Takes an empty set for one at which nobody has arrived yet."""
    size: Size = await original(self, incarnation, arrivals)
    return attrs.evolve(size, was_empty=False)


@replaces(
    (Waiting, "tell"),
    caught_by=BackendContract.test_who_arrives_together_at_a_join_goes_on_once,
    name="engine.AllWhoArriveTogetherAct",
)
def all_are_told(original: Any, self: Any, found: Size | Exception) -> None:
    """Tells everybody who went to a join together that it is full."""
    for told in self.told:
        original(attrs.evolve(self, told=[told]), found)


@replaces(
    (Waiting, "tell"),
    caught_by=BackendContract.test_who_arrives_together_at_a_join_goes_on_once,
    name="engine.NobodyWhoArrivesTogetherActs",
)
def nobody_is_told(original: Any, self: Any, found: Size | Exception) -> None:
    """Leaves a full join to somebody else wherever several went there together."""
    several = len(self.told) > 1 and isinstance(found, Size)
    original(self, Size(is_full=False, was_empty=False) if several else found)


@replaces(
    (Advance, "_arrive"),
    caught_by=BackendContract.test_a_killed_workers_job_is_done_by_another,
    name="engine.WhoComesAgainArrivesTogether",
)
async def always_together(original: Any, self: Any, arrival: Arrival, *, together: bool) -> None:
    """Lets those who come to a join again go together, so that one who has not gone on with it may be told."""
    await original(self, arrival, together=True)


# --- replay -----------------------------------------------------------------------------------------------------------


async def _walk_everything(self: Any, frontier: list[Instance], *, own: bool = True) -> list[Instance]:
    """Through everybody's outcomes, and not only through the job's own."""
    found: list[Instance] = []
    while frontier:
        outcomes = await self.view.look(frontier)
        following: list[Instance] = []
        for instance in frontier:
            if instance.key in outcomes:
                following += await self._advance.over(instance, outcomes[instance.key])
            else:
                found.append(instance)
        frontier = following
    return found


register(
    Mutant(
        name="engine.BlindReadvance",
        defect="Goes on from every outcome that it meets when a job comes again, whoever has gone on from it already.",
        clause=clause_id(BackendContract.test_doubled_messages_do_not_set_off_the_graph_again),
        patches=((Engine, "_walk", _walk_everything),),
    )
)


@replaces(
    (Advance, "over"),
    caught_by=BackendContract.test_what_was_decided_stays_decided,
    name="engine.EdgesTakenAgain",
)
async def decided_again(original: Any, self: Any, instance: Instance, stored: Any, *, goes_on: bool = False) -> Any:
    """Evaluates the conditions of an outcome that it finds again, on the context as it is by then."""
    if not stored.won and instance.vertex.out:
        await self.view.refresh(instance)
        outcome = stored.value
        taken = take_edges(*instance, outcome.output, outcome.action)
        stored = attrs.evolve(stored, value=attrs.evolve(outcome, taken=taken))
    return await original(self, instance, stored, goes_on=goes_on)


@replaces(
    (Advance, "over"),
    caught_by=BackendContract.test_values_reach_the_successor_also_when_their_setter_died,
    name="engine.ValuesAppliedByTheirSetterOnly",
)
async def applied_once(original: Any, self: Any, instance: Instance, stored: Any, *, goes_on: bool = False) -> Any:
    """Leaves the context values of an outcome that it finds to whoever has written it."""
    if not stored.won:
        stored = attrs.evolve(stored, value=attrs.evolve(stored.value, sets=None))
    return await original(self, instance, stored, goes_on=goes_on)


@replaces(
    (Advance, "over"),
    caught_by=BackendContract.test_passes_beyond_ten_set_values_in_their_order,
    name="engine.ValuesNotApplied",
)
async def never_applied(original: Any, self: Any, instance: Instance, stored: Any, *, goes_on: bool = False) -> Any:
    """Goes on without applying the context values."""
    return await original(self, instance, attrs.evolve(stored, value=attrs.evolve(stored.value, sets=None)))


@replaces(
    (Worker, "_release"),
    caught_by=BackendContract.test_a_worker_that_is_cancelled_gives_back_what_it_held,
    name="worker.KeepsWhatItHeld",
)
async def keeps(original: Any, self: Any, given_back: Any) -> None:
    """Leaves what it held to the end of its visibility when it ends."""


@replaces(
    (Intake, "_ask"),
    caught_by=BackendContract.test_an_idle_worker_stops_at_once,
    name="worker.WaitsOutItsPoll",
)
async def waits_it_out(original: Any, self: Any, served: Any, most: int, wait: float) -> Any:
    """Waits for the end of a receive though it is to stop."""
    asking = asyncio.ensure_future(original(self, served, most, wait))
    try:
        return await asyncio.shield(asking)
    except asyncio.CancelledError:
        return await asking


# --- time and tries ---------------------------------------------------------------------------------------------------


@replaces(
    (Engine, "_must_hand_on"),
    caught_by=BackendContract.test_a_chain_goes_on_under_another_message_after_so_many_steps,
    name="engine.ChainUnderOneMessage",
)
def never_hands_on(original: Any, self: Any) -> bool:
    """Works on a chain under one message for as long as it takes."""
    return False


@replaces(
    (PoisonCount, "are_too_many"),
    caught_by=BackendContract.test_a_step_that_kills_its_process_fails_its_run_in_the_end,
    name="engine.PoisonIsTriedForEver",
)
async def never_poison(original: Any, self: Any, incarnation: str, key: str, count: int) -> bool:
    """Runs a step again that has killed every worker so far."""
    return False


@replaces(
    (PoisonCount, "come_back"),
    caught_by=BackendContract.test_what_is_cut_off_by_stops_is_begun_anew_however_often,
    name="engine.StopsCountAsDeaths",
)
async def never_comes_back(original: Any, self: Any) -> None:
    """Takes a step that was cut off by its worker's stop for one that has ended it."""
    if not isinstance(sys.exc_info()[1], asyncio.CancelledError):
        await original(self)


@replaces(
    (PoisonCount, "come_back"),
    caught_by=BackendContract.test_a_store_that_is_down_for_a_while_fails_no_undo,
    name="engine.OutagesCountAsDeaths",
)
async def troubled(original: Any, self: Any) -> None:
    """Takes whatever could not be gone on with for what has ended its worker."""
    if not isinstance(sys.exc_info()[1], TransientError):
        await original(self)


@replaces(
    (StoppedRun, "give_up"),
    caught_by=BackendContract.test_an_undo_that_kills_its_process_is_given_up_in_the_end,
    name="engine.DeadlyUndosAreTriedForEver",
)
async def again_and_again(original: Any, self: Any, key: str, why: str, number: int) -> None:
    """Makes an undo again that has killed every worker so far."""
    raise TransientError("not now")


@replaces(
    (PoisonCount, "_wait_for_turn"),
    caught_by=BackendContract.test_what_is_under_way_beside_a_step_that_kills_its_process_is_done,
    name="engine.SuspectsTriedTogether",
)
async def all_at_once(original: Any, self: Any, counter: str, count: int) -> None:
    """Tries all that comes again at once, so that one that ends the process ends the tries of all."""


@replaces(
    (PoisonCount, "are_too_many"),
    caught_by=BackendContract.test_a_store_that_is_down_for_a_while_fails_nothing,
    name="engine.EveryRedeliveryIsPoison",
)
async def poison_by_count(original: Any, self: Any, incarnation: str, key: str, count: int) -> bool:
    """Takes a job for a deadly one that was delivered often, for whatever reason."""
    return True


@replaces(
    (Engine, "_last_suspension"),
    caught_by=BackendContract.test_retries_are_spaced_and_outlive_their_worker,
    name="engine.RetriesForgotten",
)
async def no_suspensions(original: Any, self: Any, instance: Instance) -> None:
    """Begins with the first attempt again under each new job."""
    self.job = attrs.evolve(self.job, attempt=0)


@replaces(
    (engine_module, "send_suspended"),
    (reconciler_module, "send_suspended"),
    caught_by=BackendContract.test_retries_are_spaced_and_outlive_their_worker,
    name="engine.DelayForgotten",
)
async def at_once(
    original: Any, backend: Any, record: Any, instance: Any, suspension: Any, clock: Any, **options: Any
) -> None:
    """Sends the job of the next attempt without its delay."""
    await original(backend, record, instance, attrs.evolve(suspension, due=None), clock, **options)


@replaces(
    (Engine, "schedule"),
    caught_by=BackendContract.test_a_wait_that_nobody_answers_takes_its_timeout,
    name="engine.DueTimeForgotten",
)
async def unscheduled(original: Any, self: Any, instance: Instance, suspension: Any) -> None:
    """Suspensions an instance and sees to nothing."""
    await self.backend.status.touch(self.job.run_id, at=self.clock.now(), next_check=None)


@replaces(
    (Engine, "schedule"),
    caught_by=BackendContract.test_a_run_that_waits_for_somebody_says_so_soon,
    name="engine.TimedWaitsAreSilent",
)
async def silent_if_timed(original: Any, self: Any, instance: Instance, suspension: Any) -> None:
    """Leaves it to the run's age when a wait with a timeout is seen to wait."""
    if suspension.queued:
        await send_suspended(self.backend, self.view.record, instance, suspension, self.clock)
    else:
        await original(self, instance, suspension)


# --- ends -------------------------------------------------------------------------------------------------------------


@replaces(
    (Engine, "finish"),
    caught_by=BackendContract.test_a_killed_workers_job_is_done_by_another,
    name="engine.EndNotWritten",
)
async def unfinished(original: Any, self: Any) -> None:
    """Leaves the status of a run whose last node has ended as it is."""


@replaces(
    (engine_module, "finish_run"),
    (reconciler_module, "finish_run"),
    caught_by=BackendContract.test_a_failed_node_fails_its_run_by_name,
    name="engine.FailureWithoutAReason",
)
async def nameless(
    original: Any, backend: Any, records: Any, record: Any, state: Any, clock: Any, journal: Any, **options: Any
) -> Any:
    """Ends a failed run without saying why."""
    if state.phase is Phase.FAILED:
        await backend.status.finish(record.run_id, "failed", at=clock.now(), reason="failed")
        return None
    return await original(backend, records, record, state, clock, journal, **options)


@replaces(
    (engine_module, "finish_run"),
    (reconciler_module, "finish_run"),
    caught_by=BackendContract.test_a_failed_node_fails_its_run_by_name,
    name="engine.FailureKeepsRunning",
)
async def failure_runs_on(
    original: Any, backend: Any, records: Any, record: Any, state: Any, *rest: Any, **options: Any
) -> Any:
    """Ends only those runs that have completed."""
    return None if state.phase is Phase.FAILED else await original(backend, records, record, state, *rest, **options)


@replaces(
    (Engine, "_commit"),
    caught_by=BackendContract.test_a_step_costs_the_same_however_long_the_chain,
    name="engine.RunReadAtEachCommit",
)
async def reads_all(original: Any, self: Any, instance: Instance, outcome: Any) -> Any:
    """Reads all facts of the run before each commit, to see where it stands."""
    await whole_module.whole_state(self.view.record, attrs.evolve(self.records, cache=None))
    return await original(self, instance, outcome)
