"""Compares one of a peer's studies with the gallery: what is here, and what must be asked for."""

from collections import Counter
from dataclasses import dataclass, field

from sqlalchemy import Engine

from dicom_node.requesting.finding import Finder, FoundInstance
from dicom_node.requesting.retrieving import MAX_SOP_CLASSES, Wanted
from dicom_node.requesting.selection import FoundSeries, Selection
from service.pulling.states import State, states_in_series, states_of

_LISTED_AT_A_TIME = 100


@dataclass
class StudyComparison:
    """A study's instances at the peer by their state here, and requests for those missing.

    `by_count` says that the peer names no instances in some series, so that only numbers could be
    compared; of a series of unknown size one instance counts as missing while there is none here.
    """

    study_instance_uid: str
    states: Counter[State] = field(default_factory=Counter)
    wanted: list[Wanted] = field(default_factory=list)
    by_count: bool = False

    @property
    def instances(self) -> int:
        """How many instances the peer has."""
        return self.states.total()


def compare_study(
    engine: Engine,
    finder: Finder,
    study_instance_uid: str,
    selection: Selection,
    chunk: int | None = None,
) -> StudyComparison:
    """Ask the peer what it has of a study, and the gallery what it knows of that.

    `chunk` is the largest number of instances in a request; None: any, whole series if need be.

    Raises:
        QueryFailed: the peer does not answer.
        SQLAlchemyError: the database does not.
    """
    comparison = StudyComparison(study_instance_uid)
    for series in finder.series(study_instance_uid):
        if not selection.takes(series):
            continue
        instances = finder.instances(study_instance_uid, series.series_instance_uid)
        if instances:
            _compare_instances(engine, comparison, series, instances, chunk)
        elif series.instances != 0:
            _compare_counts(engine, comparison, series)
    return comparison


def _compare_instances(
    engine: Engine,
    comparison: StudyComparison,
    series: FoundSeries,
    instances: list[FoundInstance],
    chunk: int | None,
) -> None:
    with engine.connect() as connection:
        states = states_of(connection, [found.sop_instance_uid for found in instances])
    comparison.states.update(states.values())
    missing = [found for found in instances if states[found.sop_instance_uid] == "missing"]
    if not missing:
        return
    uids = (comparison.study_instance_uid, series.series_instance_uid)
    classes = tuple(dict.fromkeys(f.sop_class_uid for f in missing if f.sop_class_uid))
    whole = len(missing) == len(instances) and len(classes) <= MAX_SOP_CLASSES
    if whole and (chunk is None or len(missing) <= chunk):
        comparison.wanted.append(Wanted(*uids, sop_class_uids=classes))
        return
    # Sorted by class, a request seldom needs more classes than an association can negotiate.
    missing.sort(key=lambda found: found.sop_class_uid or "")
    size = chunk or _LISTED_AT_A_TIME
    for start in range(0, len(missing), size):
        part = missing[start : start + size]
        of_part = tuple(dict.fromkeys(f.sop_class_uid for f in part if f.sop_class_uid))
        listed = tuple(found.sop_instance_uid for found in part)
        comparison.wanted.append(Wanted(*uids, listed, of_part))


def _compare_counts(engine: Engine, comparison: StudyComparison, series: FoundSeries) -> None:
    study_instance_uid = comparison.study_instance_uid
    with engine.connect() as connection:
        here = states_in_series(connection, study_instance_uid, series.series_instance_uid)
    comparison.by_count = True
    comparison.states.update(here)
    expected = max(series.instances or 1, sum(here.values()))
    missing = expected - sum(here.values())
    if missing:
        comparison.states["missing"] += missing
        comparison.wanted.append(Wanted(study_instance_uid, series.series_instance_uid))
