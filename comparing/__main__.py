"""The same ten flows here and in four other libraries: ``hatch run compare``; see ``compare_command.py``."""

import sys

from compare_command import main

sys.exit(main())
