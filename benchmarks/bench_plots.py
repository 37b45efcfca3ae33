"""Small plots as SVG, whole in themselves, that follow the reader's choice of light or dark."""

from __future__ import annotations

import html
import math
from collections.abc import Mapping, Sequence
from typing import TypeAlias

#: Of a line: where its points are, x and y, in the order of x.
Points: TypeAlias = Sequence[tuple[float, float]]
#: Of a bar: its value; and of several rounds the least and the greatest.
Spread: TypeAlias = tuple[float, float, float]

_WIDTH, _HEIGHT = 640.0, 320.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 70.0, 150.0, 44.0, 44.0
_BAR, _NAMES, _VALUES = 26.0, 210.0, 110.0
_LETTER = 15.0
# Mid-tones, which are seen on a light ground and on a dark one, also by those who do not tell red from green.
_COLOURS = ("#3b82c4", "#d97a1f", "#1f9e89", "#a05fb4", "#c44e52", "#8a8a3c", "#7f8896")
_STYLE = (
    '<style>.p{font:12px system-ui,-apple-system,"Segoe UI",sans-serif;--back:#fff;--ink:#1b2028;--soft:#8b939f}'
    "@media (prefers-color-scheme:dark){.p{--back:#14171c;--ink:#e7eaee;--soft:#6d7683}}"
    ".g{fill:var(--back)}.p text{fill:var(--ink)}.t{font-weight:600;font-size:14px}.a{stroke:var(--soft);fill:none}"
    ".p .s{fill:var(--soft)}.w{stroke:var(--ink);fill:none}</style>"
)


def line_plot(title: str, x: str, y: str, lines: Mapping[str, Points]) -> str:
    """Lines over logarithmic axes, each named at its right end.

    Args:
        title: What is shown.
        x: What is along the bottom, with its unit.
        y: What is up the side, with its unit.
        lines: The points of each by its name, all above zero.
    """
    xs, ys = ([point[axis] for points in lines.values() for point in points] for axis in (0, 1))
    across = _Axis(xs, _LEFT, _WIDTH - _RIGHT)
    up = _Axis(ys, _HEIGHT - _BOTTOM, _TOP)
    parts = [_text(_WIDTH / 2, 22, title, "middle", "t"), _text(_LEFT - 8, _TOP - 8, y, "start", "s")]
    parts.append(_text((_LEFT + _WIDTH - _RIGHT) / 2, _HEIGHT - 8, x, "middle", "s"))
    for tick in across.ticks:
        parts.append(_text(across.at(tick), _HEIGHT - _BOTTOM + 16, _figure(tick), "middle"))
    for tick in up.ticks:
        parts.append(_path([(_LEFT, up.at(tick)), (_WIDTH - _RIGHT, up.at(tick))], 'class="a" stroke-dasharray="2 4"'))
        parts.append(_text(_LEFT - 8, up.at(tick) + 4, _figure(tick), "end"))
    names = _apart({name: up.at(points[-1][1]) for name, points in lines.items()})
    for number, (name, points) in enumerate(lines.items()):
        colour = _COLOURS[number % len(_COLOURS)]
        places = [(across.at(each[0]), up.at(each[1])) for each in points]
        parts.append(_path(places, f'fill="none" stroke="{colour}" stroke-width="2"'))
        parts += [f'<circle cx="{left:.1f}" cy="{top:.1f}" r="3" fill="{colour}"/>' for left, top in places]
        parts.append(_text(_WIDTH - _RIGHT + 12, names[name] + 4, name, "start", style=f"fill:{colour}"))
    return _svg(_WIDTH, _HEIGHT, title, parts)


def bar_plot(title: str, unit: str, bars: Mapping[str, Spread]) -> str:
    """Bars from zero on, one below the other, each with a whisker from the least to the greatest.

    Args:
        title: What is shown.
        unit: Of the values; it stands behind each.
        bars: The value of each by its name, and its least and greatest.
    """
    height = _TOP + _BAR * len(bars) + 10
    longest = max(most for _, _, most in bars.values()) or 1.0
    scale = (_WIDTH - _NAMES - _VALUES) / longest
    parts = [_text(_WIDTH / 2, 22, title, "middle", "t")]
    for number, (name, (value, least, most)) in enumerate(bars.items()):
        top = _TOP + _BAR * number
        middle = top + _BAR / 2 - 2
        colour = _COLOURS[0 if name.startswith("Flowcraft") else -1]
        parts.append(_text(_NAMES - 8, middle + 4, name, "end"))
        parts.append(
            f'<rect x="{_NAMES:g}" y="{top:.1f}" width="{value * scale:.1f}" height="{_BAR - 6:g}" fill="{colour}"/>'
        )
        parts.append(_path([(_NAMES + least * scale, middle), (_NAMES + most * scale, middle)], 'class="w"'))
        parts.append(_text(_NAMES + max(value, most) * scale + 8, middle + 4, f"{_figure(value)} {unit}", "start"))
    return _svg(_WIDTH, height, title, parts)


class _Axis:
    """A logarithmic axis."""

    def __init__(self, values: Sequence[float], begin: float, end: float) -> None:
        low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
        high = max(high, low + 1)
        self._low, self._begin, self._scale = low, begin, (end - begin) / (high - low)
        self.ticks = [10.0**power for power in range(low, high + 1)]

    def at(self, value: float) -> float:
        """Where on the sheet a value is."""
        return self._begin + (math.log10(value) - self._low) * self._scale


def _apart(wanted: Mapping[str, float]) -> dict[str, float]:
    """Heights near the wanted ones, so far apart that names can be read."""
    given: dict[str, float] = {}
    least = -math.inf
    for name, height in sorted(wanted.items(), key=lambda item: item[1]):
        given[name] = least = max(height, least + _LETTER)
    over = max(0.0, least - (_HEIGHT - _BOTTOM)) if given else 0.0
    return {name: height - over for name, height in given.items()}


def _figure(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _path(places: Sequence[tuple[float, float]], attributes: str) -> str:
    return f'<path d="M{" L".join(f"{left:.1f} {top:.1f}" for left, top in places)}" {attributes}/>'


def _text(left: float, top: float, text: str, anchor: str, kind: str = "", style: str = "") -> str:
    more = (f' class="{kind}"' if kind else "") + (f' style="{style}"' if style else "")
    return f'<text x="{left:.1f}" y="{top:.1f}" text-anchor="{anchor}"{more}>{html.escape(text)}</text>'


def _svg(width: float, height: float, title: str, parts: Sequence[str]) -> str:
    said = html.escape(title)
    head = f'<svg xmlns="http://www.w3.org/2000/svg" class="p" width="{width:g}" height="{height:g}" '
    head += f'viewBox="0 0 {width:g} {height:g}" role="img" aria-label="{said}"><title>{said}</title>'
    ground = f'<rect class="g" width="{width:g}" height="{height:g}"/>'
    return "\n".join([head, _STYLE, ground, *parts, "</svg>\n"])
