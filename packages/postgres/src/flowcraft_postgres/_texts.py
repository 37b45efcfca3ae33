"""Any text as PostgreSQL takes it.

Its ``text`` has every character but NUL, and an index takes some 2,700 bytes. So NUL is escaped, by a control character
that nobody writes by hand, and a name that is too long for an index has its digest in its place.
"""

from __future__ import annotations

import hashlib
import re

# Data link escape. JSON has it in its own escapes only, so that messages written by hand are never changed.
_ESCAPE = "\x10"
_ESCAPED = re.compile("\x10([\x100])")

#: A name of more bytes is stored by its digest. A key and a run's id, which may have 1,200, fit into one index entry.
_LONGEST_NAME = 1_000
_SHOWN = 100


def escaped(text: str) -> str:
    """The text as it is stored.

    Raises:
        ValueError: It is not text: UTF-8 cannot hold half of a surrogate pair.
    """
    if not text.isascii():
        text.encode()
    if _ESCAPE in text or "\0" in text:
        return text.replace(_ESCAPE, _ESCAPE * 2).replace("\0", _ESCAPE + "0")
    return text


def unescaped(stored: str) -> str:
    """The text that is stored so; what nobody of ours has written stays as it is."""
    if _ESCAPE not in stored:
        return stored
    return _ESCAPED.sub(lambda found: "\0" if found[1] == "0" else _ESCAPE, stored)


def indexed(name: str) -> str:
    """A name as it is stored where an index is on it: itself, or its beginning and its digest if it is too long.

    No two names are one: what is escaped has no ``h`` behind the escape.

    Raises:
        ValueError: It is not text.
    """
    stored = escaped(name)
    if len(stored) * 4 <= _LONGEST_NAME or len(stored.encode()) <= _LONGEST_NAME:
        return stored
    digest = hashlib.sha256(stored.encode()).hexdigest()
    return f"{stored[:_SHOWN]}{_ESCAPE}h{digest}"


def in_full(name: str) -> str | None:
    """What is stored beside a digest, for people; None where the name itself is stored."""
    stored = escaped(name)
    return None if indexed(name) == stored else stored
