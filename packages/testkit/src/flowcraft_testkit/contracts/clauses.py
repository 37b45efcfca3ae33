"""What a clause is: its id, what it needs to be declared, and how a subclass may excuse itself from it, openly."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Awaitable, Callable
from typing import Any, Literal, TypeAlias

import attrs
import pytest
from flowcraft_core.ports import QueueLimits, StoreLimits

ClauseFunction: TypeAlias = Callable[[Any], Awaitable[None]]
#: What a clause can need; the fields of ``Declared``.
Capability: TypeAlias = Literal[
    "queue_limits",
    "store_limits",
    "index_lag",
    "skips_time",
    "side_door",
    "hand_written",
    "cuts",
    "outages",
    "refusals",
    "processes",
    "other_store",
    "by_url",
    "depth",
    "newest_first",
    "diagnosis",
    "transactions",
    "named_queues",
    "notices_death",
    "starts",
]

_PREFIX = "test_"


@attrs.frozen(kw_only=True)
class Declared:
    """What an author says of a backend, as the class attribute ``declared``. Nothing of it is guessed.

    None says nothing: the clauses that need it are skipped, and reported as undeclared. False says that the backend, or
    what it runs on in these tests, does not have it: they are skipped, and reported as absent.

    Attributes:
        queue_limits: What the queue can take; also what the ports must say of themselves.
        store_limits: What the context store can take, and how stale its reads may be; likewise.
        index_lag: For how long ``StatusStore.find`` may show what was, seconds of the backend's clock.
        skips_time: Whether ``skip_time`` lets days pass in no time.
        side_door: Whether the fixture ``side_door`` gives a way to look at what is stored past the adapter.
        hand_written: Whether runs can be begun by hand; see ``flowcraft_core.ports.HandWrittenRuns``.
        cuts: Whether the fixture ``trouble`` can cut connections; see ``Trouble``.
        outages: Whether it can have the store be out of reach for a while.
        refusals: Whether it can have the store refuse every call for good.
        processes: Whether the fixture ``make_in_process`` gives what makes clients in other processes; see
            ``BackendMaker``.
        other_store: Whether the fixture ``open_other`` gives an ``Opener`` of a second store in the same place, with
            other names: other tables and queues on the same server, another file in the same folder.
        by_url: Whether the backend's class has ``from_url`` (see ``flowcraft_core.ports.MadeFromUrl``), and the fixture
            ``url`` gives the URL of the same store as ``open_backend``.
        depth: What the queue tells of its depth: ``"each"`` kind of message, or ``"all"`` of them in one number; see
            ``flowcraft_core.ports.Measured``.
        newest_first: Whether the status store gives runs in the order of their starts; see
            ``flowcraft_core.ports.NewestFirst``.
        diagnosis: Whether the backend says what is wrong with how it is set up; see
            ``flowcraft_core.ports.Diagnosable``. What ``open_backend`` opens has to be set up as it should be.
        transactions: Whether runs begin and steps end in transactions with a program's own rows (see
            ``flowcraft_core.ports.Transactional``), and the fixture ``rows`` gives such rows; see ``ProgramRows``.
        named_queues: Whether the backend has queues by name (see ``flowcraft_core.ports.NamedQueues``), and among them
            those of ``flowcraft_testkit.contracts.QUEUES``.
        notices_death: Whether what a process holds that has died is delivered to others within seconds, and not only
            once its visibility ends; it takes ``processes``.
        starts: Whether the backend stores all that a run begins with by one request; see
            ``flowcraft_core.ports.Starts``.
    """

    queue_limits: QueueLimits | None = None
    store_limits: StoreLimits | None = None
    index_lag: float | Literal[False] | None = None
    skips_time: bool | None = None
    side_door: bool | None = None
    hand_written: bool | None = None
    cuts: bool | None = None
    outages: bool | None = None
    refusals: bool | None = None
    processes: bool | None = None
    other_store: bool | None = None
    by_url: bool | None = None
    depth: Literal["each", "all", False] | None = None
    newest_first: bool | None = None
    diagnosis: bool | None = None
    transactions: bool | None = None
    named_queues: bool | None = None
    notices_death: bool | None = None
    starts: bool | None = None

    def lacks(self, capability: Capability) -> Literal["undeclared", "absent"] | None:
        """Why a clause that needs this cannot be asked; None if it can."""
        said = getattr(self, capability)
        if said is None:
            return "undeclared"
        return "absent" if said is False else None


@attrs.frozen(kw_only=True)
class Clause:
    """A clause of a contract.

    Attributes:
        id: The contract's name and the clause's sentence, as in ``queue/a_message_arrives_as_it_was_sent``. It stays
            when the classes that clauses are written in change; a new clause comes with a minor version.
        method: The name of its test.
        promise: Which promise it guards: the first line of its docstring.
        needs: What has to be declared for it to be asked.
    """

    id: str
    method: str
    promise: str
    needs: tuple[Capability, ...] = ()


def needs(*capabilities: Capability) -> Callable[[ClauseFunction], ClauseFunction]:
    """Ask a clause only of backends that declare all of these; a decorator."""

    def note(clause: ClauseFunction) -> ClauseFunction:
        clause.__dict__["needs"] = capabilities
        return clause

    return note


def needs_of(clause: ClauseFunction) -> tuple[Capability, ...]:
    """What a clause needs to be declared."""
    found: tuple[Capability, ...] = getattr(clause, "needs", ())
    return found


def excused(clause: ClauseFunction, *, reason: str) -> ClauseFunction:
    """A clause that a backend is known not to keep, for its subclass of the contract to have in the clause's place.

    ``test_deliveries_are_counted = excused(JobQueueContract.test_deliveries_are_counted, reason="...")``. It still
    runs: once the backend keeps it, the excuse is what fails.

    Args:
        clause: The contract's.
        reason: Why not, for users to read.
    """

    @functools.wraps(clause)
    async def tried(self: Any) -> None:
        await clause(self)

    mark = pytest.mark.xfail(strict=True, reason=reason)
    marked: ClauseFunction = mark(tried)
    return marked


def written_in(namespace: dict[str, Any]) -> dict[str, ClauseFunction]:
    """The clauses that a class body has, by method."""
    return {name: found for name, found in namespace.items() if name.startswith(_PREFIX) and inspect.isfunction(found)}


def described(contract: str, method: str, function: ClauseFunction) -> Clause:
    """A clause, from its function.

    Raises:
        TypeError: It does not say what it is for.
    """
    promise = (inspect.getdoc(function) or "").split("\n\n")[0].replace("\n", " ")
    if not promise:
        raise TypeError(f"{contract}: the clause {method} has no docstring that says which promise it guards")
    return Clause(
        id=f"{contract}/{method.removeprefix(_PREFIX)}", method=method, promise=promise, needs=needs_of(function)
    )


def refuse_changes(cls: type, contract: str, clauses: dict[str, ClauseFunction]) -> None:
    """See to it that a subclass has every clause as it is, or an excuse.

    Raises:
        TypeError: It overrides or removes one without a strict xfail and a reason.
    """
    for method, original in clauses.items():
        found = inspect.getattr_static(cls, method, None)
        if found is not original and not _is_excuse(found):
            changed = "removes" if found is None else "overrides"
            raise TypeError(
                f"{cls.__name__} {changed} the clause {contract}/{method.removeprefix(_PREFIX)}: keep it, or put "
                "flowcraft_testkit.contracts.excused(clause, reason=...) in its place, which fails once it is kept"
            )


def _is_excuse(found: Any) -> bool:
    return any(
        mark.name == "xfail" and mark.kwargs.get("strict") is True and str(mark.kwargs.get("reason", "")).strip()
        for mark in getattr(found, "pytestmark", ())
    )
