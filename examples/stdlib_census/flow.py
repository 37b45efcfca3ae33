"""The census of Python's standard library, as a flow.

``census`` lists the files, measures each by ``one_file``, ranks the modules by ``ranking``, and makes a report. The
graphs are here; the steps are plain functions, in ``file_steps`` and ``library_steps``.
"""

from __future__ import annotations

from file_steps import imports, parse, read, record, size, structure, unreadable
from flowcraft_core import RetryPolicy, create_flow
from library_steps import MOST_PASSES, SETTLED, link, list_files, podium, report, spread, totals

#: One file: what is Python goes one way, what is not goes the other, and whichever it was arrives at `record`.
one_file = (
    create_flow("one-file")
    .node("read", read, retries=RetryPolicy(max_attempts=3, delay=0.02, non_retryable=(FileNotFoundError,)))
    .node("parse", parse)
    .edge("read", "parse")
    # If it cannot be parsed:
    .node("unreadable", unreadable)
    .edge("parse", "unreadable", action="unreadable")
    # Else, three at once:
    .node("size", size, inputs="read")
    .node("structure", structure)
    .node("imports", imports, inputs={"path": "read.path", "imports": "parse.imports"})
    .edge("parse", "size")
    .edge("parse", "structure")
    .edge("parse", "imports")
    # Join all that comes:
    .node("record", record)
    .edge("size", "record")
    .edge("structure", "record")
    .edge("imports", "record")
    .edge("unreadable", "record")
)

#: Ranks the modules by who imports them, better with each pass, until a pass changes next to nothing.
ranking = (
    create_flow("ranking")
    .node("link", link)
    .node("spread", spread)
    .node("podium", podium)
    .loop(
        "settle",
        start="spread",
        end="spread",
        condition=f"result.output.moved > {SETTLED} and result.output.passes < {MOST_PASSES}",
    )
    .edge("link", "spread")
    .edge("settle", "podium")
)

#: The whole: a batch of files, then totals and ranking side by side, then the report.
census = (
    create_flow("stdlib-census")
    .node("list_files", list_files)
    .batch("files", one_file)
    .node("totals", totals)
    .subflow("rank", ranking)
    .node("report", report)
    .edge("list_files", "files")
    .edge("files", "totals")
    .edge("files", "rank")
    .edge("totals", "report")
    .edge("rank", "report")
)
