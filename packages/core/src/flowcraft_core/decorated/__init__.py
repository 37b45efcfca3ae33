"""Flows of decorated functions: a function's parameters say what its step needs, and the edges follow from that.

``flow.py`` has what a user calls, ``nodes.py`` what that gives back, ``references.py`` what stands for a value that
is not there yet; it is made of ``terms.py``. ``needs.py`` reads a function's parameters into ``plans.py``;
``calls.py`` calls it at work. ``wiring.py`` opens with the rules by which edges and conditions follow from needs, for
which ``bodies.py`` says what is in which loop. ``comparing.py`` compares types, and ``planning.py`` puts all of it
into a builder.
"""

from .flow import Flow
from .nodes import Batch, ErrorData, FailedItem, Loop, Node, Step, Wait
from .references import ContextValue, first_of, some_of

__all__ = [
    "Batch",
    "ContextValue",
    "ErrorData",
    "FailedItem",
    "Flow",
    "Loop",
    "Node",
    "Step",
    "Wait",
    "first_of",
    "some_of",
]
