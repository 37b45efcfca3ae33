"""What every test in the repository shares: how Hypothesis draws its examples, and how many tests run at once."""

from __future__ import annotations

import os
from unittest import mock

import pytest
from hypothesis import settings
from hypothesis.internal.conjecture import providers

# The same examples on every run, and no time limit for one: a red test is red for everybody, on slow machines too.
settings.register_profile("steady", derandomize=True, deadline=None)
# New examples on every run: `hatch run test --hypothesis-profile=explore`.
settings.register_profile("explore", deadline=None, max_examples=1_000)
settings.load_profile("steady")

# Hypothesis tries constants of whatever modules of ours are loaded, too; and which are depends on what else ran before
# in the same process. No setting turns that off. (A name that is gone makes this raise.)
mock.patch.object(providers, "is_local_module_file", return_value=False).start()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """More than there are cores, on a small machine: most tests spend their time waiting for time to pass."""
    return max(5, os.cpu_count() or 1)
