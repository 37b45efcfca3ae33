"""A run under test that is under way: time stands still between the lines of the test."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Generic, Protocol, TypeVar, overload

from flowcraft_core import NodeResult, RunResult
from flowcraft_core.decorated import Wait
from flowcraft_core.durable.results import StoredResult
from flowcraft_core.durations import Duration, parse_seconds
from flowcraft_core.runtime.results import OutT

from ..simulation.fakes import Call, Recorder
from ..simulation.loop import StuckError
from ..simulation.references import StepRef, require_wait
from ..simulation.runtime import SimulatedRuntime
from .results import FlowResult, Path, Status, calls_of, told
from .stretches import Stretches

T = TypeVar("T")

_FINAL = ("completed", "failed", "cancelled")


class Driver(Protocol):
    """How a run is carried out; each method is called in its loop."""

    runtime: SimulatedRuntime

    async def begin(self) -> None:
        """Start the run."""

    async def status(self) -> str:
        """Where it stands."""

    async def waiting(self) -> Sequence[str]:
        """The keys of its open waits."""

    async def goes_on(self) -> bool:
        """Whether time alone brings it on.

        Raises:
            StuckError: It does not, since a step under way waits for something else.
        """

    async def answer(self, key: str, output: Any, action: str | None, *, early: bool) -> None:
        """Answer a wait."""

    async def cancel(self) -> bool:
        """Cancel it."""

    async def result(self) -> RunResult[Any] | StoredResult[Any]:
        """How it ended, or where it stands, once time brings it no further."""

    async def end(self) -> None:
        """Let go of it."""


class FlowRun(Generic[OutT]):
    """A run that is under way. Between calls no time passes, and all that can be done without time has been done.

    ``with`` closes it at the end of a block; the fixture ``flow_tester`` closes all of its runs.
    """

    def __init__(
        self,
        make: Callable[[], Driver],
        recorder: Recorder,
        answers: Mapping[Any, Any],
        closes: Callable[[FlowRun[Any]], object],
    ) -> None:
        self._recorder = recorder
        self._answers = dict(answers)
        self._given: set[str] = set()
        self._stretches = Stretches()
        self._closes: Callable[[FlowRun[Any]], object] | None = closes
        try:
            self._driver = make()
            for wait in self._answers:
                runtime = self._driver.runtime
                require_wait(runtime, runtime.catalogue.graphs[runtime.flow.id], wait)
            self._stretches.run(self._driver.begin)
            self._go_on()
        except BaseException:
            self.close()
            raise

    @property
    def status(self) -> str:
        """How it has ended; ``running``, while a step is under way; else ``awaiting``: an answer, or time."""
        return Status(self._status(), repr(self))

    def _status(self) -> str:
        status = self._stretches.run(self._driver.status)
        return status if status in _FINAL else "running" if self._recorder.under_way else "awaiting"

    @property
    def waiting(self) -> list[str]:
        """The keys of the waits that can be answered."""
        status = self._stretches.run(self._driver.status)
        return [] if status in _FINAL else list(self._stretches.run(self._driver.waiting))

    @property
    def path(self) -> Path:
        """The keys of the steps, waits and sleeps that have come to an end so far; see ``FlowResult``."""
        return Path(self._recorder.ended, repr(self))

    @property
    def seconds(self) -> float:
        """How much time has passed since it was started."""
        return self._stretches.seconds

    def calls(self, step: StepRef | None = None) -> list[Call]:
        """The calls of a step so far; see ``FlowResult.calls``."""
        return calls_of(self._recorder, step)

    # --- what happens to it ---------------------------------------------------------------------------------------

    @overload
    def answer(self, wait: Wait[T], output: T, /, *, action: str | None = None, early: bool = False) -> None: ...
    @overload
    def answer(self, wait: str, output: Any = None, /, *, action: str | None = None, early: bool = False) -> None: ...
    def answer(
        self, wait: Wait[Any] | str, output: Any = None, /, *, action: str | None = None, early: bool = False
    ) -> None:
        """Answer a wait, as ``resume`` of a runtime or a client does.

        Args:
            wait: What ``flow.wait`` gave; or a wait's id, if one instance of it is open, or its key.
            output: The answer.
            action: Chooses among the wait's edges.
            early: Also if the run has not come to it yet.

        Raises:
            ResumeError: There is no such open wait, or it is answered already.
        """
        key = wait if isinstance(wait, str) else wait.id
        self._stretches.run(lambda: self._driver.answer(key, output, action, early=early))
        self._go_on()

    def advance(self, time: Duration) -> None:
        """Let time pass: sleeps, timeouts, reminders and retries that are due by then have happened.

        Args:
            time: Seconds, a ``timedelta``, or text such as ``"2h"``.
        """
        until = self.seconds + parse_seconds("advance: time", time)
        while self._answers and until > (due := self._next_timer()):
            self._stretches.pass_time(due - self.seconds)
            self._go_on()
        if until > self.seconds:
            self._stretches.pass_time(until - self.seconds)
            self._go_on()

    def cancel(self) -> bool:
        """Cancel it; False if it had ended already."""
        cancelled = self._stretches.run(self._driver.cancel)
        self._go_on()
        return cancelled

    def result(self) -> FlowResult[OutT]:
        """Let as much time pass as it takes until it has ended, or only an answer can go on.

        Raises:
            StuckError: A step waits for something that no timer brings, such as the network.
        """
        self._go_on()
        while True:
            try:
                if not self._stretches.run(self._driver.goes_on):
                    break
                self._stretches.settle(timers=1)
            except StuckError as error:
                steps = ", ".join(repr(call.key) for call in self._recorder.under_way) or "somebody"
                message = f"{steps} waits for something that no time brings, such as the network: replace that step"
                raise StuckError(message) from error
            self._go_on()
        result = self._stretches.run(self._driver.result)
        status = result.status if result.status in _FINAL else "awaiting"
        return FlowResult(
            result, status=status, waiting=self.waiting, recorder=self._recorder, seconds=self._stretches.seconds
        )

    def _next_timer(self) -> float:
        return self._stretches.next_timer

    def _go_on(self) -> None:
        """Do all that can be done without time, and give the answers that were told in advance."""
        self._stretches.settle()
        while answered := self._given_answers():
            for key, answer in answered:
                given = answer if isinstance(answer, NodeResult) else NodeResult(answer)
                self._stretches.run(lambda: self._driver.answer(key, given.output, given.action, early=False))  # noqa: B023 - it is called at once
                self._given.add(key)
            self._stretches.settle()

    def _given_answers(self) -> list[tuple[str, Any]]:
        if not self._answers:
            return []
        found = []
        for key in self.waiting:
            for wait, answer in self._answers.items():
                if key not in self._given and self._recorder.is_wait(key, wait):
                    found.append((key, answer))
                    break
        return found

    # --- its end --------------------------------------------------------------------------------------------------

    def close(self) -> None:
        """End what is under way; nothing can be asked of it any more."""
        if self._closes is not None:
            closes, self._closes = self._closes, None
            try:
                if hasattr(self, "_driver"):
                    self._stretches.run(self._driver.end)
            finally:
                self._stretches.close()
                closes(self)

    def __enter__(self) -> FlowRun[OutT]:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def __repr__(self) -> str:
        if self._closes is None:
            return told("closed", (), (), self._recorder)
        return told(self._status(), (), self.waiting, self._recorder)
