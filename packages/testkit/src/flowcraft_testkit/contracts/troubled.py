"""The clauses that every port has: what it raises when, who else is there, and what is no text."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, ClassVar, TypeAlias, TypeVar

import pytest
from flowcraft_core.errors import TransientError

from .clauses import needs
from .drawn.clauses import DrawnClauses
from .hostile import NOT_TEXT
from .processes import PROCESSES, Racer, race_in_processes

PortT = TypeVar("PortT")

#: Calls to be made, by their names.
Calls: TypeAlias = Mapping[str, Callable[[], Awaitable[Any]]]

#: How often the engine makes a call that fails with a ``TransientError``.
_TRIES = 6


class TroubledClauses(DrawnClauses[PortT]):
    """What each port promises beside what its calls do.

    Attributes:
        racer: What two processes do at once.
    """

    racer: ClassVar[Racer]

    def calls_with(self, port: PortT, text: str) -> Calls:
        """Each of the port's calls by its name, harmless, with this text in each place that takes text."""
        raise NotImplementedError

    async def calls_without_text(self, port: PortT) -> Calls:
        """Those that take none."""
        return {}

    async def each_call(self, port: PortT) -> Calls:
        """All of them."""
        return {**self.calls_with(port, self.fresh("name")), **await self.calls_without_text(port)}

    async def before_the_race(self, port: PortT, name: str) -> set[Any]:
        """Do what processes need that race, and return what there is to be won."""
        raise NotImplementedError

    @needs("outages")
    async def test_what_cannot_be_reached_is_a_transient_error_and_is_there_again_after(self) -> None:
        """A server restarts: calls meanwhile may succeed later and say so, or every worker would end with it."""
        async with self.connect() as port:
            calls = await self.each_call(port)
            await self._all_answer(calls)
            await self.trouble_maker.take_down()
            try:
                outcomes = await self._outcomes(calls)
            finally:
                await self.trouble_maker.bring_up()
            wrong = {name: error for name, error in outcomes.items() if error and not isinstance(error, TransientError)}
            assert not wrong, f"of a store that is out of reach, each call raises TransientError, not {wrong}"
            assert any(outcomes.values()), "the store is out of reach, and every call was answered: is it taken down?"
            await self._all_answer(calls)
        async with self.connect() as port:
            await self._all_answer(await self.each_call(port))

    @needs("refusals")
    async def test_what_is_refused_for_good_is_no_transient_error(self) -> None:
        """A table that is not there, rights that are missing: who tried that again would say nothing for ever."""
        async with self.connect() as port:
            calls = await self.each_call(port)
            await self._all_answer(calls)
            await self.trouble_maker.refuse()
            for name, error in (await self._outcomes(calls)).items():
                assert error is not None, f"the store refuses everything, and {name} was answered"
                assert not isinstance(error, TransientError), f"{name} is refused for good, and says {error!r}"

    @needs("processes")
    async def test_two_processes_are_as_two_clients(self) -> None:
        """What is atomic is so in the store, and not in the memory of a process that believes to be alone."""
        assert self._make_in_process is not None
        name = self.fresh("race")
        async with self.connect() as port:
            wanted = await self.before_the_race(port, name)
        won = await race_in_processes(self._make_in_process, type(self).racer, name)
        both = sorted(thing for each in won for thing in each)
        assert both == sorted(wanted), f"each thing is one process's of {PROCESSES}: {[sorted(each) for each in won]}"

    @needs("other_store")
    async def test_two_stores_never_meet(self) -> None:
        """A test system beside the real one: what is done in one is not seen in the other, whatever their names."""
        assert self._open_other is not None
        name = self.fresh("both")
        async with self.connect() as mine, self._open_other() as backend:
            other = self.port(backend)
            await self.leaves_no_trace(mine, other, name)
            await self.leaves_no_trace(other, mine, name)

    async def leaves_no_trace(self, here: PortT, there: PortT, name: str) -> None:
        """Do something in one store, and see that it is not in another one."""
        raise NotImplementedError

    async def test_text_that_no_encoding_has_is_refused(self) -> None:
        """Half of a surrogate pair: replaced or left out it would be another's name, so it is a ``ValueError``."""
        async with self.connect() as port:
            for text in NOT_TEXT:
                for name, call in self.calls_with(port, f"{self.fresh('name')}{text}").items():
                    with pytest.raises(ValueError, match=r".") as raised:
                        await call()
                    assert str(raised.value), f"{name} does not say what is wrong with {text!a}"
            await self._all_answer(await self.each_call(port))

    # --- helpers --------------------------------------------------------------------------------------------------

    async def _outcomes(self, calls: Calls) -> dict[str, BaseException | None]:
        """What each call raises, all made at once."""
        made = await asyncio.gather(*(call() for call in calls.values()), return_exceptions=True)
        return {
            name: outcome if isinstance(outcome, BaseException) else None
            for name, outcome in zip(calls, made, strict=True)
        }

    async def _all_answer(self, calls: Calls) -> None:
        """Make each call as the engine does: again, a few times, while it says that it may succeed."""
        for name, call in calls.items():
            said: TransientError | None = None
            for attempt in range(_TRIES):
                try:
                    await call()
                except TransientError as error:
                    said = error
                    await self.pass_time(self.pause * 2**attempt)
                else:
                    said = None
                    break
            assert said is None, f"the store can be reached, and after {_TRIES} tries {name} still says {said!r}"
