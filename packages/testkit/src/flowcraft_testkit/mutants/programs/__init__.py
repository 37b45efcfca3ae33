"""Programs in which one function is wrong; importing this package adds them to the mutants."""

from . import (
    asking,
    client,
    deferring,
    delivering,
    describing,
    ending,
    engine,
    minding,
    names,
    outside,
    reconciler,
    stored,
    telling,
    tracing,
    worker,
)

__all__ = [
    "asking",
    "client",
    "deferring",
    "delivering",
    "describing",
    "ending",
    "engine",
    "minding",
    "names",
    "outside",
    "reconciler",
    "stored",
    "telling",
    "tracing",
    "worker",
]
