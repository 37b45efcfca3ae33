"""``python scenarios``."""

import sys

from scenario_command import main

sys.exit(main())
