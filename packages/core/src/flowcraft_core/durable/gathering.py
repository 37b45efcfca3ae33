"""Reads of one run that are asked for at the same time, in one request."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from functools import partial

from ..ports import ContextStore, Fact


class GatheringReads:
    """Reads facts; what is asked for in one pass of the event loop, of one run, is one request.

    Jobs that were received together look up their instances together: a fan-out of fifty costs a read per receive, and
    not one per job. What one of them asks for never fails another but by the request that they share.
    """

    def __init__(self, store: ContextStore) -> None:
        """Gather for a store.

        Args:
            store: Where facts are read.
        """
        self._store = store
        self._asked: dict[str, tuple[dict[str, None], list[asyncio.Future[Mapping[str, Fact]]]]] = {}

    async def get(self, run_id: str, keys: Sequence[str]) -> Mapping[str, Fact]:
        """See ``ContextStore.get``."""
        loop = asyncio.get_running_loop()
        if run_id not in self._asked:
            self._asked[run_id] = ({}, [])
            # Not at once: whoever else is ready to run in this pass asks with it.
            loop.call_soon(self._request, run_id)
        wanted, waiting = self._asked[run_id]
        wanted.update(dict.fromkeys(keys))
        # Each is told by itself: who is cancelled leaves alone.
        answer: asyncio.Future[Mapping[str, Fact]] = loop.create_future()
        waiting.append(answer)
        found = await answer
        return {key: found[key] for key in keys if key in found}

    def _request(self, run_id: str) -> None:
        wanted, waiting = self._asked.pop(run_id)
        request = asyncio.ensure_future(self._store.get(run_id, list(wanted)))
        request.add_done_callback(partial(_tell, waiting))


def _tell(waiting: Sequence[asyncio.Future[Mapping[str, Fact]]], request: asyncio.Future[Mapping[str, Fact]]) -> None:
    error = None if request.cancelled() else request.exception()
    for answer in waiting:
        if answer.done():
            continue  # whoever asked was cancelled
        if request.cancelled():
            answer.cancel()
        elif error is not None:
            answer.set_exception(error)
        else:
            answer.set_result(request.result())
