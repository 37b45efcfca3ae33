"""What is seen of a run while it is under way, where ``run(progress=True)`` asks for it; else none of it is loaded.

In a notebook that is the run's picture, in a terminal a tree of its nodes if ``rich`` is there (the extra
``progress``), and else a line for each step that has ended, on standard error.
"""

from .showing import display, shown

__all__ = ["display", "shown"]
