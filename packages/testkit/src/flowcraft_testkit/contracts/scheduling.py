"""The clauses of a whole backend on schedules: what starts, when, how often, and what is left out."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import attrs
import pytest
from flowcraft_core import Clock, FlowBuilder, create_flow
from flowcraft_core.durable import Client, Reconciler, UnknownScheduleError
from flowcraft_core.durable.scheduling.revisions import place_of
from flowcraft_core.errors import ConfigurationError
from flowcraft_core.ports import Fact
from flowcraft_core.schedules import Missed, Overlap, due_of, firing_id

from .interposed import Around, Call
from .programs import Context, ProgramClauses, Programs, Steps

_HOUR = 3_600
#: What a reconciler is late by, within the time that is no miss.
_SOON = 30.0


@attrs.frozen
class Ahead:
    """A clock that is ahead of another: whoever goes by it sees times pass that have not come yet."""

    inner: Clock
    by: float

    def now(self) -> float:
        """Seconds since the epoch."""
        return self.inner.now() + self.by

    async def sleep(self, seconds: float) -> None:
        """Return once so many seconds have passed."""
        await self.inner.sleep(seconds)


class SchedulingClauses(ProgramClauses):
    """What a ``Backend`` promises of schedules. Nobody waits for an hour: reconcilers go by clocks that are ahead."""

    async def test_a_schedule_starts_a_run_for_each_of_its_times_and_no_other(self) -> None:
        """The run's id says for which; its tags, by whom. Until then nothing is started, and never twice."""
        steps = Steps()

        async def due(ctx: Context) -> str:
            steps.executed.append(ctx.key)
            return str(due_of(ctx.run_id))

        flow = create_flow("hourly").node("a", due)
        async with self.programs(flow) as here:
            await here.hire()
            made = await here.client.schedules.make(
                self.id("hourly"), flow, {"x": 1}, every="1h", tags={"kind": "often"}, timeout="1d"
            )
            assert await self._fire(here, made.schedule_id, made.since + 0.5 * _HOUR) == 0
            first, second = (firing_id(made.schedule_id, time) for time in made.upcoming[:2])
            for _ in range(2):
                await self._fire(here, made.schedule_id, made.upcoming[0] + _SOON)
            result = await here.ended(first)
            assert (result.status, result.context["x"]) == ("completed", 1)
            assert result.outputs["a"] == str(due_of(first))
            status = await here.client.status(first)
            assert status.tags == {"kind": "often", "schedule": made.schedule_id}
            assert await here.backend.status.get(second) is None
            assert await self._fire(here, made.schedule_id, made.upcoming[1] + _SOON) == 1
            assert (await here.ended(second)).status == "completed"
            assert steps.count("a") == 2
            shown = await here.client.schedules.show(made.schedule_id)
            assert (shown.last_due, shown.last_run, shown.next_due) == (made.upcoming[1], second, made.upcoming[2])

    async def test_due_schedules_are_found_by_a_round_of_a_reconciler(self) -> None:
        """One that cannot be read does not hold up the others, and one that is not due is left alone."""
        steps = Steps()
        flow = create_flow("found").node("a", steps.one)
        async with self.programs(flow) as here:
            await here.hire()
            broken = self.id("broken")
            await here.client.schedules.make(broken, flow, every="1h")
            await here.backend.context.put(place_of(broken), ":revision:1", Fact(b'w\x00{"v":99}', "somebody"))
            made = [
                await here.client.schedules.make(self.id("found"), flow, every=f"{1 + n}h", missed="all")
                for n in range(3)
            ]
            runs = [firing_id(schedule.schedule_id, schedule.upcoming[0]) for schedule in made]
            reconciler, errors = await self._reconciler_at(here, made[1].upcoming[0] + _SOON), 0

            async def found() -> bool:
                nonlocal errors
                errors += (await reconciler.run_once()).errors
                return errors > 0 and None not in [await here.backend.status.get(run) for run in runs[:2]]

            await self.until(found, here.patience)
            for run_id in runs[:2]:
                assert (await here.ended(run_id)).status == "completed"
            assert await here.backend.status.get(runs[2]) is None
            for schedule_id in (broken, *(schedule.schedule_id for schedule in made)):
                await here.backend.status.delete(place_of(schedule_id))

    async def test_reconcilers_whose_clocks_differ_start_each_time_once(self) -> None:
        """By 90 seconds, and the schedule is due every minute: neither starts one twice, nor takes one for missed."""
        executed: set[str] = set()

        async def note(ctx: Context) -> None:
            executed.add(
                ctx.run_id
            )  # which may be once more, where two who start a run at once both send its first job

        flow = create_flow("minutely").node("a", note)
        async with self.programs(flow) as here:
            await here.hire()
            made = await here.client.schedules.make(self.id("minutely"), flow, every="1m")
            begin, times = made.since, [made.since + 60 * (number + 1) for number in range(7)]
            for moment in range(20, 300, 70):
                behind, ahead = [await self._reconciler_at(here, begin + moment + apart) for apart in (0, 90)]
                pair = (behind, ahead) if moment % 140 == 20 else (ahead, behind)
                await self.race(one.reconcile_schedule(made.schedule_id) for one in (*pair, pair[0]))
            started = [time for time in times if await here.backend.status.get(firing_id(made.schedule_id, time))]
            assert started == [time for time in times if time <= begin + 230 + 90]
            for time in started:
                assert (await here.ended(firing_id(made.schedule_id, time))).status == "completed"
            assert executed == {firing_id(made.schedule_id, time) for time in started}

    async def test_missed_times_are_made_up_for_as_the_schedule_says(self) -> None:
        """Down for a day: all of them, the latest, or none; and then it goes on with its own times."""
        flow = create_flow("missed").node("a", Steps().one)
        async with self.programs(flow) as here:
            cases: tuple[tuple[Missed, list[int]], ...] = (("all", [0, 1, 2, 3]), ("latest", [3]), ("none", []))
            for missed, expected in cases:
                made = await here.client.schedules.make(
                    self.id(missed),
                    flow,
                    every="6h",
                    missed=missed,
                )
                await self._fire(here, made.schedule_id, made.since + 24.5 * _HOUR)
                assert await self._started(here, made.schedule_id, made.upcoming) == expected, missed
                await self._fire(here, made.schedule_id, made.since + 30 * _HOUR + _SOON)
                assert await self._started(here, made.schedule_id, made.upcoming) == [*expected, 4], missed

    async def test_a_run_that_is_under_way_meets_the_next_time_as_the_schedule_says(self) -> None:
        """The next one starts all the same, or is left out, or the older one is cancelled."""
        flow = create_flow("slow").wait("a")
        async with self.programs(flow, reconcile=False) as here:
            cases: tuple[tuple[Overlap, list[str | None]], ...] = (
                ("start", ["live", "live", "live"]),
                ("skip", ["cancelled", None, "live"]),
                ("cancel", ["cancelled", "cancelled", "live"]),
            )
            for overlap, states in cases:
                made = await here.client.schedules.make(
                    self.id(overlap),
                    flow,
                    every="1h",
                    overlap=overlap,
                )
                runs = [firing_id(made.schedule_id, time) for time in made.upcoming[:3]]
                for number, time in enumerate(made.upcoming[:3]):
                    await self._fire(here, made.schedule_id, time + _SOON)
                    if (overlap, number) == ("skip", 1):  # the first one ends, so that there is room
                        await here.client.cancel(runs[0])
                assert [await self._state(here, run_id) for run_id in runs] == states, overlap

    async def test_a_paused_schedule_starts_nothing_and_misses_nothing(self) -> None:
        """What passes meanwhile is not made up for, whatever the schedule says of missed times."""
        flow = create_flow("paused").node("a", Steps().one)
        async with self.programs(flow) as here:
            made = await here.client.schedules.make(self.id("paused"), flow, every="1h", missed="all")
            paused = await here.client.schedules.pause(made.schedule_id)
            assert (paused.state, paused.upcoming) == ("paused", ())
            assert await self._fire(here, made.schedule_id, made.since + 1.5 * _HOUR) == 0
            later = await self._client_at(here, flow, made.since + 3.5 * _HOUR)
            resumed = await later.schedules.resume(made.schedule_id)
            assert (resumed.state, resumed.since) == ("active", resumed.upcoming[0] - _HOUR)
            assert resumed.since >= made.since + 3.5 * _HOUR - 1
            assert await self._fire(here, made.schedule_id, resumed.upcoming[0] + _SOON) == 1
            assert await self._started(here, made.schedule_id, [*made.upcoming[:4], resumed.upcoming[0]]) == [4]
            by_hand = await here.client.schedules.trigger(made.schedule_id, run_id=self.id("triggered"))
            assert by_hand.created is True
            assert (await here.client.schedules.trigger(made.schedule_id, run_id=by_hand.run_id)).created is False
            assert (await here.client.schedules.show(made.schedule_id)).last_due == resumed.upcoming[0]

    async def test_a_schedule_goes_by_what_it_said_last(self) -> None:
        """Other times count from the edit on, another flow is started from then on, and one that is removed is gone."""
        old, new = (create_flow("edited").node(name, Steps().one) for name in ("old", "new"))
        async with self.programs(old) as here:
            made = await here.client.schedules.make(self.id("edited"), old, every="1h", missed="all")
            assert await here.client.schedules.make(made.schedule_id, old, every="1h", missed="all") == made
            with pytest.raises(ConfigurationError, match="otherwise"):
                await here.client.schedules.make(made.schedule_id, old, every="2h", missed="all")
            later = await self._client_at(here, new, made.since + 0.5 * _HOUR)
            edited = await later.schedules.make(made.schedule_id, new, every="1h", missed="all", replace=True)
            assert (edited.since, edited.revision) == (made.since, 1)
            edited = await later.schedules.edit(made.schedule_id, every="2h")
            assert (edited.every, edited.missed, edited.revision) == (7_200, "all", 2)
            assert edited.next_due == edited.since + 7_200
            assert edited.next_due >= made.since + 2.5 * _HOUR - 1
            assert await self._fire(here, made.schedule_id, made.since + 2.3 * _HOUR) == 0
            assert await self._fire(here, made.schedule_id, edited.next_due + _SOON) == 1
            described = await here.client.describe(firing_id(made.schedule_id, edited.next_due))
            assert [instance.key for instance in described.instances] == ["new"]
            assert made.schedule_id in {one.schedule_id async for one in here.client.schedules.list()}
            await here.client.schedules.remove(made.schedule_id)
            await here.client.schedules.remove(made.schedule_id)
            assert await self._fire(here, made.schedule_id, made.since + 24 * _HOUR) == 0
            assert await here.backend.status.get(place_of(made.schedule_id)) is None
            with pytest.raises(UnknownScheduleError):
                await here.client.schedules.show(made.schedule_id)
            again = await here.client.schedules.make(made.schedule_id, old, every="3h")
            assert (again.revision, again.every, again.last_due) == (4, 10_800, edited.next_due)

    async def test_a_schedule_is_told_from_another_by_what_is_stored(self) -> None:
        """An edit is one also if Python calls both values equal; and what Python calls unequal to itself is none."""
        flow = create_flow("told").node("a", Steps().one)
        async with self.programs(flow) as here:
            schedules, schedule_id = here.client.schedules, self.id("told")
            values: list[Any] = [1, True, 1.0, [1.0], (1.0,), {1}, frozenset({1}), b"1", float("nan"), {"x": {2, 1}}]
            for number, value in enumerate(values):
                for _ in range(2):
                    made = await schedules.make(schedule_id, flow, {"x": value}, every="1h", replace=True)
                    assert (made.revision, type(made.context["x"])) == (number, type(value)), value
                edited = await schedules.edit(schedule_id, context={"x": value})
                assert edited.revision == number, value

    async def test_a_start_that_is_cut_off_is_finished_once(self) -> None:
        """A reconciler dies after each of its calls in turn: another one goes on, and the run is the only one."""
        steps = Steps()
        flow = create_flow("cut").node("a", steps.one)
        async with self.programs(flow) as here:
            await here.hire()
            for starts in {here.backend.starts is not None, False}:  # by one call, or by three
                await self._cut_anywhere(here, flow, steps, starts=starts)

    async def test_a_purged_run_is_not_started_again(self) -> None:
        """However old the hint is by which somebody looks, and also if its reconciler died before it said so."""
        steps = Steps()
        flow = create_flow("purged").node("a", steps.one)
        async with self.programs(flow) as here:
            await here.hire()
            started = "queue.send" if here.backend.starts is None else "starts.begin"
            for cut in (None, *[started] * 4):
                made = await here.client.schedules.make(self.id("purged"), flow, every="1h", missed="all")
                moment = made.upcoming[1] + _SOON
                if cut is None:
                    await self._fire(here, made.schedule_id, moment)
                else:
                    await self._fire(here, made.schedule_id, made.upcoming[0] + _SOON)
                    assert await self._fire_until(here, made.schedule_id, moment, 1, cut)
                for time in made.upcoming[:2]:
                    assert (await here.ended(firing_id(made.schedule_id, time))).status == "completed"
                    await here.client.purge(firing_id(made.schedule_id, time))
                await here.backend.status.touch(place_of(made.schedule_id), at=self.now(), next_check=0.0)
                assert await self._fire(here, made.schedule_id, moment) == 0
                assert await self._started(here, made.schedule_id, made.upcoming) == []
                assert await self._fire(here, made.schedule_id, made.upcoming[2] + _SOON) == 1

    async def test_a_hint_that_was_written_late_is_written_again(self) -> None:
        """A reconciler reads that a schedule is paused; it is resumed; then it says when to look at a paused one."""
        flow = create_flow("hinted").node("a", Steps().one)
        async with self.programs(flow) as here:
            made = await here.client.schedules.make(self.id("hinted"), flow, every="1h")
            await here.client.schedules.pause(made.schedule_id)
            resumed: list[Any] = []

            async def late(operation: str, call: Call) -> Any:
                if operation == "status.touch" and not resumed:
                    resumed.append(await here.client.schedules.resume(made.schedule_id))
                return await call()

            await (await here.reconciler(around=late)).reconcile_schedule(made.schedule_id)
            status = await here.backend.status.get(place_of(made.schedule_id))
            assert status is not None
            assert status.next_check == resumed[0].next_due

    async def test_schedules_are_no_runs(self) -> None:
        """No list of runs has them, they cannot be asked for as such, and what is no schedule is refused by name."""
        flow = create_flow("none").node("a", Steps().one)
        async with self.programs(flow) as here:
            made = await here.client.schedules.make(self.id("none"), flow, every="1h")
            listed: set[str] = set()

            async def is_listed() -> bool:
                listed.update([one.schedule_id async for one in here.client.schedules.list()])
                return made.schedule_id in listed

            await self.until(is_listed)
            for state in ("running", "awaiting", "completed", "failed", "cancelled", "dead"):
                runs = [run.run_id async for run in here.client.runs(state)]
                assert place_of(made.schedule_id) not in runs, f"among the {state}"
            with pytest.raises(ConfigurationError, match="schedules"):
                [run async for run in here.client.runs("schedule")]
            for call in (here.client.schedules.pause, here.client.schedules.trigger, here.client.schedules.remove):
                with pytest.raises(UnknownScheduleError):
                    await call(self.id("unknown"))
            for settings in ({}, {"every": "1h", "cron": "* * * * *"}, {"every": 0}, {"every": "1h", "missed": "some"}):
                with pytest.raises(ConfigurationError, match="schedule"):
                    await here.client.schedules.make(self.id("refused"), flow, **settings)

    # --- helpers --------------------------------------------------------------------------------------------------

    async def _reconciler_at(self, here: Programs, moment: float, **options: Any) -> Reconciler:
        """A reconciler by whose clock it is that moment."""
        return await here.reconciler(clock=Ahead(self._clock, moment - self.now()), **options)

    async def _client_at(self, here: Programs, flow: FlowBuilder, moment: float) -> Client:
        """A client by whose clock it is that moment."""
        return Client(await here.connect(), flows=[flow], clock=Ahead(self._clock, moment - self.now()))

    async def _fire(self, here: Programs, schedule_id: str, moment: float) -> int:
        """Have a reconciler look at a schedule at a moment; how many runs it has started."""
        return (await (await self._reconciler_at(here, moment)).reconcile_schedule(schedule_id)).fired

    async def _fire_until(
        self,
        here: Programs,
        schedule_id: str,
        moment: float,
        number: int,
        operation: str | None = None,
        *,
        called: list[str] | None = None,
        starts: bool = True,
    ) -> bool:
        """The same, by a reconciler that dies after its so-manieth call; whether it came to that."""
        called, died = [] if called is None else called, asyncio.Event()
        note = _noting(called)

        async def around(name: str, call: Call) -> Any:
            answer = await note(name, call)
            if sum(operation in (None, each) for each in called) >= number:
                died.set()
                await asyncio.Event().wait()
            return answer

        reconciler = await self._reconciler_at(here, moment, around=around, starts=starts)
        looking = asyncio.ensure_future(reconciler.reconcile_schedule(schedule_id))
        dying = asyncio.ensure_future(died.wait())
        await asyncio.wait([looking, dying], return_when=asyncio.FIRST_COMPLETED)
        was_cut = not looking.done()
        for task in (looking, dying):
            task.cancel()
        await asyncio.wait([looking, dying])
        return was_cut

    async def _cut_anywhere(self, here: Programs, flow: FlowBuilder, steps: Steps, *, starts: bool) -> None:
        """Have a reconciler die after each of its calls in turn, while it starts what is due."""
        number, was_cut = 0, True
        while was_cut:
            number += 1
            made = await here.client.schedules.make(self.id("cut"), flow, every="1h", overlap="skip")
            due, executed = made.upcoming[0], steps.count("a")
            called: list[str] = []
            was_cut = await self._fire_until(here, made.schedule_id, due + _SOON, number, called=called, starts=starts)
            await self.pass_time(here.backend.context.limits.staleness)
            another = await self._reconciler_at(here, due + 2 * _SOON, around=_noting(called), starts=starts)
            await another.reconcile_schedule(made.schedule_id)
            run_id = firing_id(made.schedule_id, due)
            assert await here.backend.status.get(run_id) is not None, f"nothing was started, cut at call {number}"
            # A start that was cut short after its status is finished by a look at the run. Where a job was sent,
            # such a look may come before its step has ended, and have it executed once more: that is allowed.
            if not {"queue.send", "starts.begin"}.intersection(called):
                await (await self._reconciler_at(here, due + 300.0)).reconcile(run_id, insist=False)
            assert (await here.ended(run_id)).status == "completed"
            await self._fire(here, made.schedule_id, due + 3 * _SOON)
            assert steps.count("a") == executed + 1, f"cut at call {number}"
            shown = await here.client.schedules.show(made.schedule_id)
            assert (shown.last_due, shown.last_run) == (due, run_id)
            status = await here.backend.status.get(place_of(made.schedule_id))
            assert status is not None
            assert status.next_check == made.upcoming[1]
            await here.client.schedules.remove(made.schedule_id)
        assert number > (6 if starts else 8), "the look has fewer calls than it needs"

    async def _started(self, here: Programs, schedule_id: str, times: Sequence[int]) -> list[int]:
        """The places of those times for which there is a run."""
        runs = [await here.backend.status.get(firing_id(schedule_id, time)) for time in times]
        return [place for place, run in enumerate(runs) if run is not None]

    async def _state(self, here: Programs, run_id: str) -> str | None:
        """A run's state; whether it waits or runs is no matter."""
        status = await here.backend.status.get(run_id)
        return status and ("live" if status.state in ("running", "awaiting") else status.state)


def _noting(called: list[str]) -> Around:
    """Writes down what was called."""

    async def note(name: str, call: Call) -> Any:
        answer = await call()
        called.append(name)
        return answer

    return note
