"""Set-ups that are broken on purpose, each in one way, and what the doctor must say of them: that, and nothing else."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, TypeAlias

import attrs
from flowcraft_core.durable import diagnose
from flowcraft_core.ports import Backend

#: Breaks a set-up for a ``with`` block, and gives the backend on it; it gets whatever the set needs.
Breaks: TypeAlias = Callable[..., AbstractAsyncContextManager[Backend]]


@attrs.frozen(kw_only=True)
class Breakage:
    """One way to break a set-up.

    Attributes:
        name: What is broken.
        code: The finding that there must be.
        named: What the finding must name: the setting, file, table or queue that is to be mended.
        breaks: See ``Breaks``.
    """

    name: str
    code: str
    named: Sequence[str]
    breaks: Breaks


@attrs.frozen
class Breakages:
    """The breakages of one backend, in the order in which they are written; to be filled by decorators.

    Attributes:
        known: The codes of the findings that there are.
        all: The breakages.
    """

    known: Collection[str]
    all: list[Breakage] = attrs.field(factory=list)

    def found_as(self, code: str, *named: str) -> Callable[[Callable[..., AsyncIterator[Backend]]], Breaks]:
        """Add a breakage, by the function that makes it; a decorator.

        Args:
            code: The finding that there must be.
            named: What the finding must name.

        Raises:
            ValueError: There is no such finding.
        """
        if code not in self.known:
            raise ValueError(f"there is no finding {code}")

        def note(breaks: Callable[..., AsyncIterator[Backend]]) -> Breaks:
            manager: Breaks = asynccontextmanager(breaks)
            name = breaks.__name__.replace("_", " ")
            self.all.append(Breakage(name=name, code=code, named=named, breaks=manager))
            return manager

        return note


async def wrong_about(breakage: Breakage, *given: Any) -> str:
    """What the doctor gets wrong about a breakage; empty if it is right."""
    async with breakage.breaks(*given) as backend:
        found = await diagnose(backend)
    told = "; ".join(f"{each.code} ({each.problem})" for each in found) or "nothing"
    if {each.code for each in found} != {breakage.code}:  # of each queue by name, what is wrong with all of them
        return f"{breakage.name}: it is to find {breakage.code}, and finds {told}"
    missing = [name for name in breakage.named if name not in found[0].problem + found[0].remedy]
    return f"{breakage.name}: {told} does not name {', '.join(missing)}" if missing else ""


async def wrong_about_health(backend: Backend) -> str:
    """What the doctor finds wrong with what is set up as it should be; empty if it is nothing."""
    found = await diagnose(backend)
    return "; ".join(f"the healthy one: {each.code} ({each.problem})" for each in found)
