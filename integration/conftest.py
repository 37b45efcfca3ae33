"""What every integration test shares: where its helpers are found."""

from __future__ import annotations

import sys
from pathlib import Path

# The folders of helpers that tests import by plain name. Those of one cloud add their own.
for _folder in (Path(__file__).parent, Path(__file__).parents[1] / "scenarios"):
    if str(_folder) not in sys.path:
        sys.path.insert(0, str(_folder))
