"""Text that every queue and every database takes: made safe where it is told, refused where it is a name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .errors import SerializationError


def is_text(value: str) -> bool:
    """Tell a string that UTF-8 can hold from one with lone surrogates, which no queue or database would take."""
    try:
        return value.isascii() or bool(value.encode())
    except UnicodeEncodeError:
        return False


def safe_text(text: str, limit: int) -> str:
    """A text for people that can be stored anywhere, whatever it was made of.

    Args:
        text: Any string. What UTF-8 cannot hold, and NUL, is written as an escape.
        limit: Characters that are kept; a longer text loses its middle, and says so.
    """
    length = str.__len__(text)  # of a derived class, too: its own methods are not asked
    if length > limit:
        head = str.__getitem__(text, slice(limit * 2 // 3))
        tail = str.__getitem__(text, slice(length - limit // 3, None))
        text = f"{head} [... of {length} characters ...] {tail}"
    return str.encode(text, "utf-8", "backslashreplace").decode().replace("\0", "\\x00")


#: So many characters may the id of a flow or a node have: a key, of up to 2,000, is made of those around it.
LONGEST_ID = 500


def id_problem(given: str) -> str | None:
    """What is wrong with the id of a flow or a node, and what to do; None if it can be one."""
    if not given:
        return "an empty id: give it one"
    if len(given) > LONGEST_ID:
        return f"an id of {len(given):,} characters: use 1 to {LONGEST_ID}, since keys and records are named by it"
    return None


#: So many characters may a context value's name have: what every context store takes.
LONGEST_NAME = 2_000


def name_problem(name: str) -> str | None:
    """What is wrong with the name of a context value, and what to do; None if it can be one."""
    if name and len(name) <= LONGEST_NAME:
        return None
    return f"the name of a context value has 1 to {LONGEST_NAME:,} characters, not {len(name):,}"


def require_name(name: object, what: str) -> str:
    """A name as it can be stored, or an error that says what it is the name of.

    Args:
        name: The name.
        what: What it names, for the message, such as ``the action of node 'a'``.

    Raises:
        SerializationError: It is no text, or text that UTF-8 cannot hold.
    """
    if not isinstance(name, str):
        raise SerializationError(f"{what} must be text, not {type(name).__name__}")
    if not is_text(name):
        raise SerializationError(f"{what} cannot be stored: {safe_text(name, 80)!r} holds a lone surrogate")
    return name


def require_text(value: Any) -> None:
    """Refuse text that no encoding has, wherever it is in a value: an SDK would send it, and a service change it.

    Raises:
        ValueError: There is half of a surrogate pair in it.
    """
    if isinstance(value, str):
        value.encode()
    elif isinstance(value, Mapping):
        for name, each in value.items():
            require_text(name)
            require_text(each)
    elif isinstance(value, (list, tuple)):
        for each in value:
            require_text(each)
