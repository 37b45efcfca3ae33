"""What every test in the repository shares: how Hypothesis draws its examples."""

from __future__ import annotations

from hypothesis import settings

# The same examples on every run, and no time limit for one: a red test is red for everybody, on slow machines too.
settings.register_profile("steady", derandomize=True, deadline=None)
# New examples on every run: `hatch run test --hypothesis-profile=explore`.
settings.register_profile("explore", deadline=None, max_examples=1_000)
settings.load_profile("steady")
