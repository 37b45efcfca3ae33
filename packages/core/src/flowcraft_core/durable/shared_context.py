"""``SharedContext``: the context of one run, read and changed by programs that are none of its steps."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import TracebackType
from typing import Any, Self

from ..errors import ConfigurationError, TransientError
from ..graph.facts import DELETED
from ..graph.fold import context_of
from ..graph.positions import INITIAL, Position
from ..ids import require_run_id
from ..ports import HandWrittenRuns
from .runs import RunRecord, Runs
from .storage import OUTSIDE, Records, outside_of
from .whole import whole_state

# Each time that a value cannot be set, another setter has got on.
_TRIES = 20
_MISSING = object()


class SharedContext:
    """Reads and sets the context values of one run, whichever steps have set them.

    Inside of steps use ``ctx``: what a step sets there is part of its outcome, and so of the run's result. What is set
    here stands as if the step that set the name last had gone on to set it: steps see it when they next read the name,
    and a value that a later step sets stands against it. It is no step's doing, and no part of the run's result.
    """

    def __init__(self, run_id: str, records: Records, by_hand: HandWrittenRuns | None = None) -> None:
        """Read nothing yet: use it inside of ``async with``, whatever the backend is.

        Args:
            run_id: The run.
            records: Where it is; with the serializer and the codec of the workers.
            by_hand: Knows what runs that are begun by hand begin with.

        Raises:
            ConfigurationError: The run's id can be none.
        """
        self.run_id = require_run_id(run_id)
        self._stored = records
        self._by_hand = by_hand
        self._is_open = False

    async def __aenter__(self) -> Self:
        """Open what it reads from."""
        self._is_open = True
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it."""
        self._is_open = False

    @property
    def _records(self) -> Records:
        if not self._is_open:
            raise ConfigurationError(
                f"the context of run {self.run_id!r} is not open: use `async with adapter.context(run_id) as context:`"
            )
        return self._stored

    async def get(self, name: str, default: Any = None) -> Any:
        """The value of a name as it stands, or the default if there is none."""
        value = await self._find(name)
        return default if value is _MISSING else value

    async def has(self, name: str) -> bool:
        """Whether there is a value, be it None."""
        return await self._find(name) is not _MISSING

    async def set(self, name: str, value: Any) -> None:
        """Set a value.

        Raises:
            SerializationError: It cannot be stored.
            TransientError: It may or may not be set, or others set the name without end; set it again.
        """
        await self.patch({name: value})

    async def delete(self, name: str) -> None:
        """Take a value away; none is no error."""
        await self.patch({}, delete=[name])

    async def patch(self, values: Mapping[str, Any], *, delete: Iterable[str] = ()) -> None:
        """Set some values and take others away, name by name; an error may leave some of it done.

        Args:
            values: Those to set, by name.
            delete: The names to take away.
        """
        changes = {**values, **dict.fromkeys(delete, DELETED)}
        await self._note(changes)  # first: a value of which nobody knows could not be purged
        for name, value in changes.items():
            await self._set(name, value)

    async def to_dict(self) -> dict[str, Any]:
        """All values by name: those that the run was started with, those of its steps, and those that were set here.

        It reads every fact of the run. Values of a subflow's own context are not among them.
        """
        record = await self._record()
        known = await self._initial(record)
        if record is not None:
            known = dict(context_of(await whole_state(record, self._records)))
        names = {*known, *await outside_names(self._records, self.run_id)}
        standing = await self._records.values(self.run_id, "", sorted(names))
        known |= {name: value for name, (_, value) in standing.items()}
        return {name: value for name, value in sorted(known.items()) if value is not DELETED}

    async def _find(self, name: str) -> Any:
        standing = await self._records.values(self.run_id, "", [name])
        if name in standing:
            value = standing[name][1]
            return _MISSING if value is DELETED else value
        return (await self._initial(await self._record())).get(name, _MISSING)

    async def _set(self, name: str, value: Any) -> None:
        for _ in range(_TRIES):
            standing = (await self._records.values(self.run_id, "", [name])).get(name)
            position = _next(INITIAL if standing is None else standing[0])
            await self._records.apply(self.run_id, "", position, {name: value})
            now = (await self._records.values(self.run_id, "", [name])).get(name)
            if now is not None and (now[0] > position or (now[0] == position and _same(now[1], value))):
                return
        raise TransientError(f"run {self.run_id!r}: context value {name!r} is set by many at once; try again")

    async def _note(self, names: Iterable[str]) -> None:
        """Write down which names are set from outside of the run, each once: facts are never listed."""
        known = await outside_names(self._records, self.run_id)
        for name in names:
            while name not in known:
                noted = await self._records.put(self.run_id, f"{OUTSIDE}{len(known)}", {"name": name})
                known.append(str(noted.value["name"]))

    async def _record(self) -> RunRecord | None:
        return await Runs(self._records).get(self.run_id)

    async def _initial(self, record: RunRecord | None) -> dict[str, Any]:
        """What the run was, or will be, started with."""
        if record is not None:
            return dict(record.context)
        found = None if self._by_hand is None else await self._by_hand.initial_context(self.run_id)
        return dict(found or {})


async def outside_names(records: Records, run_id: str) -> list[str]:
    """The names of a run's context values that were ever set from outside of it."""
    names: list[str] = []
    while (noted := await records.get(run_id, f"{OUTSIDE}{len(names)}")) is not None:
        names.append(str(noted["name"]))
    return names


def _next(position: Position) -> Position:
    """Just after a setter, and before all that come after it in the flow."""
    following = outside_of(position)
    return (*following[:-1], (*following[-1][:2], following[-1][2] + 1))


def _same(one: Any, other: Any) -> bool:
    return one is other or bool(one == other)
