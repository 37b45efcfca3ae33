"""Names of items: readable, injective, and never longer than DynamoDB takes.

============================  ===============================================
``<run>#fact#<key>``          a fact
``<run>#value#<name>``        a context value
``<run>``                     the initial context of a run that was begun by hand
============================  ===============================================

A ``#`` or ``%`` in a run's id is percent-encoded, also by whoever begins a run by hand: so the first ``#`` ends it, and
no run's id is the name of another run's item. Every name in the table of contexts is made by ``item_name``, every one
in that of counters, leases and sets by ``coordination_name``. A status is named by its run's id as it is, for there is
nothing else in its table. What would be longer than a key may
be has ``~`` behind its kind and the hash of key or name in its place.
"""

from __future__ import annotations

import hashlib
import re
from typing import Literal

#: Bytes of a partition key at most.
MAX_KEY_BYTES = 2_048

_HINT = re.compile(r"[a-z]+:(?P<run>.+?):[0-9a-f]{32}(:|$)", re.DOTALL)
#: Runs of another alphabet than SQS takes for groups are told apart by their hash.
_GROUP = re.compile(r"[A-Za-z0-9!\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~]{1,128}")


def item_name(run_id: str, kind: Literal["fact", "value", "by hand"], name: str = "") -> str:
    """What the item of a fact, of a context value, or of what was written by hand is called."""
    run = escape(run_id)
    if kind == "by hand":
        return run
    plain = f"{run}#{kind}#{name}"
    return plain if len(plain.encode()) <= MAX_KEY_BYTES else f"{run}#{kind}~#{digest(name)}"


def escape(run_id: str) -> str:
    """A run's id as it stands in the names of its items."""
    return run_id.replace("%", "%25").replace("#", "%23")


def coordination_name(key: str) -> str:
    """What the item of a counter, lease or set is called."""
    if len(key.encode()) <= MAX_KEY_BYTES and not key.startswith("~#"):
        return key
    return f"~#{digest(key)}"


def run_of(key: str) -> str:
    """The run that a counter, lease or set belongs to; empty if it is no run's.

    The engine names its hints by what they are, the run's id and its nonce: ``join:<run>:<nonce>:...``.
    """
    named = _HINT.match(key)
    return named["run"] if named else ""


def group_name(group: str) -> str:
    """What a group of messages is called."""
    return group if _GROUP.fullmatch(group) else digest(group)


def digest(text: str) -> str:
    """64 hexadecimal digits that stand for a text."""
    return hashlib.sha256(text.encode()).hexdigest()
