"""Whether a series rises or falls. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

# A fitted change that is smaller than this share of the mean, or than its own error, is none.
FLAT_SHARE, FLAT_ERRORS = 0.05, 2.0


@dataclass(frozen=True, slots=True)
class Trend:
    """A straight line through a series.

    Attributes:
        mean: of the values.
        change: of the line over the whole series, in the values' unit.
        error: standard error of that change.
    """

    mean: float
    change: float
    error: float

    @property
    def flat(self) -> bool:
        """Whether the change is small against the mean, or not to be told from none."""
        return abs(self.change) <= max(FLAT_SHARE * abs(self.mean), FLAT_ERRORS * self.error)


def trend(at: Sequence[float], values: Sequence[float]) -> Trend:
    """Fit a line by least squares; at least three values at rising moments."""
    moments, series = np.asarray(at, dtype=np.float64), np.asarray(values, dtype=np.float64)
    centred = moments - moments.mean()
    slope = float((centred * (series - series.mean())).sum() / (centred**2).sum())
    rest = series - series.mean() - slope * centred
    error = float(np.sqrt((rest**2).sum() / (len(series) - 2) / (centred**2).sum()))
    span = float(moments[-1] - moments[0])
    return Trend(float(series.mean()), slope * span, error * span)
