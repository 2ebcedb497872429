"""What the intervals of this room share: quantiles of the normal distribution, a row's spread, and a robust one."""

from __future__ import annotations

from math import log

import numpy as np
from numpy.typing import NDArray

Z90 = 1.6449  # standard deviations to each side of a 90 % interval
Z95 = 1.96  # and of a 95 % one


def robust_sd(errors: NDArray[np.float64]) -> float:
    """Standard deviation about 0 of N errors, from the median of their sizes (1.4826 is normal consistency)."""
    return 1.4826 * float(np.median(np.abs(errors)))


def relative_sd(low: float, high: float) -> float:
    """Relative standard deviation that the 95 % interval of a time above 0 stands for: that of its logarithm."""
    return log(high / low) / (2 * Z95)
