"""Programs in which one function is wrong; importing this package adds them to the mutants."""

from . import (
    asking,
    catching,
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
    "catching",
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
