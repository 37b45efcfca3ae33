"""A key of the context store: its fact, or its value; and which older version a reader may see."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Generic, TypeAlias, TypeVar

import attrs
from flowcraft_core.ports import Fact, PositionedValue

from .knowledge import UNKNOWN, Part

T = TypeVar("T")


@attrs.frozen
class Version(Generic[T]):
    """What stands from a time on.

    Attributes:
        content: The fact or value; None for nothing.
        written: When it was there at the latest.
        writer: The client that wrote it.
    """

    content: T | None
    written: float = float("-inf")
    writer: int = -1


#: All that anybody may still see, the newest last.
Versions: TypeAlias = tuple[Version[T], ...]


class _Records(Generic[T]):
    """Reading is a matter of staleness: conditional writes are not."""

    pends = True

    def __init__(self, staleness: float) -> None:
        """Know for how long others may miss a version, seconds."""
        self._staleness = staleness

    def nothing(self) -> Versions[T]:
        """No version."""
        return (Version(None),)

    def after(self, standing: Versions[T], part: Part) -> Iterable[Versions[T]]:
        """See ``Model``."""
        if part.name == "read":
            return [standing] if any(part.may_answer(each) for each in self._visible(standing, part)) else []
        if part.name == "delete":
            return [self._written(standing, None, part) if standing[-1].content is not None else standing]
        return self._after_write(standing, part)

    def _after_write(self, standing: Versions[T], part: Part) -> Iterable[Versions[T]]:
        raise NotImplementedError

    def _visible(self, standing: Versions[T], part: Part) -> Iterator[T | None]:
        """What this reader may see: the newest, or what was before it while that can be missed."""
        for version in reversed(standing):
            yield version.content
            if version.writer == part.client or part.begun - version.written >= self._staleness:
                return

    def _written(self, standing: Versions[T], content: T | None, part: Part) -> Versions[T]:
        if not self._staleness:
            return (Version(content),)
        late = self._staleness if part.answer is UNKNOWN else 0.0  # it may be carried out a moment after its call
        return (*standing[-7:], Version(content, part.ended + late, part.client))


class FactModel(_Records[Fact]):
    """Written once. Parts: ``put`` of a fact, ``read``, ``delete``."""

    def _after_write(self, standing: Versions[Fact], part: Part) -> Iterable[Versions[Fact]]:
        stands = standing[-1].content
        if not part.may_answer(stands):
            return []
        return [self._written(standing, part.given, part) if stands is None else standing]


class ValueModel(_Records[PositionedValue]):
    """The greatest position stands. Parts: ``apply`` of a value, ``read``, ``delete``."""

    def _after_write(self, standing: Versions[PositionedValue], part: Part) -> Iterable[Versions[PositionedValue]]:
        stands, value = standing[-1].content, part.given
        is_later = stands is None or stands.position < value.position
        return [self._written(standing, value, part) if is_later else standing]


class ContextModel:
    """Both, by the first element of the key: ``fact`` or ``value``."""

    pends = True

    def __init__(self, staleness: float) -> None:
        """See ``StoreLimits.staleness``."""
        self._models: dict[str, Any] = {"fact": FactModel(staleness), "value": ValueModel(staleness)}

    def nothing(self) -> Any:
        """No version."""
        return (Version(None),)

    def after(self, standing: Any, part: Part) -> Iterable[Any]:
        """See ``Model``."""
        assert isinstance(part.key, tuple)
        result: Iterable[Any] = self._models[part.key[0]].after(standing, part)
        return result
