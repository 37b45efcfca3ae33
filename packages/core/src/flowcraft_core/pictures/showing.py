"""What a notebook shows of something that can be drawn."""

from __future__ import annotations

from collections.abc import Callable

from ..errors import FlowcraftError
from .shapes import Picture
from .svg import svg

#: A picture with more boxes than that is not drawn without being asked for: it would take seconds, and say little.
MOST_SHOWN = 1_000


def shown(draw: Callable[[], Picture], text: str) -> dict[str, str]:
    """What is shown, by its kind: as text, and as a picture if there can be one.

    Args:
        draw: Makes the picture.
        text: What stands for it where there are no pictures.
    """
    try:
        picture = draw()
    except FlowcraftError as error:
        return {"text/plain": f"{text}\n{error}"}
    if picture.size > MOST_SHOWN:
        return {"text/plain": f"{text}\n{picture.size:,} nodes are too many to be shown: to_svg() draws them all"}
    return {"text/plain": text, "image/svg+xml": svg(picture)}
