"""What was found, in DICOM's words: UIDs, dates, labels, and which slice matched which."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
from sqlalchemy import Connection, text

from service.encoders.registry import ActiveEncoder
from service.search.nearest import Collapse
from service.studies.answer import MatchedSeries, Pair, SimilarStudy
from service.studies.scope import Scope
from service.studies.scoring import Scored
from service.studies.subject import Subject

MOST_PAIRS = 3

_STUDIES = text(
    "SELECT study_id, study_instance_uid, study_date FROM study WHERE study_id = ANY (:keys)"
)
_SERIES = text("""
    SELECT series_id, study_id, series_instance_uid, modality FROM series
    WHERE series_id = ANY (:keys)
""")
_INSTANCES = text(
    "SELECT instance_id, sop_instance_uid FROM instance WHERE instance_id = ANY (:keys)"
)


@dataclass(frozen=True)
class _Words:
    """Rows by their keys."""

    studies: dict[int, Any]
    series: dict[int, Any]
    instances: dict[int, str]
    labels: dict[int, list[str]]


def describe(
    connection: Connection,
    encoder: ActiveEncoder,
    subject: Subject,
    scope: Scope,
    found: Sequence[Scored],
    collapse: Collapse,
) -> list[SimilarStudy]:
    """The answer's lines, in the order of `found`; what was deleted meanwhile is left out."""
    if not found:
        return []
    shown = {one.key: _pairs(one, one_per_series=collapse != "none") for one in found}
    words = _Words(
        studies=_by_key(connection, _STUDIES, {one.study_id for one in found}),
        series=_by_key(connection, _SERIES, {int(s) for one in found for s in one.matched[:, 0]}),
        instances=_uids(connection, subject, found, shown),
        labels=_labels(connection, encoder, scope, [one.key for one in found]),
    )
    whole = [one for one in found if _is_there(one, words)]
    return [
        _line(rank, one, shown[one.key], subject, scope, words)
        for rank, one in enumerate(whole, start=1)
    ]


def _pairs(one: Scored, *, one_per_series: bool) -> list[int]:
    """Places in the query of the nearest pairs; no slice found is shown twice."""
    chosen: list[int] = []
    used: set[tuple[int, ...]] = set()
    for place in np.argsort(one.distance, kind="stable"):
        series_id, *matched = one.matched[place].tolist()
        mark = (series_id,) if one_per_series else tuple(matched)
        if mark not in used:
            used.add(mark)
            chosen.append(int(place))
        if len(chosen) == MOST_PAIRS:
            break
    return chosen


def _uids(
    connection: Connection,
    subject: Subject,
    found: Sequence[Scored],
    shown: dict[int, list[int]],
) -> dict[int, str]:
    places = {place for chosen in shown.values() for place in chosen}
    keys = {int(subject.rows["instance_id"][place]) for place in places}
    keys |= {int(one.matched[place, 1]) for one in found for place in shown[one.key]}
    rows = _by_key(connection, _INSTANCES, keys)
    return {key: row.sop_instance_uid for key, row in rows.items()}


def _by_key(connection: Connection, statement: Any, keys: Iterable[int]) -> dict[int, Any]:
    return {row[0]: row for row in connection.execute(statement, {"keys": list(keys)})}


def _labels(
    connection: Connection, encoder: ActiveEncoder, scope: Scope, keys: Sequence[int]
) -> dict[int, list[str]]:
    """The labels of each unit's slices in scope, those of most slices first."""
    where, values = scope.of_units(keys)
    statement = f"""
        SELECT e.{scope.unit}_id, label FROM {encoder.partition} e
             JOIN series s ON s.series_id = e.series_id JOIN study t ON t.study_id = e.study_id,
             unnest(e.labels) AS label
        WHERE {where} GROUP BY 1, 2 ORDER BY 1, count(*) DESC, label
    """
    labels: dict[int, list[str]] = {}
    for key, label in connection.execute(text(statement), values):
        labels.setdefault(key, []).append(label)
    return labels


def _is_there(one: Scored, words: _Words) -> bool:
    return one.study_id in words.studies and all(int(s) in words.series for s in one.matched[:, 0])


def _line(
    rank: int, one: Scored, shown: list[int], subject: Subject, scope: Scope, words: _Words
) -> SimilarStudy:
    study = words.studies[one.study_id]
    series = _matched_series(one, words)
    study_date: date | None = study.study_date
    return SimilarStudy(
        rank=rank,
        study_instance_uid=study.study_instance_uid,
        series_instance_uid=(
            words.series[one.key].series_instance_uid if scope.unit == "series" else None
        ),
        study_date=study_date,
        modalities=sorted({matched.modality for matched in series}),
        labels=words.labels.get(one.key, []),
        distance=one.score,
        slices=one.slices,
        matched_slices=len(np.unique(one.matched[:, 1:], axis=0)),
        series=series,
        pairs=[_pair(one, place, subject, words) for place in shown],
    )


def _matched_series(one: Scored, words: _Words) -> list[MatchedSeries]:
    """The series that hold a nearest slice of the query's, those of most slices first."""
    found = []
    for series_id in np.unique(one.matched[:, 0]):
        of_series = one.matched[:, 0] == series_id
        row = words.series[int(series_id)]
        found.append(
            MatchedSeries(
                row.series_instance_uid,
                row.modality,
                int(of_series.sum()),
                float(one.distance[of_series].min()),
            )
        )
    return sorted(found, key=lambda matched: (-matched.query_slices, matched.distance))


def _pair(one: Scored, place: int, subject: Subject, words: _Words) -> Pair:
    series_id, instance_id, frame = one.matched[place].tolist()
    asked = subject.rows[place]
    return Pair(
        query_sop_instance_uid=words.instances[int(asked["instance_id"])],
        query_frame=int(asked["frame"]),
        sop_instance_uid=words.instances[instance_id],
        frame=frame,
        series_instance_uid=words.series[series_id].series_instance_uid,
        distance=float(one.distance[place]),
    )
