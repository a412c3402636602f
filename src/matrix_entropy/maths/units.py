"""What numbers of a text count, and between which limits they must be."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np


class Unit(NamedTuple):
    """What a number counts, and between which it must be for a width, which may be an array."""

    name: str
    limits: Callable[[Any], tuple[Any, Any]]


NATS = Unit("nats", lambda width: (0, np.log(width)))
SHARE = Unit("1", lambda width: (0, 1))
RANK = Unit("directions", lambda width: (1, width))
RADIANS = Unit("radians", lambda width: (0, np.pi))
COSINE = Unit("1", lambda width: (-1, 1))
# Of the largest to one that is not larger.
RATIO = Unit("1", lambda width: (1, np.inf))
# Of a sum over directions, which the width alone does not bound tightly.
GAIN = Unit("nats", lambda width: (0, np.inf))
# Of a distribution over tokens, of whose number the width says nothing.
OF_TOKENS = Unit("nats", lambda width: (0, np.inf))
POSITIVE = Unit("1", lambda width: (0, np.inf))
# How many rows, and where one stands.
COUNT = Unit("1", lambda width: (0, np.inf))
POSITION = Unit("position", lambda width: (0, np.inf))
# Estimated from few rows, one may come out above the width.
DIMENSION = Unit("1", lambda width: (0, np.inf))
# Of a logarithm of what is at most one.
LOG_SHARE = Unit("nats", lambda width: (-np.inf, 0))
# Of singular values whose squares sum to one.
NUCLEAR = Unit("1", lambda width: (1, np.sqrt(width)))


def spread_of(unit: Unit) -> Unit:
    """Of the standard deviation of numbers of a unit: at most half of what lies between its limits.

    Half of them at each end have that (Popoviciu's inequality, for ddof 0).
    """

    def limits(width: Any) -> tuple[Any, Any]:
        low, high = unit.limits(width)
        return 0, (high - low) / 2

    return Unit(unit.name, limits)
