"""Where everything in a picture is: what is inside a box is laid out by itself, and the box made to hold it. Pure."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Sequence

import attrs

from .layout import HEIGHT, Point, Size, lay_out, on_the_way
from .shapes import Box, Line, Picture

#: The height of what stands above a picture inside a box.
HEADER = 50.0
_PADDING = 20.0
_LANE = 26.0  # beside a loop's body, for the way back
_NARROWEST, _WIDEST = 110.0, 250.0
# About how wide letters are, of labels and of the lines below them.
_LABEL, _DETAIL = 7.6, 6.2
#: Of the labels of lines: about how wide a letter is, and how wide they are at most.
WAY_LETTER, WAY_WIDEST = 6.2, 160.0
#: Left of a label: the sign of a state, or nothing; and right of it nothing.
SIGN, BLANK = 34.0, 14.0


@attrs.frozen(kw_only=True)
class PlacedBox:
    """A box, and where its upper left corner is in the sheet that it is on.

    Attributes:
        box: The box.
        x: To the right.
        y: Downwards.
        size: How large it is.
        inside: What is inside, whose upper left corner is at ``within``.
        within: In the same sheet.
    """

    box: Box
    x: float
    y: float
    size: Size
    inside: Sheet | None
    within: Point


@attrs.frozen(kw_only=True)
class PlacedLine:
    """A line, and the points that it leads through: upright at each of them, or straight if it goes back.

    Attributes:
        line: The line.
        points: From border to border.
        label_at: The middle of its label.
    """

    line: Line
    points: Sequence[Point]
    label_at: Point


@attrs.frozen(kw_only=True)
class Sheet:
    """A picture, and where everything in it is.

    Attributes:
        boxes: From top to bottom, and from left to right.
        lines: Between them.
        size: Of the whole.
    """

    boxes: Sequence[PlacedBox]
    lines: Sequence[PlacedLine]
    size: Size


def place(picture: Picture) -> Sheet:
    """Lay a picture out."""
    insides = {box.name: place(box.inside) for box in picture.boxes if box.inside is not None}
    sizes = {box.name: _size(box, insides.get(box.name)) for box in picture.boxes}
    ahead = [line for line in picture.lines if not line.goes_back]
    # Where several lines part, their labels stand where they lead to; else where they come from: there boxes make room.
    parting = Counter(line.source for line in ahead)
    for line in ahead:
        name = line.target if parting[line.source] > 1 else line.source
        wanted = min(width_of(line.label, WAY_LETTER), WAY_WIDEST)
        sizes[name] = Size(max(sizes[name].width, round(wanted, 1)), sizes[name].height)
    layout = lay_out(list(sizes), [(line.source, line.target) for line in ahead], sizes)
    boxes = {}
    for box in picture.boxes:
        middle, size, inside = layout.nodes[box.name], sizes[box.name], insides.get(box.name)
        x, y = round(middle.x - size.width / 2, 1), round(middle.y - size.height / 2, 1)
        left = 0.0 if inside is None else (size.width - inside.size.width) / 2
        within = Point(round(x + left, 1), y + HEADER)
        boxes[box.name] = PlacedBox(box=box, x=x, y=y, size=size, inside=inside, within=within)
    lines = [
        PlacedLine(line=line, points=points, label_at=on_the_way(points, near_end=parting[line.source] > 1))
        for line, points in zip(ahead, layout.edges, strict=True)
        if points
    ]
    back = [line for line in picture.lines if line.goes_back]
    right = layout.width
    for line in back:
        right += _LANE
        points = _around(boxes[line.source], boxes[line.target], right)
        label_at = Point(right, round((points[1].y + points[2].y) / 2, 1))
        lines.append(PlacedLine(line=line, points=points, label_at=label_at))
    # As much on the left as on the right, so that what is inside a box stands in its middle.
    size = Size(right + (8.0 if back else 0.0), layout.height)
    return Sheet(boxes=sorted(boxes.values(), key=lambda each: (each.y, each.x)), lines=lines, size=size)


def _around(source: PlacedBox, target: PlacedBox, lane: float) -> list[Point]:
    """From the right of a box up to the right of one above it."""
    low, high = source.y + source.size.height / 2, target.y + min(target.size.height, HEIGHT) / 2
    if source is target:
        low, high = source.y + source.size.height * 0.75, source.y + source.size.height * 0.25
    return [
        Point(source.x + source.size.width, low),
        Point(lane, low),
        Point(lane, high),
        Point(target.x + target.size.width, high),
    ]


def _size(box: Box, inside: Sheet | None) -> Size:
    wide = max(width_of(box.label, _LABEL), width_of(box.detail, _DETAIL)) + left_of_label(box) + BLANK
    if inside is None:
        return Size(round(min(max(wide, _NARROWEST), _WIDEST), 1), HEIGHT)
    width = max(inside.size.width + 2 * _PADDING, min(wide, _WIDEST))
    return Size(round(width, 1), inside.size.height + HEADER + _PADDING)


def left_of_label(box: Box) -> float:
    """How far into a box its label begins."""
    return BLANK if box.state is None else SIGN


def width_of(text: str, letter: float = _LABEL) -> float:
    """About how wide a text is, where a letter is as wide as that."""
    wide = sum(unicodedata.east_asian_width(character) in "WF" for character in text)
    return (len(text) + 0.8 * wide) * letter


def fitting(text: str, width: float, letter: float = _LABEL) -> str:
    """As much of a text as is no wider than that."""
    if width_of(text, letter) <= width + 0.1:  # sizes are rounded
        return text
    kept = text
    while kept and width_of(kept, letter) + letter > width:
        kept = kept[:-1]
    return f"{kept}…"


def room_for(placed: PlacedBox) -> tuple[str, str]:
    """A box's label and detail, cut to its width."""
    width = placed.size.width - left_of_label(placed.box) - BLANK
    return fitting(placed.box.label, width), fitting(placed.box.detail, width, _DETAIL)
