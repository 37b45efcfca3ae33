"""Clauses that are drawn: any calls, in any order, at once, cancelled or cut off, compared with the port's model."""

from .context import DrawnContextClauses
from .hints import DrawnHintClauses
from .messages import DrawnMessageClauses
from .statuses import DrawnStatusClauses

__all__ = ["DrawnContextClauses", "DrawnHintClauses", "DrawnMessageClauses", "DrawnStatusClauses"]
