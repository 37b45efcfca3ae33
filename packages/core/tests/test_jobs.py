"""Jobs on the wire: what is written is read, and what is no job is refused with a reason."""

from __future__ import annotations

import json
from typing import Any

import pytest
from flowcraft_core.jobs import Job, MalformedJobError, NewerJobError, decode_job, encode_job
from hypothesis import given
from hypothesis import strategies as st

text = st.text(min_size=1)


jobs = st.builds(
    Job,
    id=text,
    run_id=text,
    nonce=st.text(),
    key=st.text(),
    first_seen=st.floats(0, 1e12),
    hops=st.integers(0, 999),
    attempt=st.integers(0, 9),
)
by_hand = st.builds(Job, id=text, run_id=text, blueprint_id=text, node_id=text, first_seen=st.floats(0, 1e12))


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
        ("[" * 100_000, "not JSON"),
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
