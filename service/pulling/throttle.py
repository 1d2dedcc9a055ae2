"""Keeps a pull slow enough for an archive at work: so many instances a second, at some hours."""

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from service.errors import InvalidParameter

_HOURS = re.compile(r"(\d{1,2})-(\d{1,2})")


@dataclass(frozen=True)
class Hours:
    """Hours of the day at which we may ask, local time; 22 to 6 goes past midnight."""

    start: int
    end: int

    def wait_s(self, now: datetime) -> float:
        """Seconds until we may ask; 0 where we may now."""
        hour = now.hour
        inside = (
            self.start <= hour < self.end
            if self.start < self.end
            else hour >= self.start or hour < self.end
        )
        if inside:
            return 0.0
        begin = now.replace(hour=self.start, minute=0, second=0, microsecond=0)
        if begin <= now:
            begin += timedelta(days=1)
        return (begin - now).total_seconds()


def parse_hours(text: str) -> Hours:
    """Hours written as 22-06.

    Raises:
        InvalidParameter: they are not.
    """
    found = _HOURS.fullmatch(text.strip())
    hours = tuple(map(int, found.groups())) if found else (0, 0)
    if hours[0] == hours[1] or hours[0] > 23 or hours[1] > 24:
        raise InvalidParameter(f"{text} are no hours such as 22-06.")
    return Hours(hours[0], hours[1] % 24)


class Throttle:
    """Waits before and after requests; `now` and `sleep` are the machine's by default."""

    def __init__(
        self,
        rate: float | None = None,
        hours: Hours | None = None,
        *,
        now: Callable[[], datetime] = datetime.now,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        if rate is not None and rate <= 0:
            raise InvalidParameter("The rate is a number of instances a second above 0.")
        self._rate, self._hours, self._now, self._sleep = rate, hours, now, sleep

    @property
    def chunk(self) -> int | None:
        """How many instances to ask for at a time so that the rate is even; None: any number."""
        return None if self._rate is None else max(1, min(100, int(self._rate)))

    def before(self) -> None:
        """Wait for the hours at which we may ask."""
        while self._hours is not None and (seconds := self._hours.wait_s(self._now())) > 0:
            # Not in one go: the clock may be set, and daylight saving time may end.
            self._sleep(min(seconds, 600.0))

    def after(self, instances: int, seconds: float) -> None:
        """Wait as long as so many instances, which took so many seconds, should have taken."""
        if self._rate is not None and instances / self._rate > seconds:
            self._sleep(instances / self._rate - seconds)
