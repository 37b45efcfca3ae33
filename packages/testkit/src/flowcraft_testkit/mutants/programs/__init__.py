"""Programs in which one function is wrong; importing this package adds them to the mutants."""

from . import client, delivering, engine, minding, names, reconciler, stored, worker

__all__ = ["client", "delivering", "engine", "minding", "names", "reconciler", "stored", "worker"]
