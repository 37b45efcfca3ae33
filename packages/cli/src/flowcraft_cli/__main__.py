"""``python -m flowcraft_cli``: the command ``flowcraft``."""

from .app import main

main()
