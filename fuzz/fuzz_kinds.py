"""What is written by others: each kind is a way in which a message, a row or a record is not what it should be."""

from __future__ import annotations

import json
import random
from collections.abc import Awaitable, Callable
from typing import Any

import attrs
from flowcraft_core.durable import Client
from flowcraft_core.jobs import Job, encode_job
from fuzz_rows import Stored

#: Makes one of a kind. It gets where to write, and a name that is to be found in whatever becomes of it.
Write = Callable[["Place", str], Awaitable[None]]


@attrs.define
class Place:
    """Where things are written.

    Attributes:
        rows: The file.
        client: Starts what is then changed.
        chance: What is drawn from.
        suspended: Starts a run of ``victim``, and returns once it waits; with its id.
    """

    rows: Stored
    client: Client
    chance: random.Random
    suspended: Callable[[str], Awaitable[None]]


@attrs.frozen
class Kind:
    """A way to be wrong.

    Attributes:
        name: What is wrong.
        write: Makes one.
        gives: What is to come of at least one of them: a dead letter, a failed run, or just an end.
        heavy: Takes seconds to be found out, and much memory: few are made, one at a time.
    """

    name: str
    write: Write
    gives: str
    heavy: bool = False


KINDS: list[Kind] = []


def kind(name: str, gives: str, *, heavy: bool = False) -> Callable[[Write], Write]:
    """Add a kind; a decorator."""

    def note(write: Write) -> Write:
        KINDS.append(Kind(name, write, gives, heavy))
        return write

    return note


# --- values of any type -----------------------------------------------------------------------------------------------


def anything(chance: random.Random, *, not_a: type | tuple[type, ...] = ()) -> Any:
    """A JSON value, of another type than these."""
    choices: list[Any] = [None, True, -7, 2.5, "text", "", [], [1, [2]], {}, {"a": {"b": 1}}, 10**30, "\ud800"]
    return chance.choice([value for value in choices if not isinstance(value, not_a) or isinstance(value, bool)])


def places(data: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Where there are values in JSON data, from the outside in."""
    found = [path] if path else []
    members = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for name, inner in members:
        found += places(inner, (*path, name))
    return found


def changed(data: Any, chance: random.Random) -> Any:
    """JSON data with one place of it gone, something else, doubled, or deeper than it was."""
    data = json.loads(json.dumps(data))
    *path, last = chance.choice(places(data))
    inside = data
    for step in path:
        inside = inside[step]
    how = chance.randrange(4)
    if how == 0:
        del inside[last]
    elif how == 1:
        inside[last] = anything(chance)
    elif how == 2:
        inside[last] = [inside[last], inside[last]]
    else:
        inside[last] = {"within": inside[last]}
    return data


def job(name: str, **fields: Any) -> dict[str, Any]:
    """A job as it is on the queue, of a run that is not there."""
    made: dict[str, Any] = json.loads(encode_job(Job(id=name, run_id=name, key="a", nonce="n", hops=1, attempt=2)))
    return {**made, **fields}
