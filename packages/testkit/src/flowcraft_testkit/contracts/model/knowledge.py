"""What is possible under each key, by all that was answered so far."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Sequence
from typing import Any, Final, Protocol, TypeAlias

import attrs


class _Unknown:
    def __repr__(self) -> str:
        return "no answer"


#: The answer of a call that was cancelled or cut off: it may have been carried out, may be later, or never.
UNKNOWN: Final = _Unknown()

#: What stands under a key; whatever a model takes.
Standing: TypeAlias = Any


@attrs.frozen(eq=False)
class Part:
    """What a call has to do with one key.

    Attributes:
        key: The key.
        name: What was asked of it.
        given: With what.
        client: By which client.
        answer: What was answered for this key, or ``UNKNOWN``.
        begun: When the call began, seconds.
        ended: When it was answered.
        before: The same without an answer, if it may have been carried out once before this: whose connection was cut
            may have asked again.
    """

    key: Hashable
    name: str
    given: Any
    client: int
    answer: Any
    begun: float
    ended: float
    before: Part | None = None

    def may_answer(self, answer: Any) -> bool:
        """Whether this is what was answered, as far as that is known."""
        return self.answer is UNKNOWN or bool(type(self.answer) is type(answer) and self.answer == answer)

    def asked_again(self) -> Part:
        """This, of a call that may have been made twice before it was answered."""
        return self if self.answer is UNKNOWN else attrs.evolve(self, before=attrs.evolve(self, answer=UNKNOWN))


class Model(Protocol):
    """One key of a port.

    Attributes:
        pends: Whether it makes a difference that a call without an answer may be carried out later than it was made.
    """

    pends: bool

    def nothing(self) -> Standing:
        """What stands under a key of which nobody has made use."""

    def after(self, standing: Standing, part: Part) -> Iterable[Standing]:
        """What may stand under the key after this; nothing at all if it cannot have been answered so."""


@attrs.frozen
class _World:
    """One of the things that are possible: what stands, and which calls without an answer may still be carried out."""

    standing: Standing
    pending: tuple[Part, ...] = ()


class Knowledge:
    """In which worlds the keys may be."""

    def __init__(self, model: Model) -> None:
        """Know that nothing stands anywhere."""
        self._model = model
        self._worlds: dict[Hashable, list[_World]] = {}

    def possible(self, key: Hashable) -> list[Standing]:
        """What may stand under a key, what pending calls can do to it included."""
        return _distinct(
            world.standing for start in self._of(key) for world in self._reached(start, (), to_the_end=True)
        )

    def take_in(self, parts: Sequence[Part]) -> str | None:
        """Take in the parts of calls that were made at once, in whatever order they came about.

        Returns:
            What is wrong with the answers, in words; None if they are possible.
        """
        for key in dict.fromkeys(part.key for part in parts):
            mine = [part for part in parts if part.key == key]
            known = tuple(part for part in mine if part.answer is not UNKNOWN or not self._model.pends)
            lost = tuple(part for part in mine if part not in known)
            if self._model.pends:
                lost += tuple(part.before for part in known if part.before is not None)
            before = self._of(key)
            after = [
                end for world in before for end in self._reached(_World(world.standing, (*world.pending, *lost)), known)
            ]
            if not after:
                return _wrong(key, known, before)
            self._worlds[key] = _distinct(after)
        return None

    def _of(self, key: Hashable) -> list[_World]:
        return self._worlds.setdefault(key, [_World(self._model.nothing())])

    def _reached(self, world: _World, todo: tuple[Part, ...], *, to_the_end: bool = False) -> Iterator[_World]:
        """Every world that these answers lead to, in any order, with pending calls carried out anywhere between."""
        seen: dict[tuple[int, ...], list[Standing]] = {}
        left = [(world, todo)]
        while left:
            world, todo = left.pop()
            been = seen.setdefault(tuple(id(part) for part in (*world.pending, *todo)), [])
            if world.standing in been:
                continue
            been.append(world.standing)
            if not todo:
                yield world
            for place, part in enumerate(todo):
                pending = tuple(each for each in world.pending if each is not part.before)
                for standing in self._model.after(world.standing, part):
                    left.append((_World(standing, pending), _without(todo, place)))
            if todo or to_the_end:  # else it is early enough to think of them at the next call
                for place, part in enumerate(world.pending):
                    for standing in self._model.after(world.standing, part):
                        left.append((_World(standing, _without(world.pending, place)), todo))


def _without(parts: tuple[Part, ...], place: int) -> tuple[Part, ...]:
    return parts[:place] + parts[place + 1 :]


def _distinct(things: Iterable[Any]) -> list[Any]:
    found: list[Any] = []
    for thing in things:  # they cannot all be hashed
        if thing not in found:
            found.append(thing)
    return found


def _wrong(key: Hashable, parts: Sequence[Part], worlds: Sequence[_World]) -> str:
    answers = "; ".join(
        f"client {part.client} asked for {part.name} with {part.given!a} and was answered {part.answer!a}"
        for part in parts
    )
    standing = " or ".join(ascii(world.standing) for world in worlds[:4])
    return f"of {key!a}, where there was {standing}: {answers}, which cannot be"
