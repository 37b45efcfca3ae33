"""Trace contexts in jobs: handed on where they can be read, and never a reason to fail a job."""

from __future__ import annotations

import json
from typing import Any

import attrs
import pytest
from flowcraft_core.jobs import Job, decode_job, encode_job
from flowcraft_core.traces import Trace, trace_of
from hypothesis import given
from hypothesis import strategies as st

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
TRACE = Trace(PARENT, "vendor=a b,other=1")

JOB = Job(id="j", run_id="r", nonce="n", key="k", first_seen=1.0)

anything: st.SearchStrategy[Any] = st.one_of(
    st.none(), st.booleans(), st.integers(), st.text(), st.lists(st.text()), st.dictionaries(st.text(), st.text())
)


def test_a_context_says_which_trace_and_span_and_whether_it_is_sampled() -> None:
    assert TRACE.trace_id == 0x0AF7651916CD43DD8448EB211C80319C
    assert TRACE.span_id == 0xB7AD6B7169203331
    assert TRACE.flags == 1


@pytest.mark.parametrize("trace", [TRACE, Trace(PARENT)])
def test_a_job_brings_the_trace_that_it_was_sent_in(trace: Trace) -> None:
    assert decode_job(encode_job(attrs.evolve(JOB, trace=trace))).trace == trace


def test_a_job_without_a_trace_is_written_as_it_always_was() -> None:
    assert set(json.loads(encode_job(JOB))) == {"v", "id", "run", "key", "seen", "nonce"}
    assert decode_job(encode_job(JOB)).trace is None


def test_a_job_that_was_written_by_hand_may_bring_a_trace() -> None:
    body = {"runId": "r", "blueprintId": "b", "nodeId": "n"}
    assert decode_job(json.dumps(body)).trace is None
    assert decode_job(json.dumps(body | {"trace": PARENT})).trace == Trace(PARENT)


@pytest.mark.parametrize(
    "parent",
    [
        "",
        PARENT.upper(),
        PARENT + "-more",
        PARENT + "\n",
        PARENT[:-1],
        "ff" + PARENT[2:],
        "00-" + "0" * 32 + PARENT[35:],
        PARENT[:36] + "0" * 16 + PARENT[52:],
        "x" * 10_000,
        7,
        None,
        [PARENT],
    ],
)
def test_what_is_no_trace_is_left_out_and_the_job_is_done_all_the_same(parent: object) -> None:
    body = json.loads(encode_job(JOB)) | {"trace": parent, "tracestate": "a=1"}
    assert decode_job(json.dumps(body)) == JOB


@pytest.mark.parametrize("state", ["a" * 513, "line\nbreak", "\N{SNOWMAN}", 7, None])
def test_a_state_that_nobody_may_hand_on_is_left_out(state: object) -> None:
    assert trace_of({"trace": PARENT, "tracestate": state}) == Trace(PARENT)


@given(parent=anything, state=anything)
def test_whatever_stands_there_is_a_trace_that_can_be_written_again_or_none(parent: Any, state: Any) -> None:
    trace = trace_of({"trace": parent, "tracestate": state})
    assert trace is None or trace_of(trace.fields()) == trace
