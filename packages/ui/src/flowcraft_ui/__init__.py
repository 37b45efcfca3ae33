"""A page to look at runs of Flowcraft workflows, live, and signed links that resume them."""

from .inspector import inspector
from .values import Redact, hiding
from .webhooks import webhooks

__all__ = ["Redact", "hiding", "inspector", "webhooks"]
