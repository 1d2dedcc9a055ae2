"""Repeated measurements as median and range."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Spread:
    """Samples in the order in which they were taken, all in one unit."""

    samples: tuple[float, ...]

    @classmethod
    def of(cls, samples: Sequence[float]) -> "Spread":
        return cls(tuple(float(sample) for sample in samples))

    @property
    def median(self) -> float:
        return statistics.median(self.samples)

    def percentile(self, percent: float) -> float:
        """The smallest sample that at least `percent` % of the samples do not exceed."""
        ordered = sorted(self.samples)
        rank = -(-len(ordered) * percent // 100)
        return ordered[max(0, int(rank) - 1)]

    def text(self, digits: int = 0) -> str:
        """Median (lowest–highest), as the tables show it."""
        low, high = min(self.samples), max(self.samples)
        return f"{self.median:.{digits}f} ({low:.{digits}f}–{high:.{digits}f})"
