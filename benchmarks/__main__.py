"""``python benchmarks <benchmark>``."""

import sys

from bench_command import main

sys.exit(main())
