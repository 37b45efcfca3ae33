"""Statuses: a file for each, found by reading all of them in the order of their names."""

# ruff: noqa: D102 - what a method does is said by the port

import json
import re
from pathlib import Path
from typing import Any, Literal

import attrs
from flowcraft_core.ports import FinalState, Page, RunStatus, State

from .files import Directory, check, hashed, read

LIVE = ("running", "awaiting")


class DirectoryStatusStore:
    """A ``flowcraft_core.ports.StatusStore``."""

    def __init__(self, directory: Directory) -> None:
        self._directory = directory

    async def create(self, status: RunStatus) -> bool:
        path, data = self._path(status.run_id), _encoded(attrs.asdict(status))
        return await self._directory.call(lambda: self._directory.write_new(path, data))

    async def get(self, run_id: str) -> RunStatus | None:
        return await self._directory.call(lambda: _status(read(self._path(run_id))))

    async def touch(
        self, run_id: str, *, at: float, next_check: float | None, state: Literal["running", "awaiting"] | None = None
    ) -> bool:
        if state is None:
            return await self._change(run_id, (*LIVE, "schedule"), updated=at, next_check=next_check)
        return await self._change(run_id, LIVE, updated=at, next_check=next_check, state=state)

    async def finish(self, run_id: str, state: FinalState, *, at: float, reason: str | None = None) -> bool:
        return await self._change(run_id, LIVE, updated=at, next_check=None, state=state, reason=reason)

    async def find(
        self, *, state: State, due_before: float | None = None, cursor: str | None = None, limit: int = 100
    ) -> Page:
        # The cursor is the name of the last file that was looked at.
        check(cursor is None or bool(re.fullmatch("[0-9a-f]{64}", cursor)), f"{cursor!r:.80} is no cursor of ours")

        def scan() -> Page:
            found: list[RunStatus] = []
            for path in sorted((self._directory.root / "statuses").iterdir()):
                status = _status(read(path)) if cursor is None or path.name > cursor else None
                if status is None or status.state != state:
                    continue
                if due_before is None or (status.next_check is not None and status.next_check <= due_before):
                    found.append(status)
                if len(found) == limit:
                    return Page(found, path.name)
            return Page(found, None)

        return await self._directory.call(scan)

    async def delete(self, run_id: str) -> None:
        # In its turn, or a change that is under way would bring the status back.
        await self._directory.call(lambda: self._directory.change(self._path(run_id), lambda data: None))

    async def _change(self, run_id: str, states: tuple[str, ...], **fields: Any) -> bool:
        is_one = False

        def changed(data: bytes | None) -> bytes | None:
            nonlocal is_one
            status = _status(data)
            is_one = status is not None and status.state in states
            return _encoded({**json.loads(data), **fields}) if data and is_one else data

        await self._directory.call(lambda: self._directory.change(self._path(run_id), changed))
        return is_one

    def _path(self, run_id: str) -> Path:
        return self._directory.root / "statuses" / hashed(run_id)


def _encoded(fields: dict[str, Any]) -> bytes:
    return json.dumps(fields, ensure_ascii=False).encode()  # which refuses what is no text


def _status(data: bytes | None) -> RunStatus | None:
    return None if data is None else RunStatus(**json.loads(data))
