"""A message of the queue: from when on it can be received, and whose it is."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeAlias

import attrs
from flowcraft_core.ports import Delivery

from .knowledge import UNKNOWN, Part


@attrs.frozen
class Waiting:
    """A message that is stored.

    Attributes:
        earliest: Before this it is received by nobody, seconds.
        latest: From then on it can be.
        receipt: The last delivery that is known of, as a number of the test's own; 0 for none.
        fewest: How often it was delivered at least.
        most: How often at most.
        released: Its last holder has given it back.
    """

    earliest: float
    latest: float
    receipt: int = 0
    fewest: int = 0
    most: int = 0
    released: bool = False


#: None once it is gone, and before it was sent.
Message: TypeAlias = Waiting | None


@attrs.frozen
class Held:
    """What a delivery is used with.

    Attributes:
        receipt: Which delivery it is.
        new_receipt: What an extended one is called from then on.
        visibility: For how long it is to be hidden, seconds.
    """

    receipt: int = 0
    new_receipt: int = 0
    visibility: float = 0.0


class MessageModel:
    """One message, whose body is its key: no two are equal in a drawn test.

    Parts: ``send`` with a delay; ``receive`` and ``extend`` with a ``Held``, whose answer is a count or None;
    ``acknowledge`` and ``release`` with a ``Held``. A receive without an answer has a part for every message.
    """

    #: What is done late with a handle does nothing, and what is taken late comes back.
    pends = False

    def __init__(self, early: float, late: float, longest: float) -> None:
        """Know how much sooner or later than it should a message may be visible, and the longest time to hold one."""
        self._early, self._late, self._longest = early, late, longest

    def nothing(self) -> Message:
        """Not sent."""
        return None

    def after(self, standing: Message, part: Part) -> Iterable[Message]:
        """See ``Model``."""
        if part.name == "send":
            sent = Waiting(part.begun + part.given - self._early, part.ended + part.given + self._late)
            return [sent, standing] if part.answer is UNKNOWN else [sent]
        if standing is None:
            if part.answer is UNKNOWN:
                return [None]
            return [] if part.name == "receive" or isinstance(part.answer, int) else [None]
        held: Held = part.given
        is_newest = held.receipt == standing.receipt
        surely_held = is_newest and part.ended < standing.earliest
        if part.name == "receive":
            return self._received(standing, held, part)
        if part.name == "extend":
            return self._extended(standing, held, part, is_newest, surely_held)
        if not is_newest:
            return [standing]  # somebody else's by now
        let_go = None if part.name == "acknowledge" else self._released(standing, part)
        return [let_go] if surely_held and part.answer is not UNKNOWN else [let_go, standing]

    def _received(self, standing: Waiting, held: Held, part: Part) -> list[Message]:
        visible = self._hidden(standing, held.visibility, part)
        if part.answer is UNKNOWN:  # it may have been taken, and be given back
            if part.ended < standing.earliest:
                return [standing]
            return [attrs.evolve(standing, latest=max(visible.latest, standing.latest), most=standing.most + 1)]
        if part.ended < standing.earliest or not standing.fewest < part.answer <= standing.most + 1:
            return []
        return [attrs.evolve(visible, receipt=held.new_receipt, fewest=part.answer, most=part.answer)]

    def _extended(self, standing: Waiting, held: Held, part: Part, is_newest: bool, surely_held: bool) -> list[Message]:
        longer = self._hidden(standing, held.visibility, part)
        if part.answer is UNKNOWN:  # where handles change, nobody has got the new one
            return [longer, attrs.evolve(longer, receipt=-1), standing] if is_newest else [standing]
        if part.answer is None:
            return [] if surely_held else [standing]
        if not (is_newest and standing.fewest <= part.answer <= standing.most):
            return []
        # Who has given it back has nothing to extend: what comes of it all the same is not promised.
        as_it_was = [attrs.evolve(standing, receipt=held.new_receipt)] if standing.released else []
        return [attrs.evolve(longer, receipt=held.new_receipt), *as_it_was]

    def _released(self, standing: Waiting, part: Part) -> Waiting:
        return attrs.evolve(
            standing,
            earliest=part.begun - self._early,
            latest=part.ended + self._late,
            fewest=max(0, standing.fewest - 1),
            released=True,
        )

    def _hidden(self, standing: Waiting, visibility: float, part: Part) -> Waiting:
        return attrs.evolve(
            standing,
            earliest=part.begun + min(visibility, self._longest) - self._early,
            latest=part.ended + visibility + self._late,
            released=False,
        )


def count_of(delivery: Delivery | None) -> int | None:
    """What the model is told of a delivery."""
    return None if delivery is None else delivery.count
