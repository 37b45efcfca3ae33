"""Deliberately broken backends and programs, one defect each, and the clause that must fail on each of them.

They prove that the contracts bite: a mutant on which nothing fails is a missing clause. They need pytest, as the
contracts do.
"""

from . import ports, programs
from .mutant import MUTANTS, Mutant
from .trying import Tried, clauses_for, is_asked, primary, try_clause

__all__ = ["MUTANTS", "Mutant", "Tried", "clauses_for", "is_asked", "ports", "primary", "programs", "try_clause"]
