"""The status store: what lists and reconcilers see of runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, Protocol, TypeAlias

import attrs

#: ``awaiting`` is a report for people and may lag; the three after it are final. A dead letter is ``dead``, and what
#: says when a schedule is to be looked at is a ``schedule``: neither is a run.
State: TypeAlias = Literal["running", "awaiting", "completed", "failed", "cancelled", "dead", "schedule"]
FinalState: TypeAlias = Literal["completed", "failed", "cancelled"]

#: So many characters of a reason are kept by every store.
REASON_LENGTH = 4_000


@attrs.frozen(kw_only=True)
class RunStatus:
    """What lists and reconcilers see of a run; also of a dead letter, which has the state ``dead``, and of a schedule.

    Of a schedule, which has the state ``schedule``, it carries ``next_check`` and nothing else; that is a hint.

    Attributes:
        run_id: The run.
        state: Where it stands.
        blueprint_id: Its flow.
        created: When it was started.
        updated: When the status was last written.
        next_check: When a reconciler should look at it; None if there is no need, as once it is final.
        tags: The user's own, for filters.
        reason: Why it failed, was cancelled, or was refused as a dead letter. A store keeps the first ``REASON_LENGTH``
            characters at least. It may cut what is longer, and mark that with an ellipsis; it may not refuse it, for a
            run must be able to end.
        body: A dead letter's message, up to the longest that the queue takes; None for a run.
    """

    run_id: str
    state: State
    blueprint_id: str
    created: float
    updated: float
    next_check: float | None = None
    tags: Mapping[str, str] = attrs.field(factory=dict)
    reason: str | None = None
    body: str | None = None


@attrs.frozen
class Page:
    """Some of what was found.

    Attributes:
        items: The statuses.
        cursor: Where the next page begins; None after the last one.
    """

    items: Sequence[RunStatus]
    cursor: str | None


class StatusStore(Protocol):
    """Holds one status per run."""

    async def create(self, status: RunStatus) -> bool:
        """Store a status if the run has none; False if it has, and then nothing is changed.

        Raises:
            TransientError: It may or may not be stored.
        """

    async def get(self, run_id: str) -> RunStatus | None:
        """A run's status, as it was last written; None if there is none.

        What of it cannot be read is given as if it were not set, see ``find``.

        Raises:
            TransientError: Worth another try.
        """

    async def touch(
        self, run_id: str, *, at: float, next_check: float | None, state: Literal["running", "awaiting"] | None = None
    ) -> bool:
        """Set when a live run is to be looked at, and how it is reported; a final run is never changed by it.

        Likewise when a schedule is to be looked at, if no state is given: with one, a schedule is left as it is.

        Args:
            run_id: The run.
            at: The time of the change; the run is changed also if that is earlier than what was noted last, for clocks
                of several machines differ.
            next_check: When a reconciler should look; None for never.
            state: The state to report; None keeps it.

        Returns:
            Whether it was set; False if the run is final or has no status.

        Raises:
            TransientError: Worth another try.
        """

    async def finish(self, run_id: str, state: FinalState, *, at: float, reason: str | None = None) -> bool:
        """End a live run; atomic: of any number of callers exactly one gets True, and its state stands.

        Dead letters and schedules are no runs, and stay as they are.

        That is so whatever they say: also the second of two equal calls gets False.

        Returns:
            True if this call ended the run; False if it was final already or has no status.

        Raises:
            TransientError: It may or may not be applied; ``get`` tells.
        """

    async def find(
        self, *, state: State, due_before: float | None = None, cursor: str | None = None, limit: int = 100
    ) -> Page:
        """Statuses in a state, in any order, page by page.

        A page may have fewer items than the limit, or none, and still not be the last. What is found may lag behind
        what was written for a while, also for its own writer, as an index does: every status that has long been in the
        state is on one of the pages, and one that has just changed may be missing, or be shown as it was.

        A status of which something cannot be read, as another program may have written it, is given all the same: with
        no tags where they are no texts by name, with 0 for a time that is none, and so on. One whose very id cannot be
        read is left out, and said in the adapter's log: nobody could ask for it. Neither makes the call fail.

        Args:
            state: The state.
            due_before: Only those whose ``next_check`` is set and not later than this.
            cursor: From the page before; None for the first.
            limit: At most so many items, from 1 to 1,000.

        Raises:
            ValueError: The cursor is none that this store gave.
            TransientError: Worth another try.
        """

    async def delete(self, run_id: str) -> None:
        """Remove a run's status; none is no error.

        Raises:
            TransientError: Worth another try.
        """


class NewestFirst(Protocol):
    """A status store that can give runs in the order of their starts: a power of some, which have an index by it."""

    async def find_newest(
        self,
        *,
        states: Sequence[State],
        blueprint_id: str | None = None,
        created_since: float | None = None,
        created_until: float | None = None,
        cursor: str | None = None,
        limit: int = 100,
    ) -> Page:
        """Statuses in any of some states, those that were created last first; of equal ones by the greater run id.

        What is found may lag as for ``find``. A page may have fewer items than the limit, or none, and still not be the
        last. A status that stays in these states is on one of the pages, whatever becomes of others meanwhile, and on
        no second one.

        Args:
            states: The states, at least one.
            blueprint_id: Only those of this flow.
            created_since: Only those created at this time or later.
            created_until: Only those created before this time.
            cursor: From the page before; None for the first.
            limit: At most so many items, from 1 to 1,000.

        Raises:
            ValueError: The cursor is none that this store gave.
            TransientError: Worth another try.
        """
