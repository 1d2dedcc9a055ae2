from datetime import datetime, timedelta

import pytest

from service.errors import InvalidParameter
from service.pulling.throttle import Hours, Throttle, parse_hours


class Clock:
    """A clock that goes on only while somebody sleeps."""

    def __init__(self, text: str) -> None:
        self.time = datetime.fromisoformat(text)

    def now(self) -> datetime:
        return self.time

    def sleep(self, seconds: float) -> None:
        assert seconds > 0
        self.time += timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("hours", "now", "then"),
    [
        ("22-06", "2024-05-01T12:30:10", "2024-05-01T22:00:00"),
        ("22-06", "2024-05-01T22:00:00", "2024-05-01T22:00:00"),
        ("22-06", "2024-05-01T05:59:59", "2024-05-01T05:59:59"),
        ("22-06", "2024-05-01T06:00:00", "2024-05-01T22:00:00"),
        ("8-12", "2024-05-01T12:00:00", "2024-05-02T08:00:00"),
        ("20-24", "2024-05-01T23:59:00", "2024-05-01T23:59:00"),
    ],
)
def test_requests_wait_for_their_hours(hours: str, now: str, then: str) -> None:
    clock = Clock(now)
    Throttle(hours=parse_hours(hours), now=clock.now, sleep=clock.sleep).before()
    assert clock.time == datetime.fromisoformat(then)


def test_without_hours_nothing_waits() -> None:
    clock = Clock("2024-05-01T12:00:00")
    Throttle(now=clock.now, sleep=clock.sleep).before()
    assert clock.time == datetime.fromisoformat("2024-05-01T12:00:00")


@pytest.mark.parametrize(("instances", "took", "waits"), [(20, 0.5, 1.5), (20, 3.0, 0.0)])
def test_a_rate_is_kept(instances: int, took: float, waits: float) -> None:
    clock = Clock("2024-05-01T12:00:00")
    before = clock.time
    throttle = Throttle(10.0, now=clock.now, sleep=clock.sleep)
    throttle.after(instances, took)
    assert (clock.time - before).total_seconds() == waits
    assert throttle.chunk == 10


@pytest.mark.parametrize("text", ["", "22", "22-22", "25-3", "night", "2-30"])
def test_what_are_no_hours(text: str) -> None:
    with pytest.raises(InvalidParameter):
        parse_hours(text)


def test_hours_are_read() -> None:
    assert parse_hours("22-06") == Hours(22, 6)


def test_a_rate_of_nothing_is_refused() -> None:
    with pytest.raises(InvalidParameter):
        Throttle(0)
