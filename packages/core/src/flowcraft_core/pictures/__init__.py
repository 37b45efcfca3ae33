"""Pictures of flows and of runs, as Mermaid text and as SVG, made here without asking any service.

``shapes`` says what a picture consists of, ``drawing`` makes one of a compiled flow and, if there is one, of a run of
it; ``mermaid`` writes it as text, ``placing`` (over ``layout``) says where everything is, and ``svg`` writes that.
Nothing imports this package before somebody wants a picture.
"""

from .drawing import picture_of
from .mermaid import mermaid
from .runs import RunFacts
from .shapes import Box, Line, Picture
from .showing import shown
from .svg import svg

__all__ = ["Box", "Line", "Picture", "RunFacts", "mermaid", "picture_of", "shown", "svg"]
