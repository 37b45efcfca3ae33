"""A client starts a flow of decorated functions with its input, and gives its output."""

from __future__ import annotations

from typing import Any

import pytest
from flowcraft_core import ConfigurationError, Flow, NoOutputError, create_flow

from .helpers import place


def words() -> Flow[str, list[int]]:
    flow = Flow[str, list[int]]("words")

    @flow.step
    async def split(text: str = flow.input) -> list[str]:
        return text.split()

    @flow.batch(over=split.output)
    async def measure(word: str, text: str = flow.input) -> int:
        return 100 * len(word) // len(text)

    @flow.step
    async def aside(words: list[str] = split.output) -> int:
        return len(words)

    flow.returns(measure.output)
    return flow


async def test_what_start_gives_leads_to_the_output() -> None:
    flow: Any = words()
    async with place(flow) as here:
        started = await here.client.start(flow, "to be or", run_id="run")
        with pytest.raises(NoOutputError, match="run 'run' is running and has no output yet: wait until it has ended"):
            _ = (await here.client.result(started)).output
        async with here.working():
            assert (await here.client.wait(started, timeout=60)).output == [25, 25, 25]
        assert (await here.client.result("run")).output == [25, 25, 25]
        assert (await here.client.result("run")).context == {"input": "to be or"}


async def test_a_flow_that_takes_something_is_not_started_without() -> None:
    flow: Any = words()
    async with place(flow) as here:
        with pytest.raises(ConfigurationError, match="flow 'words' takes str: start it as run"):
            await here.client.start(flow)
        async with here.working():
            by_id = await here.client.start("words", {"input": "to be"})
            assert (await here.client.wait(by_id, timeout=60)).output == [40, 40]


async def test_a_built_flow_gives_its_last_output_or_the_one_that_its_metadata_name() -> None:
    async def one(ctx: object) -> int:
        return 1

    async def two(ctx: object) -> int:
        return 2

    for metadata, output in (({}, {"a": 1, "b": 2}), ({"result": "b"}, 2), ({"result": "none"}, {"a": 1, "b": 2})):
        flow = create_flow("f").metadata(**metadata).node("a", one).node("b", two)
        async with place(flow) as here, here.working():
            started = await here.client.start(flow)
            assert (await here.client.wait(started, timeout=60)).output == output
