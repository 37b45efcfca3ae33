"""What a column gives, whatever was written into it: any program may write to the file, and SQLite keeps any type.

A row that somebody else has written must not be the end of whoever reads it, nor hide the rows beside it. So text that
is no UTF-8 has its bytes spelled out, and what is of another type than it must be is turned into that, or left at a
default.
"""

from __future__ import annotations

import math
from typing import Any


def lenient(raw: bytes) -> str:
    r"""Text as SQLite has it; a byte that belongs to no character becomes ``\xff``."""
    return raw.decode("utf-8", "backslashreplace")


def text(value: Any) -> str:
    """A column that is to be text."""
    return value if isinstance(value, str) else lenient(value) if isinstance(value, bytes) else str(value)


def text_or_none(value: Any) -> str | None:
    """A column that is to be text, or null."""
    return None if value is None else text(value)


def blob(value: Any) -> bytes:
    """A column that is to be bytes."""
    return value if isinstance(value, bytes) else text(value).encode()


def time(value: Any) -> float:
    """A column that is to be a time; 0 if it is none."""
    return float(value) if isinstance(value, (int, float)) and math.isfinite(value) else 0.0


def time_or_none(value: Any) -> float | None:
    """A column that is to be a time, or null."""
    return None if value is None else time(value)


def count(value: Any) -> int:
    """A column that is to be a count; from 1 to 2**31."""
    return int(min(max(value, 1), 2**31)) if isinstance(value, (int, float)) else 1
