"""Runs that people begin by hand: an item with the context, one with the status, and a message per start node."""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from boto3.dynamodb.types import Binary, TypeDeserializer
from flowcraft_core.errors import BackendError

from ._names import item_name
from .context import DynamoDbContextStore
from .status import DynamoDbStatusStore


class ByHand:
    """A ``flowcraft_core.ports.HandWrittenRuns``.

    It finds what people have written into the context table for a run: ``{"runId": ..., "context": {...}}``. A ``#`` or
    ``%`` in the run's id is percent-encoded there, as in the names of all items of that table; in the table of statuses
    it is not.
    """

    def __init__(self, store: DynamoDbContextStore, statuses: DynamoDbStatusStore | None = None) -> None:
        """Use the table of contexts; and that of statuses, where flows are to be filled in."""
        self._table = store.table
        self._statuses = statuses

    async def initial_context(self, run_id: str) -> Mapping[str, Any] | None:
        """The context values of a run that was begun by hand, as plain JSON data; None if there is no such item.

        ``context`` may be a map, as an SDK makes it, or a text of JSON.

        Raises:
            BackendError: There is an item, and its context is something else.
            TransientError: Worth another try.
        """
        item = await self._table.get(item_name(run_id, "by hand"), run_id=run_id)
        if item is None:
            return None
        context = _plain(TypeDeserializer().deserialize(item["context"])) if "context" in item else {}
        if isinstance(context, str):
            try:
                context = json.loads(context)
            except (ValueError, RecursionError) as error:
                raise BackendError(f"run {run_id!r}: the context written by hand is no JSON: {error}") from error
        if not isinstance(context, dict):
            raise BackendError(f"run {run_id!r}: the context written by hand is no map")
        return context

    async def name_flow(self, run_id: str, blueprint_id: str) -> None:
        """Fill in the flow of a run in its status, if that was written by hand and names none."""
        assert self._statuses is not None, "only a backend takes runs up"
        await self._statuses.name_flow(run_id, blueprint_id)

    async def delete(self, run_id: str) -> None:
        """Remove what was written for a run."""
        await self._table.delete_many([item_name(run_id, "by hand")], run_id=run_id)


def _plain(value: Any) -> Any:
    """DynamoDB's values as JSON's."""
    if isinstance(value, dict):
        return {name: _plain(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_plain(each) for each in value]
    if isinstance(value, (set, frozenset)):
        return [_plain(each) for each in sorted(value)]
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, Binary):
        raise BackendError("a context that is written by hand may hold no binary values: JSON has none")
    return value
