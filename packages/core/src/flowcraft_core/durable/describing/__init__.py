"""A run's inside for people: pure code computes it from the facts and hints that the client reads."""

from __future__ import annotations

#: For how long the notes of workers on one page are left, seconds.
PAGE = 60.0

#: How long ago a worker may have last said that it lives, to count as living: two of its words may be lost, seconds.
SEEN_WITHIN = 2.5 * PAGE
