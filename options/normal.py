"""The standard normal distribution."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def normal_cdf(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The chance of less than each of `values`, standard deviations from the mean, any shape."""
    # Here and not at the top: SciPy takes a tenth of a second to load, and most processes price no option.
    from scipy.special import ndtr

    found: NDArray[np.float64] = ndtr(values)
    return found
