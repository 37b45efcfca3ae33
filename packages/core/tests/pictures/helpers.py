"""Reads pictures again: what an SVG says of its boxes and lines, and what a Mermaid text says."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape
from xml.etree import ElementTree as ET

import attrs

_SVG = "{http://www.w3.org/2000/svg}"
_ENTITY = re.compile(r"#(\d+);")


@attrs.frozen
class Seen:
    """A box or a line that an SVG draws.

    Attributes:
        told: What its title says.
        looks: The names by which it is styled.
        inside: The titles of what is inside of it.
    """

    told: str
    looks: frozenset[str]
    inside: tuple[str, ...]

    @property
    def label(self) -> str:
        return self.told.partition("; ")[0]


def root_of(svg: str) -> ET.Element:
    """The SVG, read as XML."""
    root = ET.fromstring(svg)
    assert root.tag == f"{_SVG}svg"
    return root


def _drawn(svg: str) -> Iterator[Seen]:
    for group in root_of(svg).iter(f"{_SVG}g"):
        title = group.find(f"{_SVG}title")
        if title is not None:
            looks = frozenset(name.removeprefix("fcp-") for name in group.get("class", "").split())
            inside = tuple(each.text or "" for each in group.iter(f"{_SVG}title") if each is not title)
            yield Seen(title.text or "", looks, inside)


def boxes(svg: str) -> dict[str, Seen]:
    """Its boxes, by their labels."""
    return {seen.label: seen for seen in _drawn(svg) if "way" not in seen.looks}


def lines(svg: str) -> set[str]:
    """What its lines are told as."""
    return {seen.told for seen in _drawn(svg) if "way" in seen.looks}


def words(mermaid: str) -> list[str]:
    """What stands in the quotes of a Mermaid text, as Mermaid shows it."""
    return [_ENTITY.sub(lambda match: chr(int(match[1])), text) for text in re.findall(r'"([^"]*)"', mermaid)]


def shown_texts(svg: str) -> list[str]:
    """The texts that an SVG shows."""
    return [unescape("".join(each.itertext())) for each in root_of(svg).iter(f"{_SVG}text")]
