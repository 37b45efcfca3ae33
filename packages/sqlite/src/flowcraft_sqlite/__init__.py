"""The embedded backend, on one SQLite file; nothing in it yet."""
