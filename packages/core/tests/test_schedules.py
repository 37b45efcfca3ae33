"""When schedules are due, held to a clock on the wall that is read minute by minute; and what is made up for."""

import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from zoneinfo import ZoneInfo

import pytest
from flowcraft_core import crontab
from flowcraft_core.errors import ConfigurationError
from flowcraft_core.schedules import Missed, Timing, as_text, due_of, firing_id, plan
from hypothesis import given
from hypothesis import strategies as st

OSLO = ZoneInfo("Europe/Oslo")
MINUTE, HOUR, DAY = 60, 3_600, 86_400


def at(text: str, zone: str = "UTC", fold: int = 0) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone), fold=fold).timestamp())


def times(cron: str, zone: str, begin: str, number: int) -> list[str]:
    """What the clock on the wall shows at the first times of an expression, with how far it is ahead of UTC."""
    since = at(begin, zone)
    found = islice(Timing.of(cron, zone, None).times(since, since), number)
    return [datetime.fromtimestamp(time, ZoneInfo(zone)).strftime("%m-%d %H:%M %z") for time in found]


# --- cron: a certain time of day comes once a day, what goes by the hour whenever it is shown -------------------------


@pytest.mark.parametrize(
    ("cron", "zone", "begin", "expected"),
    [
        # Clocks are put forward from 02:00 to 03:00: what is left out runs right after the gap.
        ("30 2 * * *", "Europe/Oslo", "2026-03-28T12:00", ["03-29 03:00 +0200", "03-30 02:30 +0200"]),
        ("15,45 2 * * *", "Europe/Oslo", "2026-03-28T12:00", ["03-29 03:00 +0200", "03-30 02:15 +0200"]),
        ("0 4 * * *", "Europe/Oslo", "2026-03-28T12:00", ["03-29 04:00 +0200", "03-30 04:00 +0200"]),
        ("*/30 * * * *", "Europe/Oslo", "2026-03-29T01:00", ["03-29 01:30 +0100", "03-29 03:00 +0200"]),
        ("0 * * * *", "Europe/Oslo", "2026-03-29T00:30", ["03-29 01:00 +0100", "03-29 03:00 +0200"]),
        # They are put back from 03:00 to 02:00: of what comes twice the first.
        ("30 2 * * *", "Europe/Oslo", "2026-10-24T12:00", ["10-25 02:30 +0200", "10-26 02:30 +0100"]),
        ("0 * * * *", "Europe/Oslo", "2026-10-25T01:30", ["10-25 02:00 +0200", "10-25 02:00 +0100"]),
        ("45 1 * * *", "America/New_York", "2026-10-31T12:00", ["11-01 01:45 -0400", "11-02 01:45 -0500"]),
        # By half an hour, and at midnight.
        ("45 1 * * *", "Australia/Lord_Howe", "2026-04-04T12:00", ["04-05 01:45 +1100", "04-06 01:45 +1030"]),
        ("0 0 * * *", "America/Santiago", "2026-09-05T12:00", ["09-06 01:00 -0300", "09-07 00:00 -0300"]),
        # Months without a 31st, years without a February 29.
        ("0 0 31 * *", "Europe/Oslo", "2026-01-31T12:00", ["03-31 00:00 +0200", "05-31 00:00 +0200"]),
        ("0 0 L * *", "UTC", "2026-01-31T12:00", ["02-28 00:00 +0000", "03-31 00:00 +0000"]),
        ("0 12 * * FRI#3", "UTC", "2026-01-01T00:00", ["01-16 12:00 +0000", "02-20 12:00 +0000"]),
    ],
)
def test_cron_is_what_the_clock_on_the_wall_says(cron: str, zone: str, begin: str, expected: list[str]) -> None:
    assert times(cron, zone, begin, 2) == expected


def test_february_29_comes_every_four_years() -> None:
    found = islice(Timing.of("0 0 29 2 *", "Europe/Oslo", None).times(0, at("2026-01-01")), 3)
    assert [datetime.fromtimestamp(time, OSLO).date().isoformat() for time in found] == [
        "2028-02-29",
        "2032-02-29",
        "2036-02-29",
    ]


@pytest.mark.parametrize("moment", ["2026-10-25T02:10", "2026-10-25T02:50"])
def test_the_second_of_two_equal_hours_leads_to_no_earlier_time(moment: str) -> None:
    # On the wall 02:30 is yet to come, and it has been an hour ago.
    second = at(moment, "Europe/Oslo", fold=1)
    due = Timing.of("30 2 * * *", "Europe/Oslo", None).after(second, 0)
    assert due == at("2026-10-26T02:30", "Europe/Oslo")


ZONES = ("UTC", "Europe/Oslo", "America/New_York", "Australia/Lord_Howe", "America/Santiago", "Asia/Kolkata")


@given(
    zone=st.sampled_from(ZONES),
    day=st.integers(0, 730),
    minute=st.sampled_from(["*", "*/7", "0", "30", "15,45"]),
    hour=st.sampled_from(["*", "*/5"]),
)
def test_what_goes_by_the_hour_comes_whenever_the_wall_shows_it(zone: str, day: int, minute: str, hour: str) -> None:
    begin = at("2026-01-01") + day * DAY
    shown = (
        {
            "*": range(60),
            "*/7": range(0, 60, 7),
            "0": (0,),
            "30": (30,),
            "15,45": (15, 45),
        }[minute],
        {"*": range(24), "*/5": range(0, 24, 5)}[hour],
    )
    wall = (
        (time, datetime.fromtimestamp(time, ZoneInfo(zone))) for time in range(begin + MINUTE, begin + 2 * DAY, MINUTE)
    )
    expected = [time for time, seen in wall if seen.minute in shown[0] and seen.hour in shown[1]]
    timing = Timing.of(f"{minute} {hour} * * *", zone, None)
    assert list(_until(timing.times(begin, 0), begin + 2 * DAY)) == expected


@given(zone=st.sampled_from(ZONES), day=st.integers(0, 730), minute=st.integers(0, 59), hour=st.integers(0, 23))
def test_a_certain_time_comes_once_a_day_in_every_zone(zone: str, day: int, minute: int, hour: int) -> None:
    place = ZoneInfo(zone)
    first = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=day)
    begin = int(datetime(first.year, first.month, first.day, tzinfo=place).timestamp()) - 1
    found = list(islice(Timing.of(f"{minute} {hour} * * *", zone, None).times(begin, 0), 4))
    seen = [datetime.fromtimestamp(time, place) for time in found]
    assert len({one.date() for one in seen}) == 4
    for one in seen:
        is_shown = (one.hour, one.minute) == (hour, minute)
        asked = datetime(one.year, one.month, one.day, hour, minute, tzinfo=place)
        is_left_out = asked.astimezone(UTC).astimezone(place) != asked
        assert is_shown or is_left_out
        assert one.fold == 0 or is_left_out


# Where clocks change: by half an hour, back and forth; by an hour; by two; and at midnight.
CHANGES = (
    ("Australia/Lord_Howe", "2026-04-05T00:00"),
    ("Australia/Lord_Howe", "2026-10-04T00:00"),
    ("Europe/Oslo", "2026-03-29T00:00"),
    ("Europe/Oslo", "2026-10-25T00:00"),
    ("Antarctica/Troll", "2026-03-29T00:00"),
    ("America/Santiago", "2026-09-06T01:00"),
)


@given(
    change=st.sampled_from(CHANGES),
    begin=st.integers(-2 * DAY, DAY),
    later=st.integers(0, 3 * DAY),
    part=st.sampled_from([0.0, 0.5]),
    minute=st.sampled_from(["*", "*/20", "*/7", "0", "15,45"]),
    hour=st.sampled_from(["*", "*/5", "0", "1", "2", "22,23,0,1"]),
    day=st.sampled_from(["*", "5", "L"]),
)
def test_what_is_due_next_does_not_depend_on_from_where_one_counts(
    change: tuple[str, str], begin: int, later: int, part: float, minute: str, hour: str, day: str
) -> None:
    zone, about = change
    begin += at(about, zone)
    timing = Timing.of(f"{minute} {hour} {day} * *", zone, None)
    counted = next(time for time in timing.times(begin, 0) if time > begin + later + part)
    assert timing.after(begin + later + part, 0) == counted


@given(
    change=st.sampled_from(CHANGES),
    begin=st.integers(-2 * DAY, DAY),
    minute=st.sampled_from(["*/20", "*/7", "*"]),
    hour=st.sampled_from(["*", "0", "2", "23", "22,23,0,1", "1-3"]),
    day=st.sampled_from(["*", "5", "29"]),
)
def test_around_a_change_of_clocks_what_goes_by_the_minute_comes_whenever_the_wall_shows_it(
    change: tuple[str, str], begin: int, minute: str, hour: str, day: str
) -> None:
    zone, about = change
    begin += at(about, zone)
    step = 1 if minute == "*" else int(minute.removeprefix("*/"))
    hours = {"*": range(24), "22,23,0,1": (22, 23, 0, 1), "1-3": (1, 2, 3)}.get(hour) or (int(hour),)
    first = (begin // MINUTE + 1) * MINUTE
    wall = ((time, datetime.fromtimestamp(time, ZoneInfo(zone))) for time in range(first, begin + 2 * DAY, MINUTE))
    expected = [
        time
        for time, seen in wall
        if seen.minute % step == 0 and seen.hour in hours and (day == "*" or seen.day == int(day))
    ]
    found = list(_until(Timing.of(f"{minute} {hour} {day} * *", zone, None).times(begin, begin), begin + 2 * DAY))
    assert found == expected


def _until(found: Iterator[int], end: int) -> Iterator[int]:
    for time in found:
        if time >= end:
            return
        yield time


@given(
    begin=st.integers(0, 800 * DAY),
    length=st.integers(1, 800 * DAY),
    cron=st.sampled_from(["0 0 29 2 *", "30 2 * * *", "0 0 31 * *", "0 12 * * MON"]),
)
def test_the_latest_time_is_the_last_of_all(begin: int, length: int, cron: str) -> None:
    begin += at("2026-01-01")
    timing = Timing.of(cron, "Europe/Oslo", None)
    every = list(_until(timing.times(begin, 0), begin + length + 1))
    assert timing.latest(begin, begin + length, 0) == (every[-1] if every else None)


# --- intervals --------------------------------------------------------------------------------------------------------


@given(since=st.integers(0, 10**9), every=st.integers(1, 10**6), later=st.floats(-100, 10**7))
def test_an_interval_counts_from_when_it_was_said(since: int, every: int, later: float) -> None:
    timing = Timing(every=every)
    due = timing.after(since + later, since)
    assert due is not None
    assert (due - since) % every == 0
    assert due > max(since, since + later)
    assert due - every <= max(since, since + later)
    last = timing.latest(since, since + later, since)
    assert last is None or (last <= since + later and timing.after(last, since) == due)


# --- plans ------------------------------------------------------------------------------------------------------------


@given(
    every=st.integers(1, 500),
    pauses=st.lists(st.integers(1, 3_000), min_size=1, max_size=20),
    missed=st.sampled_from(["all", "latest", "none"]),
    grace=st.integers(0, 600),
    most=st.integers(1, 20),
)
def test_whoever_looks_whenever_each_time_is_started_or_left_out_once(
    every: int, pauses: list[int], missed: Missed, grace: int, most: int
) -> None:
    timing, since = Timing(every=every), 1_000
    now, done, started, left_out = float(since), None, list[int](), list[int]()
    for pause in pauses:
        now += pause
        while True:  # a look leaves over what was too much for it
            planned = plan(timing, since=since, done=done, now=now, missed=missed, grace=grace, most=most)
            if planned.left_out is not None:
                first, last = planned.left_out
                left_out += range(first, last + 1, every)
                assert last < now - grace or last < planned.start[0]
            for due in planned.start:
                assert due <= now
                assert missed != "none" or due >= now - grace
            if planned.start and missed == "latest" and planned.start[0] < now - grace:
                assert planned.start == (max(planned.start),), "of what was missed only the latest"
            started += planned.start
            done = done if planned.done is None else planned.done
            if planned.next is None or planned.next > now:
                break
    passed = list(range(since + every, int(now) + 1, every))
    assert sorted(started + left_out) == passed
    assert started == sorted(started)
    assert missed != "all" or not left_out


# --- names ------------------------------------------------------------------------------------------------------------


def test_a_run_says_for_which_time_it_is() -> None:
    run_id = firing_id("at@home", at("2026-03-29T01:30"))
    assert run_id == "at@home@2026-03-29T01:30:00Z"
    assert due_of(run_id) == datetime(2026, 3, 29, 1, 30, tzinfo=UTC)
    assert due_of("nightly@by-hand-12") is None
    assert due_of("nightly") is None
    assert as_text(0) == "1970-01-01T00:00:00Z"


@pytest.mark.parametrize(
    ("cron", "timezone", "every", "message"),
    [
        (None, None, None, "either cron or every"),
        ("* * * * *", None, "1h", "either cron or every"),
        (None, "UTC", "1h", "no timezone"),
        (None, None, "0s", "every"),
        (None, None, 1.5, "whole seconds"),
        ("* * * *", None, None, "4 fields"),
        ("* * * * * *", None, None, "6 fields"),
        ("61 * * * *", None, None, "minute"),
        ("0 0 30 2 *", None, None, "day-of-month"),
        ("* * * * *", "Europe/Nowhere", None, "Europe/Nowhere"),
        ("* * * * *", "../etc/passwd", None, "passwd"),
        (5, None, None, "must be text"),
    ],
)
def test_what_cannot_mean_anything_is_refused_by_name(
    cron: str, timezone: str | None, every: str | float | None, message: str
) -> None:
    with pytest.raises(ConfigurationError, match=message):
        Timing.of(cron, timezone, every)


def test_without_cronsim_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cronsim", None)
    crontab._cronsim.cache_clear()
    try:
        with pytest.raises(ConfigurationError, match=r"flowcraft-core\[cron\]"):
            Timing.of("* * * * *", None, None)
        assert Timing.of(None, None, "1h") == Timing(every=HOUR)
    finally:
        crontab._cronsim.cache_clear()
