"""What PostgreSQL's errors mean to the engine, in one place."""

from __future__ import annotations

import re
from typing import Literal

import psycopg
from flowcraft_core.errors import BackendError, TransientError

#: Beginnings of SQLSTATE after which the same call may succeed, and what helps it; the longest that fits counts.
_TRANSIENT = {
    "08": "the connection was lost",
    "0A000": "the server has changed, or is a standby",
    "25006": "the server takes no writes: a standby, or read-only; name the primary, or several hosts with "
    "target_session_attrs=read-write",
    "25P03": "the server's idle_in_transaction_session_timeout ended it",
    "25P04": "the server's transaction_timeout ended it",
    "40": "another transaction was in the way",
    "53": "the server is short of something",
    "53100": "the server's disk is full; make room",
    "53300": "the server has no connection left; raise its max_connections, or lower the backends' connections",
    "55P03": "the server's lock_timeout ended it",
    "57": "the server ended it",
    "57014": "the server's statement_timeout, or somebody, cancelled it",
    "57P03": "the server starts or stops",
    "58": "the server's disk or system failed; look at its log",
}

_REFUSED = {
    "28": "give the right user and password",
    "3D000": "create the database, or name another",
    "3F000": "the schema was dropped; open the backend anew, or make it with provision()",
    "42501": "the role lacks a right; see grants_sql()",
    "42P01": "a table was dropped; open the backend anew, or make it with provision()",
}

# A connection that is refused has no SQLSTATE. These are refused for good; the server may say others in its own tongue.
_REFUSED_FOR_GOOD = re.compile(
    r"authentication failed|no password supplied|no pg_hba\.conf entry|permission denied for database"
    r'|(role|database) ".*" does not exist|invalid (port|connection option|sslmode)|certificate',
    re.DOTALL,
)


# Likewise, as far as the words tell.
_REFUSED_AS = {
    "database": ("3D000", re.compile(r'database ".*" does not exist', re.DOTALL)),
    "credentials": (
        "28",
        re.compile(
            r'authentication failed|no password supplied|no pg_hba\.conf entry|role ".*" does not exist'
            "|permission denied for database",
            re.DOTALL,
        ),
    ),
}


def translate(error: psycopg.Error, name: str) -> BackendError:
    """The error to raise, with psycopg's as its cause.

    Args:
        error: What was raised.
        name: Which database, for the message.
    """
    translated = _translated(error, name)
    translated.__cause__ = error
    return translated


def _translated(error: psycopg.Error, name: str) -> BackendError:
    state = error.sqlstate
    text = str(error).strip() or type(error).__name__
    if state is None:
        # No server has said so: a connection that was lost or never made, or what psycopg itself refuses.
        lost = isinstance(error, (psycopg.OperationalError, psycopg.InterfaceError))
        kind = TransientError if lost and not _REFUSED_FOR_GOOD.search(text) else BackendError
        return kind(f"{name}: {text}")
    helps = _longest(_TRANSIENT, state)
    remedy = helps or _longest(_REFUSED, state)
    message = f"{name}: {text} (SQLSTATE {state})" + (f": {remedy}" if remedy else "")
    return TransientError(message) if helps else BackendError(message)


def is_refused_as(what: Literal["database", "credentials"], error: psycopg.Error) -> bool:
    """Whether a connection was refused because there is no such database, or because of who asks for it."""
    states, words = _REFUSED_AS[what]
    return (error.sqlstate or "-").startswith(states) or bool(error.sqlstate is None and words.search(str(error)))


def spoils(error: psycopg.Error) -> bool:
    """Whether a connection that has raised it is better not used again: another one may reach another server."""
    return error.sqlstate is None or error.sqlstate in ("0A000", "25006") or error.sqlstate.startswith(("08", "57P"))


def _longest(remedies: dict[str, str], state: str) -> str | None:
    fitting = [beginning for beginning in remedies if state.startswith(beginning)]
    return remedies[max(fitting, key=len)] if fitting else None
