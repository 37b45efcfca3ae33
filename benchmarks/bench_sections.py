"""What a section of the page on performance is made of."""

from __future__ import annotations

from pathlib import Path

import attrs

PAGE = Path(__file__).resolve().parents[1] / "docs" / "performance.md"
#: Where the plots are.
PLOTS = PAGE.with_suffix("")


@attrs.frozen
class Section:
    """The text of a section, as Markdown.

    Attributes:
        measured: What was, and how.
        found: The figures, with tables and plots.
        tried: What was tried and not kept, and why.
    """

    measured: str
    found: str
    tried: str


class Plots:
    """The plots of a page by their names."""

    def __init__(self) -> None:
        """None yet."""
        self.svgs: dict[str, str] = {}

    def add(self, name: str, alt: str, svg: str) -> str:
        """Keep a plot; the Markdown that shows it.

        Args:
            name: Of its file, without the ending; of this plot alone.
            alt: What it shows, for those who do not see it.
            svg: The plot, as ``bench_plots`` makes it.
        """
        if name in self.svgs:
            raise ValueError(f"two plots are called {name!r}")
        self.svgs[name] = svg
        return f"![{alt}]({PLOTS.name}/{name}.svg)"
