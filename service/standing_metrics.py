"""What the last checks of an installation found, as metrics: recall, and housekeeping.

A note that cannot be read is told as such, and takes no other metric with it.
"""

from collections.abc import Callable, Iterable
from typing import TypeVar

from prometheus_client.core import GaugeMetricFamily
from sqlalchemy import Connection

from service.errors import NoteUnreadable
from service.housekeeping.rounds import Round, read_round
from service.verifying.canary import CanaryReading, read_canary

_Note = TypeVar("_Note")


def standing(connection: Connection) -> list[GaugeMetricFamily]:
    """The metrics of what was noted; nothing of what never was."""
    unreadable = GaugeMetricFamily(
        "precuneus_unreadable_notes", "Notes of earlier checks that cannot be read", labels=["note"]
    )

    def told(
        name: str,
        read: Callable[[Connection], _Note | None],
        tell: Callable[[_Note], Iterable[GaugeMetricFamily]],
    ) -> Iterable[GaugeMetricFamily]:
        try:
            found = read(connection)
        except NoteUnreadable:
            unreadable.add_metric([name], 1)
            return ()
        return () if found is None else tell(found)

    found = [
        *told("recall_canary", read_canary, _recall),
        *told("housekeeping", read_round, _housekeeping),
    ]
    return [*found, unreadable]


def _recall(canary: CanaryReading) -> Iterable[GaugeMetricFamily]:
    """What the recall canary said last, and how long ago; without recall where it took too long."""
    if canary.recall is not None and canary.last is not None:
        name, what = "precuneus_recall_canary", "Share of the true neighbours that searches find"
        yield GaugeMetricFamily(name, f"{what}, lately", value=canary.recall)
        yield GaugeMetricFamily(f"{name}_last", f"{what}, in the last check", value=canary.last)
    if canary.looked:
        name, what = "precuneus_out_of_reach", "Share of slices that the index leaves out of reach"
        yield GaugeMetricFamily(name, what, value=canary.out_of_reach / canary.looked)
    yield GaugeMetricFamily(
        "precuneus_recall_canary_age_seconds", "Since recall was checked", value=canary.age_s
    )


def _housekeeping(last: Round) -> Iterable[GaugeMetricFamily]:
    """The duties that failed in the last round, how often by now, and when that was."""
    name = "precuneus_housekeeping"
    failing = GaugeMetricFamily(
        f"{name}_failing", "Rounds in which a duty failed, without a break", labels=["duty"]
    )
    for duty, failure in last.failing.items():
        failing.add_metric([duty], failure.times)
    yield failing
    yield GaugeMetricFamily(f"{name}_age_seconds", "Since its last round", value=last.age_s)
