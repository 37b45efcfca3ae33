"""Writes the tables of docs/telemetry.md from telemetry's catalogue: ``python tools/telemetry_catalogue.py``."""

from __future__ import annotations

from pathlib import Path

from flowcraft_core.telemetry import ATTRIBUTES, METRICS, SPANS

PAGE = Path(__file__).resolve().parent.parent / "docs" / "telemetry.md"

_BEGIN, _END = "<!-- from the catalogue -->\n", "<!-- until here -->\n"


def tables() -> str:
    """The tables of spans, attributes and metrics, as Markdown."""
    lines = ["| span | kind | below | covers | attributes |", "| --- | --- | --- | --- | --- |"]
    lines += [
        f"| `{span.name}` | {span.kind} | {span.below} | {span.covers} | {_names(span.attributes)} |"
        for span in SPANS.values()
    ]
    lines += ["", "| metric | instrument | unit | what it measures | attributes |", "| --- | --- | --- | --- | --- |"]
    lines += [
        f"| `{metric.name}` | {metric.kind} | `{metric.unit}` | {metric.meaning} | {_names(metric.attributes)} |"
        for metric in METRICS.values()
    ]
    lines += ["", "| attribute | what it is |", "| --- | --- |"]
    lines += [f"| `{name}` | {meaning} |" for name, meaning in ATTRIBUTES.items()]
    return "\n".join(lines) + "\n"


def _names(attributes: tuple[str, ...]) -> str:
    return ", ".join(f"`{name}`" for name in attributes)


def page(text: str) -> str:
    """The page with its tables as they are to be."""
    before, _, rest = text.partition(_BEGIN)
    _, _, after = rest.partition(_END)
    return before + _BEGIN + "\n" + tables() + "\n" + _END + after


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
