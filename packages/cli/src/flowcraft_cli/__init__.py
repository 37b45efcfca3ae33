"""The command ``flowcraft``: makes, runs, watches and steers durable workflows on any backend."""

from .app import main

__all__ = ["main"]
