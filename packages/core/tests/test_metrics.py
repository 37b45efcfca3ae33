from __future__ import annotations

import threading

from flowcraft_core.metrics import RequestMetrics


def test_requests_are_counted_by_operation() -> None:
    metrics = RequestMetrics()
    metrics.note("queue.send", size=10)
    metrics.note("queue.send", size=5, again=True)
    metrics.note("queue.receive")
    metrics.note_empty_receive()
    assert metrics.requests == {"queue.send": 2, "queue.receive": 1}
    assert metrics.retries == {"queue.send": 1}
    assert metrics.request_bytes["queue.send"] == 15
    assert metrics.empty_receives == 1


def test_only_the_groups_that_were_heard_of_last_are_kept_apart() -> None:
    metrics = RequestMetrics(groups_kept=2)
    for group in ("a", "b", "a", "c"):
        metrics.note("table.get", group=group)
    metrics.note("table.get")  # nobody's
    assert [metrics.of_group(group).get("table.get", 0) for group in "abc"] == [2, 0, 1]
    assert metrics.requests == {"table.get": 5}


def test_what_was_read_does_not_change() -> None:
    metrics = RequestMetrics()
    metrics.note("queue.send", group="run")
    before, of_run = metrics.requests, metrics.of_group("run")
    metrics.note("queue.send", group="run")
    assert before == of_run == {"queue.send": 1}


def test_threads_count_together() -> None:
    metrics = RequestMetrics()

    def work() -> None:
        for _ in range(1_000):
            metrics.note("queue.send", size=1, group="run")

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert metrics.requests == metrics.of_group("run") == metrics.request_bytes == {"queue.send": 4_000}
