"""How a cost grows with size."""

from __future__ import annotations

import math
from collections.abc import Mapping


def exponent(costs: Mapping[int, float]) -> float:
    """The power of its size with which a cost grows: 1 if it is linear, 2 if quadratic.

    It is the slope of the straight line that fits the logarithms best (least squares).

    Args:
        costs: The cost of each size; of at least two sizes.
    """
    points = [(math.log(size), math.log(cost)) for size, cost in costs.items()]
    mean_x = sum(x for x, _ in points) / len(points)
    mean_y = sum(y for _, y in points) / len(points)
    return sum((x - mean_x) * (y - mean_y) for x, y in points) / sum((x - mean_x) ** 2 for x, _ in points)
