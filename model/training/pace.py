"""How fast a run learns at each of its steps: numbers only."""

import math
from dataclasses import dataclass
from typing import Self

from model.training.config import ScheduleConfig


@dataclass(frozen=True)
class Pace:
    """The steps of a run: `lively` ones, then calm ones, `total` together."""

    schedule: ScheduleConfig
    lively: int
    total: int

    @classmethod
    def of(cls, schedule: ScheduleConfig, steps: int) -> Self:
        """That of a schedule whose epochs have so many steps."""
        return cls(schedule, schedule.lively_epochs * steps, schedule.epochs * steps)

    def rate(self, step: int) -> float:
        """The learning rate of a step, counted from 0."""
        schedule, calm = self.schedule, step >= self.lively
        if calm:
            length, peak = self.total - self.lively, self._calm_peak()
        else:
            length, peak = self.lively, schedule.peak_learning_rate
        return one_cycle(self.age(step), length, peak, schedule.warm_up)

    def _calm_peak(self) -> float:
        """That of the calm steps: no higher than that of lively ones before, if there are any."""
        schedule = self.schedule
        if not self.lively:
            return schedule.calm_learning_rate
        return min(schedule.calm_learning_rate, schedule.peak_learning_rate)

    def age(self, step: int) -> int:
        """Steps since the lively or the calm ones began."""
        return step - self.lively if step >= self.lively else step


def one_cycle(step: int, total_steps: int, peak: float, warm_up: float) -> float:
    """Learning rate at a step: a straight climb to the peak, then half a cosine to zero."""
    climb = max(1, round(total_steps * warm_up))
    if step < climb:
        return peak * (step + 1) / climb
    progress = (step - climb) / max(1, total_steps - climb)
    return peak * 0.5 * (1 + math.cos(math.pi * progress))
