"""What each port may answer: a model of one key of it, for clauses that are drawn.

A port is a set of keys, each of which is atomic by itself and knows of no other. So a model says for one key what may
stand under it after a call, given what the call has answered. It does not say what the answer is: a stale read, a
message that a receive missed, a call that was cancelled leave several things possible, and ``Knowledge`` keeps them all
until an answer tells them apart. An answer with which nothing is possible any more is wrong.
"""

from .hints import HintModel
from .knowledge import UNKNOWN, Knowledge, Model, Part
from .messages import Held, MessageModel
from .records import ContextModel
from .statuses import StatusModel

__all__ = [
    "UNKNOWN",
    "ContextModel",
    "Held",
    "HintModel",
    "Knowledge",
    "MessageModel",
    "Model",
    "Part",
    "StatusModel",
]
