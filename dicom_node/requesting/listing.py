"""Lists a peer's studies although it may cut long answers off: by ranges of days, then of hours.

Archives stop at some number of answers, and few say so. An answer that is long enough to have been
cut is therefore asked for again in halves, and all that was found counts.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta

from dicom_node.requesting.finding import Finder, FoundStudies
from dicom_node.requesting.selection import Selection

SUSPICIOUS = 100
"""So many answers may have been cut; no archive is known with a smaller limit."""

_DAY = 24 * 60
_SPAN_DAYS = 31


@dataclass(frozen=True)
class _Span:
    """Days, inclusive; of a single day perhaps some minutes, `minutes[1]` exclusive."""

    first: date
    last: date
    minutes: tuple[int, int] = (0, _DAY)

    @property
    def dates(self) -> str:
        return f"{self.first:%Y%m%d}-{self.last:%Y%m%d}"

    @property
    def times(self) -> str:
        start, end = self.minutes
        if self.minutes == (0, _DAY):
            return ""
        last = end - 1
        return f"{start // 60:02}{start % 60:02}00-{last // 60:02}{last % 60:02}59.999999"

    def halves(self) -> tuple["_Span", ...]:
        if self.first < self.last:
            middle = self.first + (self.last - self.first) // 2
            return _Span(self.first, middle), _Span(middle + timedelta(days=1), self.last)
        start, end = self.minutes
        if end - start < 2:
            return ()
        middle_minute = (start + end) // 2
        return (
            _Span(self.first, self.last, (start, middle_minute)),
            _Span(self.first, self.last, (middle_minute, end)),
        )


@dataclass
class StudyList:
    """The studies found; `cut` names the ranges of which the peer did not tell everything."""

    uids: dict[str, None] = field(default_factory=dict)
    cut: list[str] = field(default_factory=list)


def list_studies(finder: Finder, selection: Selection, today: date) -> Iterator[StudyList]:
    """The selected studies, growing by one range of days after the other.

    Yields the same list again and again, so that a caller can keep what was found so far.

    Raises:
        QueryFailed: the peer gives no answer.
    """
    found = StudyList()
    if selection.study_instance_uid is not None:
        found.uids[selection.study_instance_uid] = None
        yield found
        return
    # A scanner's clock, or a time zone, may be ahead of ours.
    last = selection.until or today + timedelta(days=1)
    first = selection.since or last
    while first <= last:
        end = min(last, first + timedelta(days=_SPAN_DAYS - 1))
        for modality in selection.modalities or ("",):
            _collect(finder, _Span(first, end), modality, found)
        yield found
        first = end + timedelta(days=1)


def _collect(finder: Finder, span: _Span, modality: str, found: StudyList) -> None:
    answer = finder.studies(dates=span.dates, times=span.times, modality=modality)
    before = len(found.uids.keys() | set(answer.uids))
    found.uids.update(dict.fromkeys(answer.uids))
    if not _may_be_cut(answer):
        return
    for half in span.halves():
        _collect(finder, half, modality, found)
    # Studies without a time are in no range of hours: a day cut by its own word stays in doubt.
    if not answer.complete and (not span.halves() or (_is_day(span) and len(found.uids) == before)):
        found.cut.append(f"{span.dates} {span.times} {modality}".strip())


def _may_be_cut(answer: FoundStudies) -> bool:
    return not answer.complete or len(answer.uids) >= SUSPICIOUS


def _is_day(span: _Span) -> bool:
    return span.first == span.last and span.minutes == (0, _DAY)
