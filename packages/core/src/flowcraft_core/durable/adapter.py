"""``Adapter``: the three programs on one backend, with a life of their own. What the cloud packages' adapters are."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Self

import attrs
from typing_extensions import Unpack

from ..errors import ConfigurationError
from ..ids import new_id
from ..logging.catalogue import ADAPTER_ENDED, UNAVAILABLE, WORKER_REPLACED
from ..logging.journal import Journal, Rarely
from ..payloads import CompressingCodec, PayloadCodec
from ..ports import Backend
from ..queues import DEFAULT_QUEUE
from ..settings import VISIBILITY
from ..sizes import parse_bytes
from .caches import DEFAULT_MEMORY, Memory
from .engine import Done, Engine, Settings
from .handler import JobHandler
from .holding import Held, Holding
from .options import WorkerOptions, require_options
from .transient import RetryingBackend

# Who receives messages by itself handles jobs. Each of the others is imported by who is asked for it first: a program
# that works, or starts runs, or reconciles, does so by itself.
if TYPE_CHECKING:
    from ..runtime import FlowRuntime
    from .answering import Answering
    from .client import Client
    from .reconciler import Reconciled, Reconciler
    from .sync_client import SyncClient
    from .worker import Worker

# Before a worker that has ended by an error is begun again, seconds.
_FIRST_PAUSE = 1.0
_LONGEST_PAUSE = 30.0


@attrs.define(eq=False)
class _Held(Held):
    """A message that this handles."""

    count: int
    engine: Engine | None = None
    task: asyncio.Task[Done] | None = None
    given_up: bool = False

    @property
    def deliveries(self) -> int:
        return self.count

    def watch(self, engine: Engine | None) -> None:
        self.engine = engine


@attrs.define
class _Open:
    """What there is while a backend is open in a loop."""

    loop: asyncio.AbstractEventLoop
    backend: Backend
    handler: JobHandler
    holding: Holding[_Held]
    memory: Memory
    client: Client | None = None
    reconciler: Reconciler | None = None


class Adapter:
    """Works on a backend's jobs: in a thread of its own, in the caller's event loop, or one message at a time.

    - ``start()`` and ``stop()`` for programs that are not async: a background thread with an event loop of its own;
    - ``await serve()`` for those that are;
    - ``async with adapter:`` for hosts that receive messages by themselves, with ``handle_job``, ``reconcile`` and
      ``client``.
    """

    def __init__(
        self, make_backend: Callable[[], Backend], runtime: FlowRuntime, **options: Unpack[WorkerOptions]
    ) -> None:
        """Put an adapter together; nothing is opened yet.

        Args:
            make_backend: Makes the backend, not yet open. Called once for each event loop in which it is used.
            runtime: Brings the flows, the steps, the serializer and the clock.
            options: For the worker, see ``Worker``.

        Raises:
            ConfigurationError: An option cannot mean anything.
        """
        require_options(options)
        self.runtime = runtime
        self._make_backend = make_backend
        self._options = options
        self._open: _Open | None = None
        self._worker: Worker | None = None
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._failure: BaseException | None = None
        self._stopping = threading.Event()
        self._sync_client: SyncClient | None = None

    # --- in a thread ------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Work on jobs in a background thread, until ``stop``; returns once the backend is open.

        What ends the work later is logged as an error. It is begun again with a backend of its own, after pauses that
        grow, as what was refused may be allowed in a moment. Only what the program itself has to mend ends it for good:
        then ``is_running`` is false, and ``stop`` raises it.

        Raises:
            ConfigurationError: It works already.
            Exception: Whatever opening the backend raised.
        """
        if self._thread is not None or self._open is not None:
            raise ConfigurationError("the adapter has been started already: stop it first")
        ready, failed = threading.Event(), threading.Event()
        self._failure = None
        self._stopping.clear()
        self._thread = threading.Thread(target=self._live, args=(ready, failed), name="flowcraft-adapter", daemon=True)
        self._thread.start()
        ready.wait()
        if failed.is_set():
            self._end(None)

    def stop(self, timeout: float | None = None) -> None:
        """Take no more jobs, let those under way end within the grace time, and return once all is closed.

        From the loop in which ``serve`` runs, it only asks for it; ``serve`` returns then.

        Args:
            timeout: Seconds to wait at most for the background thread; as long as it takes, by default.

        Raises:
            TimeoutError: The background thread has not ended in time; it goes on ending.
        """
        if self._sync_client is not None:
            self._sync_client.close()
            self._sync_client = None
        self._stopping.set()
        loop, worker, thread = self._loop, self._worker, self._thread
        if loop is not None and worker is not None:
            with contextlib.suppress(RuntimeError):  # it has just ended by itself
                loop.call_soon_threadsafe(worker.stop)
        if thread is not None and thread is not threading.current_thread():
            self._end(timeout)

    def _end(self, timeout: float | None) -> None:
        """Wait for the thread, and raise what ended it."""
        thread = self._thread
        if thread is not None:
            thread.join(timeout)
            if thread.is_alive():
                raise TimeoutError(f"the adapter's jobs have not ended after {timeout:g} s; they go on ending")
        self._thread = None
        failure, self._failure = self._failure, None
        if failure is not None:
            raise failure

    @property
    def is_running(self) -> bool:
        """Whether it works on jobs, by ``start`` or ``serve``, or is about to begin again after an error."""
        return self._worker is not None or (self._thread is not None and self._thread.is_alive())

    def _live(self, ready: threading.Event, failed: threading.Event) -> None:
        async def live() -> None:
            async with self:
                worker = self._new_worker()
                ready.set()
                if not self._stopping.is_set():
                    await worker.run()

        pause = _FIRST_PAUSE
        try:
            while True:
                begun = time.monotonic()
                try:
                    asyncio.run(live())
                    return
                except Exception as failure:
                    if not ready.is_set():
                        raise  # ``start`` tells its caller
                    if isinstance(failure, ConfigurationError):
                        raise
                    if time.monotonic() - begun > _LONGEST_PAUSE:
                        pause = _FIRST_PAUSE
                    Journal().tell(WORKER_REPLACED, failure, reason=str(failure), retry_in=pause)
                finally:
                    self._worker = None
                if self._stopping.wait(pause):
                    return
                pause = min(2 * pause, _LONGEST_PAUSE)
        except BaseException as failure:
            self._failure = failure
            if ready.is_set():  # ``start`` is over, or about to be: what comes later is told, and raised by ``stop``
                Journal().tell(ADAPTER_ENDED, failure, reason=str(failure))
            else:
                failed.set()
        finally:
            ready.set()

    # --- in the caller's loop ---------------------------------------------------------------------------------------

    async def serve(self, *, handle_signals: bool = False) -> None:
        """Work on jobs in the running event loop, until ``stop`` is called or this is cancelled.

        Args:
            handle_signals: Stop at SIGTERM and SIGINT; only in the main thread.
        """
        async with contextlib.AsyncExitStack() as stack:
            if self._open is None:
                await stack.enter_async_context(self)
            worker = self._new_worker()
            try:
                await worker.run(handle_signals=handle_signals)
            finally:
                self._worker = None

    def _new_worker(self) -> Worker:
        if self._worker is not None:
            raise ConfigurationError("the adapter works already: stop it first")
        from .worker import Worker  # noqa: PLC0415 # for those who receive here

        self._worker = Worker(self._opened.backend, self.runtime, **self._options)
        return self._worker

    async def __aenter__(self) -> Self:
        """Open the backend in the running event loop, without working on jobs."""
        if self._open is not None:
            raise ConfigurationError("the adapter is open already, in this event loop or another one")
        backend = self._make_backend()
        await backend.open()
        self._loop = asyncio.get_running_loop()
        runtime, options = self.runtime, self._options
        memory = Memory(parse_bytes("Worker: memory", options.get("memory", DEFAULT_MEMORY)))
        retrying = RetryingBackend(backend, runtime.clock)
        visibility = options.get("visibility", VISIBILITY)
        handler = JobHandler(
            retrying,
            runtime,
            codec=self._codec,
            settings=options.get("settings") or Settings(),
            control_interval=options.get("control_interval", 2.0),
            visibility=visibility,
            stopped=lambda: False,
            memory=memory,
        )
        journal, rarely = Journal(telemetry=runtime.telemetry), Rarely()

        def say_unavailable(operation: str, error: Exception) -> None:
            if times := rarely.times(operation, runtime.clock.now()):
                journal.tell(UNAVAILABLE, error, operation=operation, times=times)

        holding = Holding[_Held](
            retrying, handler, runtime.clock, new_id()[:12], visibility=visibility, held={}, failed=say_unavailable
        )
        self._open = _Open(self._loop, backend, handler, holding, memory)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the backend."""
        opened, self._open, self._loop = self._opened, None, None
        await opened.backend.close()

    @property
    def _opened(self) -> _Open:
        opened = self._open
        if opened is None:
            raise ConfigurationError(
                "the adapter is not open in this event loop: use `async with adapter:` or `await adapter.serve()`; "
                "code that is not async has `adapter.sync_client`"
            )
        try:
            here = asyncio.get_running_loop() is opened.loop
        except RuntimeError:
            here = False
        if not here:
            raise ConfigurationError(
                "the adapter is open in another event loop than this one: use `adapter.sync_client` from outside of it"
            )
        return opened

    @property
    def client(self) -> Client:
        """Starts and steers runs, in the event loop in which the adapter is open.

        Raises:
            ConfigurationError: It is not open in this one.
        """
        opened, runtime = self._opened, self.runtime
        if opened.client is None:
            from .client import Client  # noqa: PLC0415 # for those who ask for it

            opened.client = Client(
                opened.backend,
                blueprints=[graph.blueprint for graph in runtime.catalogue.graphs.values()],
                serializer=runtime.serializer,
                codec=self._codec,
                clock=runtime.clock,
                telemetry=runtime.telemetry,
            )
        return opened.client

    @property
    def answering(self) -> Answering:
        """What answers whoever follows a link of ``ctx.webhook_url``, in the event loop in which this is open.

        Raises:
            ConfigurationError: The runtime signs no links, or this is not open here.
        """
        if self.runtime.webhooks is None:
            raise ConfigurationError("to answer links, make the FlowRuntime with webhooks=WebhookSigner(...)")
        from .answering import Answering  # noqa: PLC0415 # for those who ask for it

        return Answering(self.client, self.runtime.webhooks, self.runtime.clock)

    @property
    def sync_client(self) -> SyncClient:
        """Starts and steers runs from code that is not async, on a backend and an event loop of its own."""
        if self._sync_client is None:
            from .sync_client import SyncClient  # noqa: PLC0415 # for those who ask for it

            self._sync_client = SyncClient(
                self._make_backend,
                blueprints=[graph.blueprint for graph in self.runtime.catalogue.graphs.values()],
                serializer=self.runtime.serializer,
                codec=self._options.get("codec"),
                clock=self.runtime.clock,
                telemetry=self.runtime.telemetry,
            )
        return self._sync_client

    # --- one at a time ----------------------------------------------------------------------------------------------

    async def handle_job(
        self,
        body: str,
        *,
        count: int = 1,
        remaining: Callable[[], float] | None = None,
        queue: str = DEFAULT_QUEUE,
    ) -> bool:
        """Do what one message asks for, in a host that receives and acknowledges messages by itself.

        Args:
            body: The message.
            count: How often it has been delivered, this time included.
            remaining: The seconds that the host leaves, if it ends its programs after a while. A job that does not
                fit in is passed on to a later one; a node whose timeout fits in none of several fails by name.
            queue: The name of the queue that it came from.

        Returns:
            Whether the message is done with; if not, it is to be delivered again, not at once.
        """
        opened, held = self._opened, _Held(count)
        handling = opened.handler.handle(body, count, watch=held.watch, remaining=remaining, queue=queue)
        task = held.task = asyncio.ensure_future(handling)
        async with opened.holding.beside(held, self._options.get("control_interval", 2.0)):
            try:
                done = await task  # which is cut off with this
            except asyncio.CancelledError:
                here = asyncio.current_task()
                if not held.given_up or (here is not None and here.cancelling()):
                    raise
        return held.given_up or done is Done.ACKNOWLEDGE

    async def reconcile(self, run_id: str | None = None, *, insist: bool = True) -> Reconciled:
        """Bring one run on whose jobs may be lost, or every run that is due for a look.

        Args:
            run_id: The run, due or not.
            insist: Of one run: send jobs for all that is ready, also if workers get on with it.
        """
        reconciler = self._reconciler()
        return await (reconciler.run_once() if run_id is None else reconciler.reconcile(run_id, insist=insist))

    async def fire_schedules(self) -> Reconciled:
        """Start what schedules are due for, as ``reconcile`` without a run does among other things.

        Raises:
            ConfigurationError: The adapter is not open here.
        """
        return await self._reconciler().fire_schedules()

    def _reconciler(self) -> Reconciler:
        opened, runtime, options = self._opened, self.runtime, self._options
        if opened.reconciler is None:
            from .reconciler import Reconciler  # noqa: PLC0415 # for those who reconcile

            opened.reconciler = Reconciler(
                opened.backend,
                serializer=runtime.serializer,
                codec=self._codec,
                clock=runtime.clock,
                interval=options.get("reconcile_interval", 60.0),
                telemetry=runtime.telemetry,
                retention=options.get("retention"),
                memory=opened.memory,
            )
        return opened.reconciler

    @property
    def _codec(self) -> PayloadCodec:
        return self._options.get("codec") or CompressingCodec()
