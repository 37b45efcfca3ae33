"""So that the tests find the package wherever they are run from."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
