"""``python scenarios``."""

import sys

from carrying_out import quieten
from scenario_command import main

if __name__ == "__main__":  # and not in the processes that it starts
    quieten()
    sys.exit(main())
