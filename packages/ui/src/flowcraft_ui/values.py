"""Values as they are shown: as JSON text, cut to a length, and as the user's redaction leaves them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import attrs
from flowcraft_core.showing import as_json, legible, name_of

#: Is given where a value stands (``pay.output``, ``context.card``, ``tags``) and the value, before it is shown. Gives
#: what is to be shown in its place. It must not change what it is given.
Redact: TypeAlias = Callable[[str, Any], Any]

HIDDEN = "•••"

#: So many characters of a value are shown on a page; all of them in a page of its own.
SHOWN = 2_000
_BRIEF = 160


def hiding(*names: str) -> Redact:
    """A redaction that hides whatever stands under a name with one of these parts, at any depth.

    Args:
        names: Parts of names, in any case: ``hiding("password", "token", "iban")``.
    """
    pattern = re.compile("|".join(map(re.escape, names)) or r"(?!)", re.IGNORECASE)

    def redact(where: str, value: Any) -> Any:
        return HIDDEN if pattern.search(where) else _without(value)

    def _without(value: Any) -> Any:
        if attrs.has(type(value)):
            value = attrs.asdict(value, recurse=False)
        if isinstance(value, Mapping):
            return {name: HIDDEN if pattern.search(name_of(name)) else _without(each) for name, each in value.items()}
        if isinstance(value, (list, tuple)):
            return [_without(each) for each in value]
        return value

    return redact


@attrs.frozen
class Shown:
    """A value as it is shown.

    Attributes:
        text: Its text, perhaps not all of it.
        length: How many characters the whole text has.
    """

    text: str
    length: int

    @property
    def is_cut(self) -> bool:
        """Whether that is not all."""
        return len(self.text) < self.length


@attrs.frozen
class Values:
    """Makes text of values.

    Attributes:
        redact: What the user wants hidden.
    """

    redact: Redact | None = None

    def whole(self, where: str, value: Any) -> str:
        """All of a value, as JSON."""
        if self.redact is not None:
            value = self.redact(where, value)
        return as_json(value, indent=2)

    def shown(self, where: str, value: Any, length: int = SHOWN) -> Shown:
        """A value, cut to a length."""
        text = self.whole(where, value)
        return Shown(text[:length], len(text))

    def brief(self, where: str, value: Any, length: int = _BRIEF) -> str:
        """A value on one line, cut to a length."""
        if self.redact is not None:
            value = self.redact(where, value)
        text = legible(value) if isinstance(value, str) else as_json(value)
        text = " ".join(text.split())
        return text if len(text) <= length else f"{text[: length - 1]}…"

    def words(self, where: str, text: str | None) -> str:
        """A text for people, such as an error's message, with its lines."""
        if text is None:
            return ""
        return legible(str(text if self.redact is None else self.redact(where, text)))
