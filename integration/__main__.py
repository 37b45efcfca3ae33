"""``python integration aws --json``: everything that needs emulators, on one cloud's."""

from __future__ import annotations

import sys
from pathlib import Path

_HERE = Path(__file__).parent


def main() -> int:
    """Run the cloud's ``integrate`` module with the rest of the command line; the exit code is its own."""
    clouds = sorted(path.parent.name for path in _HERE.glob("*/*_integration.py"))
    if len(sys.argv) < 2 or sys.argv[1] not in clouds:
        print(f"usage: python integration {{{','.join(clouds)}}} [--json] [--help]", file=sys.stderr)
        return 2
    cloud = sys.argv[1]
    sys.path[:0] = [str(_HERE / cloud), str(_HERE), str(_HERE.parent / "scenarios")]
    module = __import__(f"{cloud}_integration")
    code: int = module.main(sys.argv[2:])
    return code


if __name__ == "__main__":
    sys.exit(main())
