"""Schedules: revisions in the context store, a hint in the status store, and runs that a reconciler starts."""
