"""Ports that get one thing wrong; importing this package adds them to the mutants."""

from . import (
    coordination,
    diagnosing,
    facts,
    finding,
    holding,
    joining,
    lasting,
    messages,
    opening,
    patterns,
    powers,
    queueing,
    raising,
    sending,
    status,
    values,
)

__all__ = [
    "coordination",
    "diagnosing",
    "facts",
    "finding",
    "holding",
    "joining",
    "lasting",
    "messages",
    "opening",
    "patterns",
    "powers",
    "queueing",
    "raising",
    "sending",
    "status",
    "values",
]
