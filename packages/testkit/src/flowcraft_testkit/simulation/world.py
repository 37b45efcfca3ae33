"""The programs of one schedule, the store between them, and the one who says whose request happens next."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, ParamSpec, TypeVar

import attrs
from flowcraft_core.errors import TransientError
from flowcraft_core.ports import Message

from ..memory import CLOUD_STORE, InMemoryBackend
from ..memory.connection import Connection
from .loop import BEGINNING, LoopClock, VirtualLoop, program
from .schedule import Schedule, Waiting
from .trace import in_words, job_in_words, operation_of

P = ParamSpec("P")
T = TypeVar("T")

# More requests than this in one schedule are no way to get anywhere.
_MOST_REQUESTS = 20_000

_WITH_TIME_TO_LIVE = frozenset(
    f"coordination.{name}" for name in ("increment", "set_if_absent", "add_members", "extend_ttl")
)
_LONGER = 20


@attrs.define(eq=False)
class Program:
    """A process, as far as the others can see it.

    Attributes:
        name: Its name; when it is started again, it is another one.
        kind: What it is, like ``worker``.
        main: What it does.
        alive: Whether it has not ended.
        paused: Whether it stands still.
        refused_until: Its requests are refused until then.
    """

    name: str
    kind: str
    main: Callable[[Program], Awaitable[None]]
    alive: bool = True
    paused: bool = False
    refused_until: float = 0.0


@attrs.define(eq=False)
class _Request:
    program: Program
    waiting: Waiting
    turn: asyncio.Future[None]


class World:
    """One schedule's stage.

    Attributes:
        backend: What is stored.
        schedule: What is to happen.
        programs: Those that live.
        lines: What happened, in words.
        violations: What happened that may not.
        ended: Set once nothing more is to be played.
        watch: Called after each effect, with its operation, arguments and answer, and what ``look`` gave.
        look: Called before each effect.
    """

    def __init__(self, schedule: Schedule, max_value_bytes: int | None = None) -> None:
        """Set up an empty store in the running loop."""
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        self._loop = loop
        self.clock = LoopClock()
        limits = CLOUD_STORE if max_value_bytes is None else attrs.evolve(CLOUD_STORE, max_value_bytes=max_value_bytes)
        # One request here is one effect on one port, which a program may die before or after.
        weaknesses = attrs.evolve(schedule.weaknesses(), apart=True, piecemeal=True)
        self.backend = InMemoryBackend(
            clock=self.clock, store_limits=limits, weaknesses=weaknesses, seed=schedule.store_dice()
        )
        self.schedule = schedule
        self.programs: dict[str, Program] = {}
        self.lines: list[str] = []
        self.violations: list[str] = []
        self.requests = 0
        self.watch: Callable[[str, Sequence[Any], Any, Any], None] = lambda operation, args, answer, seen: None
        self.look: Callable[[str, Sequence[Any]], Any] = lambda operation, args: None
        self.ended = asyncio.Event()
        self._waiting: list[_Request] = []
        self._started: dict[str, int] = {}
        loop.idle = self._idle

    # --- programs -------------------------------------------------------------------------------------------------

    def start(self, kind: str, main: Callable[[Program], Awaitable[None]]) -> None:
        """Start a program."""
        number = self._started[kind] = self._started.get(kind, 0) + 1
        started = Program(f"{kind}-{number}", kind, main)
        self.programs[started.name] = started
        self.say(started.name, "starts")
        token = program.set(started.name)
        task = self._loop.create_task(self._run(started))
        program.reset(token)
        task.add_done_callback(lambda _: self.programs.pop(started.name, None))

    async def _run(self, started: Program) -> None:
        try:
            await started.main(started)
        except asyncio.CancelledError:
            if started.alive:
                raise
        except Exception as error:
            self.blame(f"{started.name} ended with {type(error).__name__}: {error}")

    def crash(self, victim: Program) -> None:
        """End a program where it is; a new one of its kind is started later."""
        down = self.schedule.down_for(victim.name)
        self.end(victim)
        self.say(victim.name, f"ENDS, as killed; another {victim.kind} comes in {down:g} s")
        self._loop.call_later(down, self.start, victim.kind, victim.main)

    def end(self, victim: Program) -> None:
        """End a program where it is: none of its requests happens any more."""
        victim.alive = False
        self.programs.pop(victim.name, None)
        for task in self._loop.tasks_of(victim.name):
            task.cancel()

    def connect(self, user: Program) -> InMemoryBackend:
        """A program's own client of the store."""
        return self.backend.connect(_Wire(self, user))

    def say(self, who: str, what: str) -> None:
        """Write down what happened."""
        self.lines.append(f"{self._loop.time() - BEGINNING:10.3f} s  {who:<12} {what}")

    def blame(self, problem: str) -> None:
        """Write down what may not happen."""
        self.violations.append(problem)
        self.say("!", problem)

    # --- requests -------------------------------------------------------------------------------------------------

    async def request(self, user: Program, effect: Callable[..., T], args: tuple[Any, ...]) -> T:
        """Have an effect on the store when it is its turn, with whatever goes wrong with it."""
        schedule, name = self.schedule, user.name
        operation = operation_of(effect, args, self.backend._world.facts)
        now = self._loop.time()
        fault = (
            schedule.fault(name, operation, now, idle=self._is_idle(operation, effect, args)) if user.alive else None
        )
        if fault == "slow":
            seconds = schedule.slow_for(name)
            self.say(name, f"{operation} is SLOW: {seconds:g} s on its way")
            await asyncio.sleep(seconds)
        if fault == "paused":
            self._pause(user)
        await self._turn(user, operation)
        if fault == "crash before":
            self.say(name, f"{operation} was about to happen")
            self.crash(user)
            raise asyncio.CancelledError
        if fault == "throttled":
            seconds = schedule.refused_for(name)
            user.refused_until = self._loop.time() + seconds
            self.say(name, f"is THROTTLED for {seconds:g} s")
        if fault == "failed" or self._loop.time() < user.refused_until:
            self.say(name, f"{operation} FAILED; nothing happened")
            raise TransientError(f"{operation} failed, in a simulation")
        args = self._spoil(name, fault, operation, args)
        answer: T = self._have_effect(name, operation, effect, args)
        if fault == "crash after":
            self.crash(user)
            raise asyncio.CancelledError
        if fault == "unanswered":
            self.say(name, f"is told that {operation} FAILED, though it happened")
            raise TransientError(f"{operation} was not answered, in a simulation")
        return answer

    def _is_idle(self, operation: str, effect: Callable[..., Any], args: Sequence[Any]) -> bool:
        """Whether a request only looks if there is something to do where there is nothing, or is about the lease."""
        if operation == "queue.receive":
            store: Any = getattr(effect, "__self__", None)
            return all(message.visible_at > self._loop.time() for message in store._messages)
        return operation == "status.find" or args[0] == "reconciler"

    def _have_effect(self, name: str, operation: str, effect: Callable[..., Any], args: tuple[Any, ...]) -> Any:
        self.requests += 1
        if self.requests > _MOST_REQUESTS:
            self.blame(f"{_MOST_REQUESTS} requests, and still no end")
            for each in list(self.programs.values()):
                self.end(each)
            self.ended.set()
            raise asyncio.CancelledError
        seen = self.look(operation, args)
        answer = None
        if operation == "queue.send":
            self._send(name, effect, *args)
        else:
            answer = effect(*args)
        if operation != "queue.receive" or answer:
            self.say(name, in_words(operation, args, answer))
        self.watch(operation, args, answer, seen)
        return answer

    def _spoil(self, name: str, fault: str | None, operation: str, args: tuple[Any, ...]) -> tuple[Any, ...]:
        """Spoil the coordination store before a request; gives what the request asks for then."""
        if fault == "wiped":
            self.backend.lose_coordination()
            self.say("!", "the coordination store is WIPED")
        elif fault == "expired early":
            self.backend._world.hints.delete(args[0], None)
            self.say("!", f"the key {args[0]!r} of the coordination store is LOST")
        if operation in _WITH_TIME_TO_LIVE and self.schedule.lives_longer(name, self._loop.time()):
            self.say("!", f"the key {args[0]!r} of the coordination store will live {_LONGER} times as long")
            return (*args[:-1], args[-1] * _LONGER)
        return args

    def _send(self, name: str, effect: Callable[..., Any], messages: Sequence[Message], delay: float) -> None:
        on_time: list[Message] = []
        for message in messages:
            fate = list(self.schedule.fate(name, self._loop.time()))
            if fate == [0.0]:
                on_time.append(message)
                continue
            copies = f"there will be {len(fate)}, late by {fate} s" if fate else "is LOST"
            self.say("!", f"of what is sent, {job_in_words(message.body)}: {copies}")
            for late in fate:
                effect([message], delay + late)
        effect(on_time, delay)

    async def _turn(self, user: Program, operation: str) -> None:
        if not user.alive:
            raise asyncio.CancelledError
        turn = self._loop.create_future()
        self._waiting.append(_Request(user, Waiting(user.name, operation), turn))
        await turn
        if not user.alive:
            raise asyncio.CancelledError

    def _pause(self, user: Program) -> None:
        if not user.paused:
            seconds = self.schedule.paused_for(user.name)
            user.paused = True
            self.say(user.name, f"STANDS STILL for {seconds:g} s")
            self._loop.call_later(seconds, self._go_on, user)

    def _go_on(self, user: Program) -> None:
        user.paused = False
        if user.alive:
            self.say(user.name, "goes on")

    def _idle(self) -> bool:
        self._waiting = [request for request in self._waiting if not request.turn.done() and request.program.alive]
        able = [request for request in self._waiting if not request.program.paused]
        if able:
            chosen = able[self.schedule.choose([request.waiting for request in able])]
            chosen.turn.set_result(None)
            return True
        victim = self.schedule.crash_between(list(self.programs), self._loop.time())
        if victim is not None:
            self.crash(self.programs[victim])
            return True
        return False


class _Wire(Connection):
    """A program's way to the store."""

    def __init__(self, world: World, user: Program) -> None:
        super().__init__()
        self._world_of_all = world
        self._user = user

    async def request(self, effect: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """See ``Connection.request``."""
        self.check_open()
        assert not kwargs
        return await self._world_of_all.request(self._user, effect, args)

    async def take(
        self, effect: Callable[P, T], give_back: Callable[[T], object], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """See ``Connection.take``; here who is cancelled has died, and gives nothing back."""
        return await self.request(effect, *args, **kwargs)
