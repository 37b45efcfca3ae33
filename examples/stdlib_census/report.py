"""Shows the report of a census to people."""

from __future__ import annotations

import sys
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table


def show(report: dict[str, Any], console: Console) -> None:
    """Print totals and rankings, in a width of 80 if that is all there is."""
    counts = ("files", "lines", "code", "comments", "blank", "classes", "functions", "branches")
    totals = Table(box=None, pad_edge=False)
    for name in counts:
        totals.add_column(name, justify="right")
    totals.add_row(*(f"{report[name]:,}" for name in counts))

    lists = Table.grid(padding=(1, 4, 0, 0))
    lists.add_row(
        _top("Longest modules, in lines", [(f"{row['lines']:,}", row["path"]) for row in report["longest_modules"]]),
        _top("Most imported, by files", [(f"{row['files']:,}", row["module"]) for row in report["most_imported"]]),
    )
    lists.add_row(
        _top(
            "Most branches in a function",
            [(f"{row['branches']:,}", f"{row['name']}  {row['path']}") for row in report["branchiest_functions"]],
        ),
        _top(
            f"Rests on ({report['passes']} passes)",
            [(f"{row['rank'] / 10**10:.2f} %", row["module"]) for row in report["ranking"]],
        ),
    )
    console.print(totals, lists)

    unreadable = [row["path"] for row in report["unreadable"]]
    if unreadable:
        version = f"Python {sys.version_info.major}.{sys.version_info.minor}"
        more = f" and {len(unreadable) - 10} more" if len(unreadable) > 10 else ""
        listed = escape(", ".join(unreadable[:10]) + more)
        console.print(f"\n[bold]Not {version} ({len(unreadable)} files)[/]\n{listed}", highlight=False)


def _top(title: str, rows: list[tuple[str, str]]) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", box=None, show_header=False, pad_edge=False)
    table.min_width = len(title)
    table.add_column(justify="right", style="cyan")
    table.add_column()
    for count, label in rows:
        table.add_row(count, escape(label))
    return table
