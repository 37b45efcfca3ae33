"""How often a program that works on runs looks for garbage."""

from __future__ import annotations

import gc

# After so many more objects were made than let go of, instead of after some hundreds. Of the steps that are under way
# at once each has its objects, which a look in between goes through in vain: with 500 of them it was a seventh of all
# that a worker does. Seven times as much garbage in circles can be there meanwhile.
_OFTEN_ENOUGH = 5_000


def collect_seldom() -> None:
    """Have Python look for garbage less often, in a program that does little else than work on runs.

    ``flowcraft worker`` does so; a program of one's own that has hundreds of steps under way may. The jobs of a worker
    leave no garbage in circles. Where Python looks still less often already, or not at all, nothing is changed.
    """
    youngest, *older = gc.get_threshold()
    if 0 < youngest < _OFTEN_ENOUGH:
        gc.set_threshold(_OFTEN_ENOUGH, *older)
