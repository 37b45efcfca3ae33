"""The oracle: random nested flows on a weak store, held to the in-process run and to a model of what a graph means.

Each seed gives a flow with everything inside everything, and a schedule: workers that die, messages that are lost,
reads that are stale, reconcilers that look at any moment. ``hunt`` tries many, ``try_seed`` one.
"""

from .constructs import CONSTRUCTS, constructs_of
from .drawing import Drawn, draw
from .finding import find_with_oracle
from .hunting import Hunt, hunt
from .judging import Problem
from .trying import Tried, show, try_seed

__all__ = [
    "CONSTRUCTS",
    "Drawn",
    "Hunt",
    "Problem",
    "Tried",
    "constructs_of",
    "draw",
    "find_with_oracle",
    "hunt",
    "show",
    "try_seed",
]
