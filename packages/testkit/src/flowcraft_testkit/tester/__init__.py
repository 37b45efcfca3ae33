"""Tests of flows: ``FlowTester`` runs them in virtual time, in process or on a worker, with steps replaced.

``tester.py`` has what a test calls, ``runs.py`` a run that is under way and ``results.py`` what came of it;
``in_process.py`` and ``on_workers.py`` carry it out, and ``stretches.py`` is the time that passes. How a step is found
and replaced is the simulation's (``references.py``, ``fakes.py``).
"""

from .results import FlowResult, Outputs, Path
from .runs import FlowRun
from .tester import FlowTester

__all__ = ["FlowResult", "FlowRun", "FlowTester", "Outputs", "Path"]
