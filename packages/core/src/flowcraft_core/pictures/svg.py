"""A picture as SVG, whole in itself: it asks for no font, script or style of anybody's, and carries no id.

It may stand in a page beside others of its kind, so each name of its style sheet is its own; and it follows the
reader's choice of light or dark, also where it is shown as an image.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator

from .layout import Point, through
from .marks import COLOURS, MARKS
from .placing import (
    SIGN,
    WAY_LETTER,
    WAY_WIDEST,
    PlacedBox,
    PlacedLine,
    Sheet,
    fitting,
    left_of_label,
    place,
    room_for,
    width_of,
)
from .shapes import Picture

_MARGIN, _TITLE = 16.0, 30.0
_TITLE_LETTER = 8.4
# What is wider is not made smaller where there is less room: nobody could read it.
_SHRINKS = 1_500.0
# What XML cannot hold, whatever one writes for it.
_NOT_XML = re.compile("[\0-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")

_STYLE = """\
.fcp{font-family:system-ui,-apple-system,"Segoe UI",sans-serif;--fcp-back:#fff;--fcp-ink:#1b2028;--fcp-soft:#4d5562;\
--fcp-line:#8b939f;--fcp-inner:#f5f6f8;--fcp-state:#8b939f}
.fcp-ground{fill:var(--fcp-back)}.fcp text{fill:var(--fcp-ink);font-size:13px}
.fcp .fcp-title{font-weight:600;font-size:14px}.fcp .fcp-label{font-weight:600}
.fcp .fcp-detail,.fcp .fcp-way text{font-size:11px;fill:var(--fcp-soft)}
.fcp .fcp-sign{text-anchor:middle;fill:var(--fcp-state);font-weight:700}
.fcp-box{fill:var(--fcp-back);stroke:var(--fcp-state);stroke-width:1.6}.fcp-open>.fcp-box{fill:var(--fcp-inner)}
.fcp-behind{fill:none;stroke:var(--fcp-state);stroke-width:1.2}
.fcp-fallback>.fcp-box,.fcp-undo>.fcp-box{stroke-dasharray:5 4}
.fcp-failed>.fcp-box,.fcp-handled>.fcp-box{stroke-width:3.5}.fcp-ready>.fcp-box{stroke-dasharray:7 4}
.fcp-blocked>.fcp-box,.fcp-pending>.fcp-box{stroke-dasharray:2 4}
.fcp-dead,.fcp-unneeded,.fcp-void{opacity:.55}
.fcp-dead>.fcp-box,.fcp-unneeded>.fcp-box,.fcp-void>.fcp-box{stroke-dasharray:1 5}
.fcp-way path{fill:none;stroke:var(--fcp-line);stroke-width:1.3}.fcp-way .fcp-tip{fill:var(--fcp-line);stroke:none}
.fcp .fcp-way text{text-anchor:middle;paint-order:stroke;stroke:var(--fcp-back);stroke-width:4px;stroke-linejoin:round}
.fcp-taken path,.fcp-flowing path{stroke:var(--fcp-done);stroke-width:2.6}
.fcp-taken .fcp-tip,.fcp-flowing .fcp-tip{fill:var(--fcp-done)}.fcp-flowing path{stroke-dasharray:8 5}
.fcp-aside path{stroke-dasharray:5 4}.fcp-skipped{opacity:.5}.fcp-skipped path{stroke-dasharray:2 4}
"""


def _style() -> str:
    """The style sheet, with the colours of states for a light and for a dark ground."""
    light = "".join(f"--fcp-{state}:{colour.light};" for state, colour in COLOURS.items())
    dark = "".join(f"--fcp-{state}:{colour.dark};" for state, colour in COLOURS.items())
    states = "".join(f".fcp-{state}{{--fcp-state:var(--fcp-{state})}}" for state in COLOURS)
    grounds = "--fcp-back:#14171c;--fcp-ink:#e7eaee;--fcp-soft:#aeb6c2;--fcp-line:#959eab;--fcp-inner:#1d2229;"
    return (
        f"{_STYLE}.fcp{{{light}}}\n{states}\n"
        f"@media (prefers-color-scheme:dark){{.fcp{{{grounds}--fcp-state:#959eab;{dark}}}}}\n"
    )


def svg(picture: Picture) -> str:
    """The SVG, which is XML and can stand in HTML."""
    sheet = place(picture)
    titled = min(width_of(picture.title, _TITLE_LETTER), 600.0)
    width = max(sheet.size.width, titled) + 2 * _MARGIN
    height = sheet.size.height + 2 * _MARGIN + _TITLE
    title, heading = _text(picture.title), fitting(picture.title, width - 2 * _MARGIN, _TITLE_LETTER)
    shrinks = ' style="max-width:100%;height:auto"' if width <= _SHRINKS else ""
    left = round((width - sheet.size.width) / 2, 1)
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="fcp" role="img" aria-label="{title}" '
        f'viewBox="0 0 {width:g} {height:g}" width="{width:g}" height="{height:g}"{shrinks}>'
    )
    lines = [
        head,
        f"<style>{_style()}</style>",
        f'<rect class="fcp-ground" width="{width:g}" height="{height:g}"/>',
        f'<text class="fcp-title" x="{_MARGIN:g}" y="24">{_text(heading)}</text>',
        *_sheet(sheet, Point(left, _MARGIN + _TITLE)),
        "</svg>",
    ]
    return "\n".join(lines)


def _sheet(sheet: Sheet, at: Point) -> Iterator[str]:
    yield f'<g transform="translate({at.x:g} {at.y:g})">'
    for line in sheet.lines:
        yield from _line(line)
    for placed in sheet.boxes:
        yield from _box(placed)
    # Labels stand above all lines: one that crosses a label would cross it out.
    for line in sheet.lines:
        yield from _line_label(line)
    yield "</g>"


def _box(placed: PlacedBox) -> Iterator[str]:
    box, x, y, (width, height) = placed.box, placed.x, placed.y, placed.size
    kinds = [f"fcp-{box.kind}", *([f"fcp-{box.state}"] if box.state else []), *(["fcp-open"] if placed.inside else [])]
    told = "; ".join(part for part in (box.label, box.detail) if part)
    yield f'<g class="{" ".join(kinds)}"><title>{_text(told)}</title>'
    if box.kind in ("batch", "loop"):
        yield f'<rect class="fcp-behind" x="{x + 5:g}" y="{y - 5:g}" width="{width:g}" height="{height:g}" rx="7"/>'
    round_ = {"wait": 27, "sleep": 27, "verdict": 16}.get(box.kind, 7)
    yield f'<rect class="fcp-box" x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="{round_}"/>'
    if box.kind == "subflow" and placed.inside is None:
        inner = f'x="{x + 4:g}" y="{y + 4:g}" width="{width - 8:g}" height="{height - 8:g}"'
        yield f'<rect class="fcp-behind" {inner} rx="4"/>'
    label, detail = room_for(placed)
    left = x + left_of_label(box)
    if box.state is not None:
        yield f'<text class="fcp-sign" x="{x + SIGN / 2 + 2:g}" y="{y + 31:g}">{MARKS[box.state]}</text>'
    yield f'<text class="fcp-label" x="{left:g}" y="{y + (24 if detail else 32):g}">{_text(label)}</text>'
    if detail:
        yield f'<text class="fcp-detail" x="{left:g}" y="{y + 41:g}">{_text(detail)}</text>'
    if placed.inside is not None:
        yield from _sheet(placed.inside, placed.within)
    yield "</g>"


def _line(placed: PlacedLine) -> Iterator[str]:
    points, line = list(placed.points), placed.line
    end, before = points[-1], points[-2]
    if line.goes_back:
        tip = f"M{end.x:g} {end.y:g}l9 -4.5v9z"
        points[-1] = Point(end.x + 7, end.y)
        path = "M" + "L".join(f"{point.x:g} {point.y:g}" for point in points)
    else:
        down = 1 if end.y >= before.y else -1
        tip = f"M{end.x:g} {end.y:g}l-4.5 {-9 * down}h9z"
        points[-1] = Point(end.x, end.y - 7 * down)
        path = through(points)
    yield f'<g class="fcp-way fcp-{line.look}"><title>{_text(_told(placed))}</title>'
    yield f'<path d="{path}"/><path class="fcp-tip" d="{tip}"/></g>'


def _line_label(placed: PlacedLine) -> Iterator[str]:
    if placed.line.label:
        label, at = fitting(placed.line.label, WAY_WIDEST, WAY_LETTER), placed.label_at
        yield (
            f'<g class="fcp-way fcp-{placed.line.look}"><title>{_text(_told(placed))}</title>'
            f'<text x="{at.x:g}" y="{at.y + 4:g}">{_text(label)}</text></g>'
        )


def _told(placed: PlacedLine) -> str:
    line = placed.line
    return f"from {line.source} to {line.target}{f', {line.label}' if line.label else ''}: {line.look}"


def _text(text: str) -> str:
    """Text that means itself, between tags and within quotes."""
    return html.escape(_NOT_XML.sub("\ufffd", text))
