from typing import Any

import attrs
import pytest
from flowcraft_core.durable import FailedAttempt, InstanceDescription, RunDescription, StoredRun, UnderWay
from flowcraft_core.durations import lasting
from flowcraft_ui.timeline import SPAN, Bar, queued, timeline


def instance(**fields: Any) -> InstanceDescription:
    return InstanceDescription(**{"key": "a", "node_id": "a", "kind": "step", "uses": "a", "state": "done", **fields})


def level(*instances: InstanceDescription, at: float = 100.0) -> RunDescription:
    run = StoredRun(run_id="r", state="running", blueprint_id="f", created=0.0, updated=0.0, next_check=None)
    return RunDescription(
        run=run, at=at, deadline=None, inside="", instances=instances, counts={}, total=1, cursor=None
    )


def bars(*instances: InstanceDescription, at: float = 100.0) -> list[tuple[str, float, float]]:
    (line,) = timeline(level(*instances, at=at)).lines
    return [(bar.look, bar.x, bar.width) for bar in line.bars]


def test_waiting_for_a_worker_is_told_apart_from_work() -> None:
    assert bars(instance(ready_at=0.0, started=6.0, ended=10.0)) == [("queued", 0.0, 600.0), ("work", 600.0, 400.0)]


def test_each_attempt_has_its_bar_and_the_pauses_are_no_waiting_for_a_worker() -> None:
    failed = FailedAttempt(number=1, error=None, started=1.0, ended=2.0, retry_at=6.0)
    tried = instance(ready_at=0.0, failed_attempts=(failed,), started=7.0, ended=10.0)
    assert [look for look, _, _ in bars(tried)] == ["queued", "failed", "suspended", "queued", "work"]
    assert queued(tried, level(tried)) == 2.0


@pytest.mark.parametrize(
    ("fields", "look"),
    [
        ({"state": "ready", "ready_at": 0.0}, "queued"),
        ({"state": "waiting", "kind": "wait", "started": 0.0}, "suspended"),
        ({"state": "failed", "started": 0.0, "ended": 100.0}, "failed"),
        (
            {"state": "ready", "under_way": UnderWay(key="a", worker="w", since=0.0, attempt=1, seen=1.0)},
            "work",
        ),
    ],
)
def test_what_goes_on_still_goes_on_until_now(fields: dict[str, Any], look: str) -> None:
    assert bars(instance(**fields)) == [(look, 0.0, SPAN)]


def test_what_waited_when_its_run_ended_has_waited_until_then() -> None:
    waited = level(instance(state="waiting", kind="wait", started=0.0), at=1_000.0)
    ended = attrs.evolve(waited, run=attrs.evolve(waited.run, state="cancelled", updated=40.0))
    assert timeline(ended).ends == 40.0


def test_in_a_fork_nothing_has_waited_for_a_worker_before_the_fork() -> None:
    kept = instance(ready_at=0.0, started=1.0, ended=2.0)
    again = instance(ready_at=2.0, started=60.0, ended=61.0)
    fork = level(kept, again)
    fork = attrs.evolve(fork, run=attrs.evolve(fork.run, created=50.0))
    assert (queued(kept, fork), queued(again, fork)) == (1.0, 10.0)


def test_what_has_not_begun_has_no_line() -> None:
    assert timeline(level(instance(state="pending"))).lines == []


def test_a_bar_never_leaves_the_chart_and_is_never_too_thin_to_see() -> None:
    both = timeline(level(instance(started=0.0, ended=100.0), instance(started=100.0, ended=100.0))).lines
    last: Bar = both[1].bars[0]
    assert last.x + last.width <= SPAN
    assert last.width > 1


def test_there_are_a_few_marks_whatever_time_is_covered() -> None:
    for ended in (0.001, 0.5, 7.0, 3_600.0, 40 * 86_400.0):
        chart = timeline(level(instance(started=0.0, ended=ended), at=ended))
        assert 2 <= len(chart.ticks) <= 9


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.0, "0 ms"), (0.25, "250 ms"), (59.94, "59.9 s"), (61, "1 min 1 s"), (7_260, "2 h 1 min"), (90_000, "1 d 1 h")],
)
def test_a_duration_has_at_most_two_units(seconds: float, words: str) -> None:
    assert lasting(seconds) == words
