"""Statuses of runs in Cosmos DB: one document per run, in its partition."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any, Literal, cast

from flowcraft_core.durable.looks import LookLog
from flowcraft_core.errors import BackendError
from flowcraft_core.ports import FinalState, Page, RunStatus, State
from flowcraft_core.reading import readable

from ._cosmos import FORMAT, Container, Document, require_format
from ._names import document_id, partition_key
from .by_hand import WRITTEN_BY_HAND

#: A longer reason is cut: a run must end, whatever its steps have said.
MAX_REASON_BYTES = 64 * 1024

_ID = document_id("status")
_LIVE = 'c.status IN ("running", "awaiting")'
_TOUCHED = 'c.status IN ("running", "awaiting", "schedule")'

# What was written by hand has no time of the next look.
_OF_STATE = "c.status = @state"
_DUE = (
    f"{_OF_STATE} AND ((IS_NUMBER(c.nextCheck) AND c.nextCheck <= @due) "
    f"OR ({WRITTEN_BY_HAND} AND c.lastUpdated <= @due_by_hand))"
)
_UNTOUCHED = f"{_OF_STATE} AND c.lastUpdated < @before"


class CosmosStatusStore:
    """A ``flowcraft_core.ports.StatusStore`` in a container that is partitioned by ``/runId``.

    Statuses written by hand, ``{"id": run_id, "status": "running", "lastUpdated": ISO time}`` without a ``runId``, are
    moved into their run's partition when they are first met.
    """

    def __init__(self, container: Container, *, hand_begun_due: float = 60.0, log: LookLog | None = None) -> None:
        """Use a container that may not be open yet.

        Args:
            container: Where the documents are.
            hand_begun_due: Seconds after its ``lastUpdated`` at which a status written by hand is due for a look.
            log: Where documents that cannot be read are told of; one of its own by default.
        """
        self._log = log or LookLog()
        self.container = container
        self._hand_begun_due = hand_begun_due

    async def create(self, status: RunStatus) -> bool:
        """Store a status if the run has none."""
        return await self.container.create(_document(status))

    async def get(self, run_id: str) -> RunStatus | None:
        """A run's status, as it was last written."""
        document = await self.container.read(_ID, partition_key(run_id))
        if document is None:
            document = await self._by_hand(run_id)
        return None if document is None else _status(document)

    async def touch(
        self, run_id: str, *, at: float, next_check: float | None, state: Literal["running", "awaiting"] | None = None
    ) -> bool:
        """Set when a live run or a schedule is to be looked at, and how a run is reported; False if it is neither."""
        changes: dict[str, Any] = {"updated": at, "lastUpdated": _iso(at), "nextCheck": next_check}
        if state is None:
            return await self._change(run_id, changes, _TOUCHED)
        return await self._change(run_id, {**changes, "status": state}, _LIVE)

    async def finish(self, run_id: str, state: FinalState, *, at: float, reason: str | None = None) -> bool:
        """End a live run; True to exactly one caller."""
        changes = {"updated": at, "lastUpdated": _iso(at), "nextCheck": None, "status": state, "reason": _cut(reason)}
        return await self._change(run_id, changes, _LIVE)

    async def find(
        self, *, state: State, due_before: float | None = None, cursor: str | None = None, limit: int = 100
    ) -> Page:
        """Statuses in a state, page by page."""
        if not 1 <= limit <= 1_000:
            raise ValueError(f"limit={limit} is out of range: CosmosStatusStore takes 1 to 1000")
        if due_before is None:
            documents, token = await self.container.page(_OF_STATE, limit=limit, cursor=cursor, state=state)
        else:
            documents, token = await self.container.page(
                _DUE,
                limit=limit,
                cursor=cursor,
                state=state,
                due=due_before,
                due_by_hand=_iso(due_before - self._hand_begun_due),
            )
        return Page(await self._found(documents, state), token)

    async def find_untouched(self, *, before: float, cursor: str | None = None, limit: int = 100) -> Page:
        """Running runs whose status was last written before a time, page by page."""
        documents, token = await self.container.page(
            _UNTOUCHED, limit=limit, cursor=cursor, state="running", before=_iso(before)
        )
        return Page(await self._found(documents, "running"), token)

    async def delete(self, run_id: str) -> None:
        """Remove a run's status."""
        await self.container.delete(_ID, partition_key(run_id))

    async def _found(self, documents: Sequence[Document], state: State) -> list[RunStatus]:
        found = [document if "runId" in document else await self._move(document) for document in documents]
        # One that was moved earlier may have got on, and its old document be left over.
        statuses: list[RunStatus] = []
        for document in found:
            try:
                if document["status"] == state:
                    statuses.append(_status(document))
            except BackendError as error:  # it keeps no other from being found
                self._log.left_out(error)
        return statuses

    async def _change(self, run_id: str, changes: Mapping[str, Any], which: str) -> bool:
        operations = [("set", f"/{name}", value) for name, value in changes.items()]
        return await self.container.patch(_ID, partition_key(run_id), operations, which) is not None

    async def _by_hand(self, run_id: str) -> Document | None:
        """The status of a run that was begun by hand, from now on in the run's partition."""
        found = await self.container.query(f"c.id = @id AND {WRITTEN_BY_HAND}", id=run_id)
        return await self._move(found[0]) if found else None

    async def _move(self, written: Document) -> Document:
        moved = _document(self._read_by_hand(written))
        if not await self.container.create(moved):
            moved = await self.container.read(_ID, moved["runId"]) or moved
        await self.container.delete(written["id"], None)
        return moved

    def _read_by_hand(self, written: Document) -> RunStatus:
        try:
            when = dt.datetime.fromisoformat(written["lastUpdated"])
        except (KeyError, TypeError, ValueError):
            when = dt.datetime.fromtimestamp(0, dt.UTC)
        updated = (when if when.tzinfo is not None else when.replace(tzinfo=dt.UTC)).timestamp()
        return RunStatus(
            run_id=written["id"],
            state=written["status"],
            blueprint_id=str(written.get("blueprintId", "")),
            created=updated,
            updated=updated,
            next_check=updated + self._hand_begun_due,
        )


def _document(status: RunStatus) -> Document:
    return {
        "id": _ID,
        "runId": partition_key(status.run_id),
        "v": FORMAT,
        "run": status.run_id,
        "status": status.state,
        "blueprintId": status.blueprint_id,
        "created": status.created,
        "updated": status.updated,
        "lastUpdated": _iso(status.updated),
        "nextCheck": status.next_check,
        "tags": dict(status.tags),
        "reason": _cut(status.reason),
        "body": status.body,
    }


def _status(document: Document) -> RunStatus:
    what = f"the status of run {document.get('runId')!r}"
    require_format(document, what)
    with readable(what):
        return _read(document)


def _read(document: Document) -> RunStatus:
    return RunStatus(
        run_id=_typed(document, "run", str),
        state=cast(State, document["status"]),
        blueprint_id=_typed(document, "blueprintId", str),
        created=_typed(document, "created", int, float),
        updated=_typed(document, "updated", int, float),
        next_check=_typed(document, "nextCheck", int, float, type(None)),
        tags=_typed(document, "tags", dict),
        reason=document["reason"],
        body=document["body"],
    )


def _typed(document: Document, name: str, *kinds: type) -> Any:
    value = document[name]
    if not isinstance(value, kinds):
        raise TypeError(f"its {name!r} is {value!r:.80}")
    return value


def _cut(reason: str | None) -> str | None:
    encoded = (reason or "").encode()
    return reason if len(encoded) <= MAX_REASON_BYTES else encoded[:MAX_REASON_BYTES].decode(errors="ignore") + "…"


def _iso(when: float) -> str:
    """For people, and for tools that know what the status of a run begun by hand looks like."""
    text = dt.datetime.fromtimestamp(when, dt.UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")
