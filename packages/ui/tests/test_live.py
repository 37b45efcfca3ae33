import asyncio

import pytest
from flowcraft_ui import live
from flowcraft_ui.guard import Refused
from flowcraft_ui.live import Streams
from flowcraft_ui.rendering import Desk
from flowcraft_ui.sessions import Sessions
from flowcraft_ui.source import Source
from flowcraft_ui.values import Values
from starlette.requests import Request

from .helpers import Place


def streams_of(place: Place) -> Streams:
    return Streams(Desk(Source(place.client), Values(), Sessions(), False, ""), pause=0.01)


async def test_a_page_is_told_of_each_change_and_of_the_end(place: Place) -> None:
    await place.waiting()
    streams = streams_of(place)
    told = streams.events("run", "")
    assert (await anext(told)).startswith("retry:")
    assert (await anext(told)).startswith("event: changed")
    next_one = asyncio.ensure_future(anext(told))
    await asyncio.sleep(0.05)
    assert not next_one.done()  # nothing has changed
    await place.client.resume("run", "approve", action="approved")
    rest = [await next_one] + [event async for event in told]
    assert rest[-1].startswith("event: ended")
    assert len(rest) == len(set(rest))
    assert streams.open == 0


async def test_a_stream_of_a_run_that_is_gone_ends(place: Place) -> None:
    await place.waiting()
    told = streams_of(place).events("run", "")
    await anext(told)
    await anext(told)
    await place.client.cancel("run")
    await place.client.purge("run")
    assert [event async for event in told][-1].startswith("event:")


async def test_a_stream_that_nobody_reads_any_more_is_let_go(place: Place) -> None:
    await place.waiting()
    streams = streams_of(place)
    told = streams.events("run", "")
    await anext(told)
    assert streams.open == 1
    await told.aclose()  # type: ignore[attr-defined]
    assert streams.open == 0


async def test_there_are_only_so_many_streams(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "MOST_STREAMS", 0)
    request = Request({"type": "http", "query_string": b"id=run", "headers": []})
    with pytest.raises(Refused) as refused:
        await streams_of(place)(request)
    assert refused.value.status == 503
