"""The signs and colours of states, the same wherever a run is drawn."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

#: What stands beside a state's name everywhere: with the colour and the border the third way to tell it.
MARKS: Mapping[str, str] = {
    "done": "✓",
    "failed": "✕",
    "handled": "↪",
    "running": "▶",
    "ready": "○",
    "under way": "▶",
    "passed on": "⇢",
    "no worker": "…",
    "limited": "…",
    "waiting": "?",
    "sleeping": "z",
    "retrying": "↻",
    "pending": "·",
    "dead": "-",
    "blocked": "!",
    "unneeded": "~",
    "void": "∅",
    "completed": "✓",
    "cancelled": "■",
    "awaiting": "?",
    "active": "▶",
    "paused": "‖",
}


class Colour(NamedTuple):
    """A colour, as CSS has it, on a light and on a dark ground."""

    light: str
    dark: str


_DONE = Colour("#14713d", "#5fd08c")
_FAILED = Colour("#b3211c", "#ff8f88")
_RUNS = Colour("#1a4fbf", "#8db4ff")
_WAITS = Colour("#855200", "#f0bb5b")
_PALE = Colour("#626a76", "#959eab")

#: The colours of the states of instances.
COLOURS: Mapping[str, Colour] = {
    "done": _DONE,
    "failed": _FAILED,
    "blocked": _FAILED,
    "handled": _WAITS,
    "running": _RUNS,
    "ready": _RUNS,
    "waiting": _WAITS,
    "sleeping": _WAITS,
    "retrying": _WAITS,
    "pending": _PALE,
    "dead": _PALE,
    "unneeded": _PALE,
    "void": _PALE,
}
