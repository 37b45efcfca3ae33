"""Looks at flows before they run: what building refuses, and what is allowed and seldom meant.

``lint`` finds both; ``python -m flowcraft_core.linting`` and ``flowcraft lint`` do it from the command line. The rules,
each with an example, are on the page ``docs/lint.md``.
"""

from ..rules import RULES, Problem, Rule, Severity
from .looking import Lintable, lint, problems_of, require_codes

__all__ = ["RULES", "Lintable", "Problem", "Rule", "Severity", "lint", "problems_of", "require_codes"]
