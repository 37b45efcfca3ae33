"""Scenario 61: runs that start by themselves, whatever becomes of those who start them, and of their clocks."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import expect
from durable_backend import Durable
from flowcraft_core import FlowBuilder, create_flow
from flowcraft_core.durable import Client, Reconciler, StoredSchedule, UnknownScheduleError
from flowcraft_core.schedules import Missed, firing_id
from flowcraft_testkit.contracts.interposed import Around, Call, Interposed, simply
from flowcraft_testkit.contracts.scheduling import Ahead
from scenario import Scenario
from small_steps import Context, echo

SCHEDULES = Scenario(
    id=61,
    title="Schedules start each due time once, by clocks 90 s apart, after a day, across clock changes, and cut off",
    absent={"in-process": "nothing is stored there, and nobody is there to start anything"},
)

_HOUR = 3_600
_SOON = 20.0

#: What a schedule says, when it was made, when somebody looks, and the times in UTC that have runs then.
_CALENDAR = {
    "forward": ("30 2 * * *", "Europe/Oslo", "2027-03-27T12:00", "2027-03-29T12:00", ["03-28T01:00", "03-29T00:30"]),
    "back": ("30 2 * * *", "Europe/Oslo", "2027-10-30T12:00", "2027-11-01T12:00", ["10-31T00:30", "11-01T01:30"]),
    "hourly": ("0 * * * *", "Europe/Oslo", "2027-10-31T00:30", "2027-10-31T02:30", ["10-31T01:00", "10-31T02:00"]),
    "31st": ("0 0 31 * *", "UTC", "2027-01-31T12:00", "2027-06-30T12:00", ["03-31T00:00", "05-31T00:00"]),
}


class _Noted:
    """A flow of one step, and the runs that have executed it."""

    def __init__(self, flow_id: str) -> None:
        self.runs: list[str] = []
        self.flow: FlowBuilder = create_flow(flow_id).node("only", self._note)

    async def _note(self, ctx: Context) -> None:
        self.runs.append(ctx.run_id)


def _seconds(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


async def _client_at(backend: Durable, moment: float) -> Client:
    """A client by whose clock it is that moment."""
    return await backend.client(clock=Ahead(backend.clock, moment - backend.clock.now()))


async def _look_at(
    backend: Durable, schedule: StoredSchedule, moment: float, around: Around = simply, *, times: int = 1
) -> None:
    """Have a reconciler look at a schedule by whose clock it is that moment."""
    clock = Ahead(backend.clock, moment - backend.clock.now())
    reconciler = Reconciler(Interposed(await backend.ports(), around), clock=clock)
    for _ in range(times):
        await reconciler.reconcile_schedule(schedule.schedule_id)


async def _started(backend: Durable, schedule: StoredSchedule, times: Sequence[int]) -> list[int]:
    """Those of the times for which there is a run."""
    store = (await backend.ports()).status
    runs = [await store.get(firing_id(schedule.schedule_id, time)) for time in times]
    return [time for time, run in zip(times, runs, strict=True) if run is not None]


@SCHEDULES.check_durable
async def on_machines_whose_clocks_differ(backend: Durable) -> None:
    """Two by 90 s, the one ahead is killed, and the coordination store is wiped: each minute has one run."""
    noted = _Noted("minutely")
    backend.deploy(noted.flow)
    client = await backend.client()
    schedule = await client.schedules.make("minutely", "minutely", every="1m")
    await backend.hire(clock=Ahead(backend.clock, 0.0))
    first = await backend.hire(clock=Ahead(backend.clock, 90.0))

    async def at_least(number: int) -> None:
        async def is_so() -> bool:
            return len(set(noted.runs)) >= number

        holds = await backend.comes_to_hold(is_so, within=1_800.0, every=10.0)
        expect.equal(f"{number} runs of it in half an hour, and there are {len(set(noted.runs))}", holds, True)

    await at_least(3)
    await backend.lose_coordination()
    await at_least(5)
    await backend.kill(first)
    await at_least(7)
    await backend.hire(clock=Ahead(backend.clock, 90.0))
    await backend.lose_coordination()
    await at_least(9)
    await client.schedules.pause("minutely")
    await backend.clock.sleep(backend.beat)
    last = (await client.schedules.show("minutely")).last_due or 0
    times = range(schedule.since + 60, last + 1, 60)
    expect.equal("the minutes that have runs", await _started(backend, schedule, times), list(times))
    for time in times:
        await backend.until_ended(firing_id("minutely", time))
    expect.equal("the runs of it", sorted(set(noted.runs)), [firing_id("minutely", time) for time in times])
    executed = {run: noted.runs.count(run) for run in set(noted.runs)}
    expect.equal("how often each was executed, but for those of the killed", max(executed.values()) <= 2, True)
    expect.equal("those that were executed twice", sum(number - 1 for number in executed.values()) <= 2, True)


@SCHEDULES.check_durable
async def after_a_day(backend: Durable) -> None:
    """Nobody was there for a day: all that was missed, the latest, or nothing; then as if nothing had been."""
    backend.deploy(create_flow("daily").node("only", echo))
    expected: dict[Missed, list[int]] = {"all": [0, 1, 2, 3], "latest": [3], "none": []}
    for missed, places in expected.items():
        client = await _client_at(backend, _seconds("2027-05-01T01:00"))
        made = await client.schedules.make(missed, "daily", cron="0 */6 * * *", missed=missed, context={"x": 1})
        await _look_at(backend, made, _seconds("2027-05-02T01:00"), times=2)
        wanted = [made.upcoming[place] for place in places]
        expect.equal(f"{missed}: the times that are made up for", await _started(backend, made, made.upcoming), wanted)
        await _look_at(backend, made, made.upcoming[4] + _SOON, times=2)
        wanted.append(made.upcoming[4])
        expect.equal(f"{missed}: and the next one", await _started(backend, made, made.upcoming), wanted)


@SCHEDULES.check_durable
async def as_the_calendar_has_it(backend: Durable) -> None:
    """Clocks are put forward and back, months have no 31st, years no February 29: as cron has it in that zone."""
    backend.deploy(create_flow("calendar").node("only", echo))
    for name, (cron, zone, begin, end, expected) in _CALENDAR.items():
        made = await (await _client_at(backend, _seconds(begin))).schedules.make(
            name, "calendar", cron=cron, timezone=zone, missed="all"
        )
        await _look_at(backend, made, _seconds(end), times=2)
        found = await _started(backend, made, made.upcoming)
        told = [datetime.fromtimestamp(time, UTC).strftime("%m-%dT%H:%M") for time in found]
        expect.equal(f"{name}: the times that have runs", told, expected)
    client = await _client_at(backend, _seconds("2027-06-01T12:00"))
    leap = await client.schedules.make("leap", "calendar", cron="0 12 29 2 *", missed="all")
    await _look_at(backend, leap, _seconds("2033-01-01T00:00"))
    wanted = [int(_seconds(f"{year}-02-29T12:00")) for year in (2028, 2032)]
    expect.equal("the February 29 that have runs", await _started(backend, leap, leap.upcoming), wanted)


@SCHEDULES.check_durable
async def when_somebody_changes_it(backend: Durable) -> None:
    """Paused, resumed, changed, triggered by hand, removed and made again: it goes by what was said last."""
    backend.deploy(*(create_flow(name).node("only", echo) for name in ("one", "other")))
    client = await backend.client()
    made = await client.schedules.make("changed", "one", every="1h", missed="all")
    await _look_at(backend, made, made.upcoming[0] + _SOON)
    await client.schedules.pause("changed")
    await _look_at(backend, made, made.upcoming[2] + _SOON)
    expect.equal("its runs, paused after one", await _started(backend, made, made.upcoming), [made.upcoming[0]])
    triggered = await client.schedules.trigger("changed")
    expect.equal("a run by hand of one that is paused", triggered.created, True)
    later = await _client_at(backend, made.upcoming[2] + 600)
    await later.schedules.resume("changed")
    edited = await later.schedules.edit("changed", flow="other", every="90m")
    expect.equal("the first time after the edit", edited.next_due, edited.since + 5_400)
    await _look_at(backend, made, edited.upcoming[0] + _SOON, times=2)
    expect.equal("what was made up for", await _started(backend, made, made.upcoming), [made.upcoming[0]])
    expect.equal("the edited one's runs", await _started(backend, made, edited.upcoming), [edited.upcoming[0]])
    status = await backend.status(firing_id("changed", edited.upcoming[0]))
    expect.equal("the flow that it starts", status.blueprint_id, "other")
    await client.schedules.remove("changed")
    await _look_at(backend, made, edited.upcoming[2] + _SOON)
    expect.equal("the removed one's runs", await _started(backend, made, edited.upcoming), [edited.upcoming[0]])
    with expect.refused(UnknownScheduleError, "changed"):
        await client.schedules.trigger("changed")
    again = await client.schedules.make("changed", "one", every="2h")
    expect.equal("what is known of its past", again.last_due, edited.upcoming[0])


@SCHEDULES.check_durable
async def cut_off(backend: Durable) -> None:
    """Whoever starts a run dies before one of its calls, or after it: the run is there, ends, and is the only one."""
    noted = _Noted("cut")
    backend.deploy(noted.flow)
    client, runs = await backend.client(), list[str]()
    by_one = getattr(await backend.ports(), "starts", None) is not None
    starting = ("starts.begin",) if by_one else ("context.put", "status.create", "queue.send")
    for operation in (*starting, "context.apply", "status.touch"):
        for when in ("before", "after"):
            made = await client.schedules.make(f"{when} {operation}", "cut", every="30d")
            runs.append(firing_id(made.schedule_id, made.upcoming[0]))
            await _cut(backend, made, operation, when)
            await _look_at(backend, made, made.upcoming[0] + 2 * _SOON, times=2)
    await backend.staff()

    async def all_ended() -> bool:
        # A start that was cut off after its status is finished by whoever looks at its run, a minute later.
        clock = Ahead(backend.clock, 30 * 86_400 + 600.0)
        reconciler = Reconciler(await backend.ports(), clock=clock)
        for run_id in runs:
            await reconciler.reconcile(run_id, insist=False)
        return set(noted.runs) == set(runs)

    expect.equal("all of them are executed", await backend.comes_to_hold(all_ended, within=1_800.0, every=10.0), True)
    for run_id in runs:
        await backend.until_ended(run_id)
        expect.equal(f"the state of {run_id}", (await backend.status(run_id)).state, "completed")
    expect.equal("the runs", sorted(noted.runs), sorted(runs))


async def _cut(backend: Durable, schedule: StoredSchedule, operation: str, when: str) -> None:
    """Look at a schedule that is due, and die before an operation or after it."""

    async def around(called: str, call: Call) -> Any:
        if called != operation:
            return await call()
        if when == "after":
            await call()
        raise asyncio.CancelledError

    try:
        await _look_at(backend, schedule, schedule.upcoming[0] + _SOON, around)
    except asyncio.CancelledError:
        return
    raise AssertionError(f"whoever starts a run has no {operation}")


@SCHEDULES.check_durable
async def purged(backend: Durable) -> None:
    """The runs are purged and the hint is an old one: nothing is started again."""
    noted = _Noted("purged")
    backend.deploy(noted.flow)
    client = await backend.client()
    made = await client.schedules.make("purged", "purged", every="1h", missed="all")
    await backend.staff()
    await _look_at(backend, made, made.upcoming[1] + _SOON)
    for time in made.upcoming[:2]:
        await backend.until_ended(firing_id("purged", time))
        await client.purge(firing_id("purged", time))
    await (await backend.ports()).status.touch(":schedule:purged", at=0.0, next_check=0.0)
    await _look_at(backend, made, made.upcoming[1] + 2 * _SOON, times=3)
    expect.equal("the purged runs that are there again", await _started(backend, made, made.upcoming), [])
    expect.equal("how often anything was executed", len(noted.runs), 2)
