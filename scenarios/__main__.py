"""``python scenarios``."""

import sys

from scenario_command import main

if __name__ == "__main__":  # and not in the processes that it starts
    sys.exit(main())
