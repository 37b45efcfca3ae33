"""A picture as the text of a Mermaid diagram.

Nothing that a flow names can be read as Mermaid: nodes are called n0, n1, ..., and of texts all that is not plain
stands as the entity codes that Mermaid itself has for it (``#35;``). HTML's (``&#35;``) would be taken apart by it.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from .marks import COLOURS, MARKS
from .shapes import Box, Line, Picture

# What a box looks like, by what it is: Mermaid's brackets around its label.
_SHAPES = {
    "batch": ("[[", "]]"),
    "subflow": ("[[", "]]"),
    "loop": ("[[", "]]"),
    "verdict": ("{{", "}}"),
    "wait": ("([", "])"),
    "sleep": ("([", "])"),
}
_ARROWS = {"open": "-->", "taken": "==>", "flowing": "==>", "skipped": "-.->", "aside": "-.->"}
_PALE = "stroke-dasharray:2 4,opacity:0.6"
_STYLES = {"pending": "stroke-dasharray:2 4", "dead": _PALE, "unneeded": _PALE, "void": _PALE}
_SAFE = "_-./:,=+"


def mermaid(picture: Picture) -> str:
    """The text."""
    return "\n".join(_Writer().lines(picture))


class _Writer:
    def __init__(self) -> None:
        self._numbers = itertools.count()
        self._states: dict[str, list[str]] = {}
        self._ways: list[str] = []

    def lines(self, picture: Picture) -> Iterator[str]:
        yield "flowchart TD"
        yield from self._boxes(picture, "    ")
        yield from self._ways
        for state, names in self._states.items():
            styles = filter(None, (f"stroke:{COLOURS[state].light},stroke-width:2px", _STYLES.get(state)))
            yield f"    classDef {state} {','.join(styles)}"
            yield f"    class {','.join(names)} {state}"

    def _boxes(self, picture: Picture, indent: str) -> Iterator[str]:
        names: dict[str, str] = {}
        for box in picture.boxes:
            name = names[box.name] = f"n{next(self._numbers)}"
            if box.state is not None:
                self._states.setdefault(box.state, []).append(name)
            if box.inside is None:
                left, right = _SHAPES.get(box.kind, ("[", "]"))
                yield f'{indent}{name}{left}"{_label(box)}"{right}'
                continue
            yield f'{indent}subgraph {name} ["{_label(box, " #183; ")}"]'
            yield f"{indent}    direction TB"
            yield from self._boxes(box.inside, indent + "    ")
            yield f"{indent}end"
        self._ways += [_way(line, names) for line in picture.lines]


def _label(box: Box, between: str = "<br/>") -> str:
    """What is written in a box; above what is inside of one there is room for a line."""
    mark = "" if box.state is None else f"{MARKS[box.state]} "
    return between.join(escaped(part) for part in (f"{mark}{box.label}", box.detail) if part)


def _way(line: Line, names: dict[str, str]) -> str:
    label = f'|"{escaped(line.label)}"|' if line.label else ""
    return f"    {names[line.source]} {_ARROWS[line.look]}{label} {names[line.target]}"


def escaped(text: str) -> str:
    """Text that means itself, within the quotes of a label.

    Letters, digits and spaces stay; so does what stands between two of the former in many names, such as a dot. (At a
    word's beginning or end it could be Markdown: a list, or what is to be slanted.) Whatever else there is becomes an
    entity code.
    """
    flat = " ".join(text.split())
    around = f" {flat} "
    return "".join(
        character
        if character.isalnum()
        or character == " "
        or (character in _SAFE and around[place].isalnum() and around[place + 2].isalnum())
        else f"#{ord(character)};"
        for place, character in enumerate(flat)
    )
