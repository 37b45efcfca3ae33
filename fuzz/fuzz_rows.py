"""The file, past every adapter: what another program would read and write in it."""

from __future__ import annotations

import json
import sqlite3
import zlib
from pathlib import Path
from typing import Any


class Stored:
    """Reads and writes rows as they are."""

    def __init__(self, path: Path) -> None:
        self._connection = sqlite3.connect(path, isolation_level=None, timeout=30)
        self._connection.text_factory = lambda raw: raw.decode("utf-8", "backslashreplace")

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()

    def ask(self, statement: str, *parameters: Any) -> list[Any]:
        """Carry out a statement."""
        return self._connection.execute(statement, parameters).fetchall()

    # --- messages ---------------------------------------------------------------------------------------------------

    def send(self, body: str | bytes, **columns: Any) -> None:
        """Put a message on the queue; bytes are stored as text, whatever they are."""
        names, values = ["body", *columns], ["CAST(? AS TEXT)", *("?" for _ in columns)]
        raw = body.encode() if isinstance(body, str) else body
        self.ask(f"INSERT INTO jobs ({', '.join(names)}) VALUES ({', '.join(values)})", raw, *columns.values())  # noqa: S608

    # --- facts ------------------------------------------------------------------------------------------------------

    def has(self, run_id: str, key: str) -> bool:
        """Whether there is such a fact."""
        return bool(self.ask("SELECT 1 FROM facts WHERE run_id = ? AND key = ?", run_id, key))

    def record(self, run_id: str, key: str) -> dict[str, Any]:
        """What a fact says."""
        ((body,),) = self.ask("SELECT body FROM facts WHERE run_id = ? AND key = ?", run_id, key)
        text = body[2:] if body[1:2] == b"\x00" else zlib.decompress(body[2:])
        record: dict[str, Any] = json.loads(text)
        return record

    def write(self, run_id: str, key: str, record: Any) -> None:
        """Have a fact say something else."""
        self.overwrite(run_id, key, plain(json.dumps(record).encode()))

    def overwrite(self, run_id: str, key: str, body: bytes) -> None:
        """Have a fact be other bytes."""
        self.ask(
            "INSERT INTO facts (run_id, key, writer, job, body) VALUES (?, ?, 'other', '', ?)"
            " ON CONFLICT DO UPDATE SET body = excluded.body",
            *(run_id, key, body),
        )

    def is_due(self, run_id: str) -> None:
        """Have the reconciler look at a run soon."""
        self.ask("UPDATE statuses SET next_check = 1 WHERE run_id = ?", run_id)


def plain(text: bytes) -> bytes:
    """A record's text as a fact's body, whole and not compressed."""
    return b"w\x00" + text


def packed(text: bytes) -> bytes:
    """A record's text as a fact's body, compressed."""
    return b"w\x01" + zlib.compress(text, 9)


def packed_many(before: bytes, part: bytes, number: int, after: bytes) -> bytes:
    """A long record's text as a fact's body, compressed, without ever having it whole."""
    deflater, at_once = zlib.compressobj(9), max(1, 2**16 // len(part))
    pieces = [deflater.compress(before)]
    pieces += [deflater.compress(part * min(at_once, number - done)) for done in range(0, number, at_once)]
    return b"".join((b"w\x01", *pieces, deflater.compress(after), deflater.flush()))
