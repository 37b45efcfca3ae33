"""``SyncClient``: the client for code that is not async."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable, Coroutine, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar, overload

from typing_extensions import Unpack

from ..catalogue import FlowLike, UntypedFlow
from ..durations import Duration
from ..errors import BackendError
from ..ports import Backend, RunStatus, State
from ..runtime.results import OutT
from ..runtime.synchronously import answer_of
from .client import Client
from .results import Purged, Started, StartOptions, StoredResult, StoredRun
from .scheduling.sync_client import SyncScheduleClient

if TYPE_CHECKING:
    from ..decorated import Flow
    from .describing.said import WorkerDescription
    from .describing.shapes import QueueDescription, RunDescription, RunsPage
    from .exporting import Footprint
    from .finding import RunFilters

T = TypeVar("T")
InT = TypeVar("InT")


class SyncClient:
    """A ``Client`` on an event loop of its own, in a background thread. Also a context manager, which closes it.

    Attributes:
        schedules: See ``Client.schedules``.
    """

    def __init__(self, backend: Callable[[], Backend], **options: Any) -> None:
        """Open a backend, and a client on it.

        Args:
            backend: Makes the backend, not yet open; called in the background loop, since that is where it is used.
            options: As for ``Client``.
        """
        self._process = os.getpid()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="flowcraft-sync-client", daemon=True)
        self._thread.start()
        try:
            self._backend, self._client = self._call(self._open(backend, options))
            self.schedules = SyncScheduleClient(self._client.schedules, self._call)
        except BaseException:
            self._end()
            raise

    @staticmethod
    async def _open(backend: Callable[[], Backend], options: Mapping[str, Any]) -> tuple[Backend, Client]:
        made = backend()
        await made.open()
        return made, Client(made, **options)

    @overload
    def start(self, flow: Flow[None, OutT], /, **options: Unpack[StartOptions]) -> Started[OutT]: ...
    @overload
    def start(self, flow: Flow[InT, OutT], given: InT, /, **options: Unpack[StartOptions]) -> Started[OutT]: ...
    @overload
    def start(
        self, flow: UntypedFlow, context: Mapping[str, Any] | None = None, **options: Unpack[StartOptions]
    ) -> Started: ...
    def start(
        self,
        flow: FlowLike,
        context: Any = None,
        *,
        run_id: str | None = None,
        delay: Duration = 0.0,
        tags: Mapping[str, str] | None = None,
        timeout: Duration | None = None,
        queue: str | None = None,
        connection: Any = None,
    ) -> Started:
        """See ``Client.start``; the connection is one that is not async, and is not used elsewhere meanwhile."""
        begun = self._client._begin(
            flow, context, run_id=run_id, delay=delay, tags=tags, timeout=timeout, queue=queue, connection=connection
        )
        return self._call(begun)

    def status(self, run_id: str) -> StoredRun:
        """See ``Client.status``."""
        return self._call(self._client.status(run_id))

    def result(self, run_id: str | Started[OutT], *, lazy: bool = False) -> StoredResult[OutT]:
        """See ``Client.result``; what is lazy is read as any sequence is."""
        return self._call(self._client.result(run_id, lazy=lazy))

    def wait(
        self, run_id: str | Started[OutT], *, timeout: Duration | None = None, lazy: bool = False
    ) -> StoredResult[OutT]:
        """See ``Client.wait``."""
        return self._call(self._client.wait(run_id, timeout=timeout, lazy=lazy))

    def describe(
        self, run_id: str, *, inside: str = "", after: str | None = None, limit: int = 100, values: bool = True
    ) -> RunDescription:
        """See ``Client.describe``."""
        return self._call(self._client.describe(run_id, inside=inside, after=after, limit=limit, values=values))

    def runs(
        self,
        *states: State,
        newest_first: bool | None = None,
        limit: int | None = None,
        links: bool = False,
        **filters: Unpack[RunFilters],
    ) -> list[StoredRun]:
        """See ``Client.runs``."""
        found = self._client.runs(*states, newest_first=newest_first, limit=limit, links=links, **filters)

        async def collect() -> list[StoredRun]:
            return [status async for status in found]

        return self._call(collect())

    def runs_page(
        self,
        *states: State,
        after: str | None = None,
        limit: int = 100,
        newest_first: bool | None = None,
        links: bool = False,
        **filters: Unpack[RunFilters],
    ) -> RunsPage:
        """See ``Client.runs_page``."""
        page = self._client.runs_page(
            *states, after=after, limit=limit, newest_first=newest_first, links=links, **filters
        )
        return self._call(page)

    def workers(self, *, within: Duration = 150.0) -> list[WorkerDescription]:
        """See ``Client.workers``."""
        return self._call(self._client.workers(within=within))

    def queues(self) -> list[QueueDescription]:
        """See ``Client.queues``."""
        return self._call(self._client.queues())

    def resume(
        self,
        run_id: str,
        key: str,
        *,
        output: Any = None,
        action: str | None = None,
        early: bool = False,
        nonce: str | None = None,
    ) -> None:
        """See ``Client.resume``."""
        self._call(self._client.resume(run_id, key, output=output, action=action, early=early, nonce=nonce))

    def cancel(self, run_id: str, *, reason: str | None = None) -> bool:
        """See ``Client.cancel``."""
        return self._call(self._client.cancel(run_id, reason=reason))

    def abandon(self, run_id: str, *, reason: str | None = None) -> bool:
        """See ``Client.abandon``."""
        return self._call(self._client.abandon(run_id, reason=reason))

    def fork(
        self,
        run_id: str,
        *keys: str,
        new_run_id: str | None = None,
        flow: FlowLike | None = None,
        context: Mapping[str, Any] | None = None,
        new_idempotency_keys: bool = False,
    ) -> Started:
        """See ``Client.fork``."""
        asked = self._client.fork(
            run_id,
            *keys,
            new_run_id=new_run_id,
            flow=flow,
            context=context,
            new_idempotency_keys=new_idempotency_keys,
        )
        return self._call(asked)

    def redrive(
        self,
        run_id: str,
        *,
        new_run_id: str | None = None,
        flow: FlowLike | None = None,
        context: Mapping[str, Any] | None = None,
        new_idempotency_keys: bool = False,
    ) -> Started:
        """See ``Client.redrive``."""
        asked = self._client.redrive(
            run_id, new_run_id=new_run_id, flow=flow, context=context, new_idempotency_keys=new_idempotency_keys
        )
        return self._call(asked)

    def purge(self, run_id: str, *, damaged: bool = False) -> None:
        """See ``Client.purge``."""
        self._call(self._client.purge(run_id, damaged=damaged))

    def purge_older(self, age: Duration) -> Purged:
        """See ``Client.purge_older``."""
        return self._call(self._client.purge_older(age))

    def dead_letters(self) -> list[RunStatus]:
        """See ``Client.dead_letters``."""
        return self._call(self._client.dead_letters())

    def send_back(self, dead_letter_id: str) -> None:
        """See ``Client.send_back``."""
        self._call(self._client.send_back(dead_letter_id))

    def export(self, run_id: str) -> str:
        """See ``Client.export``."""
        return self._call(self._client.export(run_id))

    def footprint(self, run_id: str) -> Footprint:
        """See ``Client.footprint``."""
        return self._call(self._client.footprint(run_id))

    def drop_dead_letter(self, dead_letter_id: str) -> None:
        """See ``Client.drop_dead_letter``."""
        self._call(self._client.drop_dead_letter(dead_letter_id))

    def close(self) -> None:
        """Close the backend, and end the background loop."""
        if self._thread.is_alive():
            self._call(self._backend.close())
            self._end()

    def __enter__(self) -> SyncClient:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _end(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _call(self, coroutine: Coroutine[Any, Any, T]) -> T:
        problem = None
        if os.getpid() != self._process:
            problem = "was made in another process and did not survive the fork: make one in each process"
        elif not self._thread.is_alive():
            problem = "is closed: make a new one"
        if problem is not None:
            coroutine.close()
            raise BackendError(f"this SyncClient {problem}")
        calling = asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        try:
            return answer_of(calling)
        finally:
            calling.cancel()  # nothing, unless this was interrupted while it waited: then the call is to end, too
