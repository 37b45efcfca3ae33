"""Limits: how much of something scarce is used at once, or begun within a time, by all workers together.

A node names them (``limit="openai"``), by a key if wanted (``limit="tenant:{context.tenant}"``): then each key has the
whole of it for itself. What a limit allows is kept as *places*, each of which one attempt of one step can have: so many
as may be under way, and so many as may begin within a time. A place of the first kind is given back; one of the second
lapses. Nobody compares times of two clocks: whose place lapses is the store's to say.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

import attrs

from .errors import ConfigurationError, UnknownLimitError
from .rules.steps import UNKNOWN_LIMIT
from .settings import number, whole

#: The most of anything that a limit can be told: each is a key in the store.
MOST_PLACES = 1_000

# Starts are kept in so many places at most, as all of them may be asked in turn; each lapses the sooner for it.
_START_PLACES = 10

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,79}")
_HOLE = re.compile(r"\{(context|input)((?:\.[^.{}]+)*)\}")

# Seconds after which what waits for a place looks again, at first; then once in a period, at one of so many times.
_FIRST_LOOKS = (1.0, 2.0, 4.0)
_PERIOD = 9.0
_LOOKS_IN_PERIOD = 6

# A longer key stands for itself by its hash.
_LONGEST_KEY = 120


@attrs.frozen
class Limit:
    """What is scarce, and how much of it there is.

    Attributes:
        name: What nodes call it: 1 to 80 ASCII letters, digits, ``-``, ``_`` and ``.``.
        concurrency: So many attempts are under way at most; None for any number.
        rate: So many attempts begin at most in ``per`` seconds; None for any number. Up to 10 that holds of each span
            of that length; of more, 10 more than that may begin in one.
        per: Seconds.
    """

    name: str
    concurrency: int | None = attrs.field(default=None, kw_only=True)
    rate: int | None = attrs.field(default=None, kw_only=True)
    per: float = attrs.field(default=1.0, kw_only=True)

    def __attrs_post_init__(self) -> None:
        if not isinstance(self.name, str) or not _NAME.fullmatch(self.name):
            raise ConfigurationError(f"Limit: name must be {_NAMES}, not {self.name!r:.100}")
        if self.concurrency is None and self.rate is None:
            raise ConfigurationError(f"Limit {self.name!r}: give it a concurrency, a rate, or both")
        if self.concurrency is not None:
            whole(f"Limit {self.name!r}: concurrency", self.concurrency, least=1, most=MOST_PLACES)
        if self.rate is not None:
            whole(f"Limit {self.name!r}: rate", self.rate, least=1, most=1_000_000)
        number(f"Limit {self.name!r}: per", self.per, least=0.01, most=86400.0)

    def start_places(self) -> tuple[int, float]:
        """In how many places starts are kept, and after how many seconds each lapses."""
        if self.rate is None:
            return 0, 0.0
        places = min(self.rate, _START_PLACES)
        return places, self.per * places / self.rate


_NAMES = "1 to 80 ASCII letters, digits, '-', '_' and '.', beginning with a letter or a digit"


def limits_by_name(limits: Iterable[Limit]) -> dict[str, Limit]:
    """Limits by their names.

    Raises:
        ConfigurationError: Two have one name, or one is none.
    """
    found: dict[str, Limit] = {}
    for limit in limits:
        if not isinstance(limit, Limit):
            raise ConfigurationError(f"limits must be a list of Limit(...), and has {limit!r:.100}")
        if limit.name in found:
            raise ConfigurationError(f"there are two limits {limit.name!r}: give each a name of its own")
        found[limit.name] = limit
    return found


def limit_named(limits: Mapping[str, Limit], called: str, who: str = "") -> Limit:
    """The limit that ``openai`` or ``tenant:acme`` is of.

    Args:
        limits: Those that are declared, by name.
        called: The name, with a key behind it or not.
        who: Who calls it so, for the message.

    Raises:
        UnknownLimitError: There is none of that name.
    """
    if (problem := not_declared(limits, called, who)) is not None:
        raise UnknownLimitError.of(UNKNOWN_LIMIT.at(None, problem))
    return limits[called.partition(":")[0]]


def not_declared(limits: Mapping[str, Limit], called: str, who: str = "") -> str | None:
    """Says that there is no such limit, and what to do; None if there is. As for ``limit_named``."""
    name = called.partition(":")[0]
    if name in limits:
        return None
    there = ", ".join(map(repr, sorted(limits))) or "none"
    return (
        f"{who and who + ': '}there is no limit {name!r}; there are: {there}. Declare it where the steps are: "
        f"FlowRuntime(limits=[Limit({name!r}, concurrency=5)])"
    )


def as_limits(named: str | Sequence[str] | None) -> tuple[str, ...]:
    """What a node names, one or several or none, as several."""
    return () if named is None else (named,) if isinstance(named, str) else tuple(named)


def problem_with(named: str) -> str | None:
    """What is wrong with the name of a limit as a node gives it; None if nothing is."""
    name, _, key = named.partition(":")
    if not _NAME.fullmatch(name):
        return f"limit {named!r:.100} must begin with a limit's name: {_NAMES}"
    if named != name and not key:
        return f"limit {named!r:.100} ends with its colon: put a key behind it, or take it away"
    left = _HOLE.sub("", key)
    if "{" in left or "}" in left or any(not path and root == "context" for root, path in _HOLE.findall(key)):
        return (
            f"limit {named!r:.100}: in braces there is {{context.NAME}} or {{input}}, with a path behind it if wanted"
        )
    return None


def require_limits(what: str, named: str | Sequence[str] | None) -> str | tuple[str, ...] | None:
    """The limits that a node names.

    Args:
        what: Where they are named.
        named: One, several, or none.

    Raises:
        ConfigurationError: One can be none.
    """
    if named is None or isinstance(named, str):
        found = as_limits(named)
    elif isinstance(named, Sequence) and all(isinstance(each, str) for each in named):
        found = tuple(named)
    else:
        raise ConfigurationError(f"{what}: limit must be a limit's name, or a list of names, not {named!r:.100}")
    for each in found:
        if (problem := problem_with(each)) is not None:
            raise ConfigurationError(f"{what}: {problem}")
    return named if named is None or isinstance(named, str) else found


def holes_in(named: str) -> list[tuple[str, tuple[str, ...]]]:
    """What stands in braces: ``context`` or ``input``, and the path behind it."""
    return [(root, tuple(path.split(".")[1:])) for root, path in _HOLE.findall(named)]


def filled(named: str, values: Sequence[object]) -> str:
    """The name with what stands in braces replaced, in its order; a long key by its hash.

    Raises:
        ConfigurationError: A value is neither text nor a number, or there is none.
    """
    left = iter(values)

    def fill(hole: re.Match[str]) -> str:
        value = next(left)
        if value is None or not isinstance(value, (str, int, float)):
            raise ConfigurationError(
                f"limit {named!r}: {hole.group()} is {type(value).__name__ if value is not None else 'nothing'}, and a "
                "key is made of text and numbers"
            )
        return str(value)

    text = _HOLE.sub(fill, named)
    name, _, key = text.partition(":")
    if len(key) > _LONGEST_KEY or not key.isprintable():
        import hashlib  # noqa: PLC0415 # for keys that are too long

        return f"{name}:#{hashlib.sha256(key.encode(errors='backslashreplace')).hexdigest()[:32]}"
    return text


def look_again_at(waited: int, spread: float, now: float) -> float:
    """When what waits for a place looks again: soon at first, and within 10 seconds ever after.

    Then it comes at certain times: what waits at the same place is received, and sent on, together. There are several
    such times in a period, so that places that are free again and again are not left so for all of it.

    Args:
        waited: How often it has looked in vain.
        spread: From 0 up to 1, so that not all look at one time.
        now: The time, seconds.
    """
    if waited < len(_FIRST_LOOKS):
        return now + _FIRST_LOOKS[waited] * (0.5 + spread / 2)
    place = int(spread * _LOOKS_IN_PERIOD) * _PERIOD / _LOOKS_IN_PERIOD
    at = now - (now - place) % _PERIOD + _PERIOD
    return at if at - now > 0.5 else at + _PERIOD


def spread_of(text: str) -> float:
    """A number from 0 to 1 that is the same for a text wherever it is asked."""
    import hashlib  # noqa: PLC0415 # for those who wait

    return int.from_bytes(hashlib.sha256(text.encode(errors="backslashreplace")).digest()[:4], "big") / 2**32


def in_turn(count: int, text: str) -> list[int]:
    """The numbers of places in the order in which a holder asks for them: not all ask for the first one first."""
    first = int(spread_of(text) * count)
    return [*range(first, count), *range(first)]


def free_in(starts: Sequence[float], limit: Limit, now: float) -> float:
    """Seconds until another may begin, given when the last ones did, the oldest first; 0 if now."""
    if limit.rate is None or len(starts) < limit.rate:
        return 0.0
    return max(0.0, starts[-limit.rate] + limit.per - now)
