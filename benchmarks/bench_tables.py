"""Tables in Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def table(head: Sequence[str], rows: Iterable[Sequence[str]], *, words: int = 1) -> str:
    """A table, whose figures stand at the right of their columns.

    Args:
        head: What each column has.
        rows: The cells of each row.
        words: In so many columns, the first ones, are words and no figures.
    """
    rule = ["---" if place < words else "---:" for place in range(len(head))]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (head, rule, *rows))


def between(spread: Sequence[float], form: str = ",.2f") -> str:
    """The least and the greatest, as ``1.00 to 2.00``.

    Args:
        spread: The two.
        form: How each is written.
    """
    least, most = spread
    return f"{least:{form}} to {most:{form}}"
