"""Jobs on the wire: what is written is read, and what is no job is refused with a reason."""

from __future__ import annotations

import json
from typing import Any

import pytest
from flowcraft_core.jobs import (
    Job,
    MalformedJobError,
    NewerJobError,
    decode_job,
    encode_job,
    passed_on_for,
    say_passed_on,
)
from hypothesis import given
from hypothesis import strategies as st

ids = st.text(min_size=1, max_size=300)
run_ids = ids.filter(lambda text: not text.startswith(":"))
times = st.floats(0, 1e11)


jobs = st.builds(
    Job,
    id=ids,
    run_id=run_ids,
    nonce=ids | st.just(""),
    key=st.text(max_size=2_000),
    first_seen=times,
    passed_on=times,
    hops=st.integers(0, 999),
    attempt=st.integers(0, 9),
)
by_hand = st.builds(Job, id=ids, run_id=run_ids, blueprint_id=ids, node_id=ids, first_seen=times)


@given(jobs | by_hand)
def test_what_is_written_is_read(job: Job) -> None:
    assert decode_job(encode_job(job)) == job


def test_the_form_is_stable() -> None:
    job = Job(id="j", run_id="r", nonce="n", key="pages[2].ocr", first_seen=5.0, hops=1)
    assert encode_job(job) == '{"v":1,"id":"j","run":"r","key":"pages[2].ocr","seen":5.0,"nonce":"n","hops":1}'


def test_a_message_written_by_hand_is_read_and_always_gives_the_same_job() -> None:
    body = json.dumps({"runId": "r", "blueprintId": "b", "nodeId": "n"})
    job = decode_job(body)
    assert (job.run_id, job.blueprint_id, job.node_id, job.key) == ("r", "b", "n", "")
    assert decode_job(body) == job


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("", "not JSON"),
        ("{", "not JSON"),
        ("[" * 20_000, "not JSON"),
        ("[" * 100_000, "at most 49152 bytes"),
        ('{"v": 1, "id": "j", "run": "\\ud800", "key": ""}', "'run' is .*half a character"),
        ('{"v": 1, "id": "\\ud800", "run": "r", "key": ""}', "'id' is .*half a character"),
        ('{"v": 1, "id": "j", "run": "r", "key": "\\udfff"}', "'key' is .*half a character"),
        ('{"runId": "\\ud800", "blueprintId": "b", "nodeId": "n"}', "'runId' is .*half a character"),
        ('{"v": 1, "id": "j", "run": ":blueprints", "key": ""}', "no run's id"),
        ('{"v": 1, "id": "j", "run": "%s", "key": ""}' % ("r" * 301), "'run' has 301 characters"),
        ('{"v": 1, "id": "j", "run": "r", "key": "%s"}' % ("k" * 2_001), "'key' has 2001 characters"),
        ("[]", "a JSON object, not list"),
        ("{}", "'runId' must be text, not None"),
        ('{"runId": "r", "blueprintId": 3}', "'blueprintId' must be text, not 3"),
        ('{"v": "1"}', "has format '1'"),
        ('{"v": true}', "has format True"),
        ('{"v": 0}', "has format 0"),
        ('{"v": 1, "id": "", "run": "r", "key": ""}', "'id' must be text"),
        ('{"v": 1, "id": "j", "run": "r", "key": 1}', "'key' must be text, not 1"),
        ('{"v": 1, "id": "j", "run": "r", "key": "", "seen": NaN}', "'seen' must be a number"),
        ('{"v": 1, "id": "j", "run": "r", "key": "", "hops": -1}', "'hops' must be a number"),
    ],
)
def test_what_is_no_job_is_refused_with_a_reason(body: str, reason: str) -> None:
    with pytest.raises(MalformedJobError, match=reason):
        decode_job(body)


@pytest.mark.parametrize("absurd", ["1e300", "1" + "0" * 400, "1e12"])
def test_times_and_counts_beyond_all_measure_are_cut_down(absurd: str) -> None:
    """They are finite, and small enough to be reckoned with and to be sent again."""
    body = '{"v": 1, "id": "j", "run": "r", "key": "", "seen": %s, "passed": %s, "hops": %s, "attempt": %s}'
    job = decode_job(body % ((absurd,) * 4))
    assert (job.first_seen, job.passed_on, job.hops, job.attempt) == (1e11, 1e11, 10**6, 10**6)
    assert decode_job(encode_job(job)) == job


def test_a_job_of_a_newer_format_says_for_how_long_it_has_been_passed_on() -> None:
    body = '{"v": 99, "half": "\\ud800", "deep": [{}]}'
    assert passed_on_for(body) == 0.0
    again = say_passed_on(body, 12.5)
    assert passed_on_for(again) == 12.5
    assert json.loads(again) == {**json.loads(body), "passed": 12.5}
    again.encode()


def test_a_newer_format_is_told_apart() -> None:
    with pytest.raises(NewerJobError, match="format 99; this version reads up to 1"):
        decode_job('{"v": 99}')


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)
fields = st.dictionaries(st.sampled_from(["v", "id", "run", "key", "seen", "hops", "runId", "nodeId"]), json_values)


@given(st.text() | json_values.map(json.dumps) | fields.map(json.dumps))
def test_any_message_is_read_or_refused(body: str) -> None:
    outcome: Any
    try:
        outcome = decode_job(body)
    except (MalformedJobError, NewerJobError) as error:
        outcome = error
    assert outcome is not None
