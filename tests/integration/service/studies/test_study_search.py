from dataclasses import replace

import numpy as np
import pytest
from sqlalchemy import Engine

from service.encoders.registry import ActiveEncoder
from service.errors import (
    InvalidParameter,
    NotSearchable,
    SeriesUnknown,
    StudyPending,
    StudyUnknown,
)
from service.search.filters import Filters
from service.studies.answer import MAXIMUM_K, Answer, Query
from service.studies.interaction import interact
from service.studies.similar import similar_studies
from tests.support.encoders import DIMENSION, unit
from tests.support.galleries import fill
from tests.support.studies import Slices, StudyInstance, clustered_studies, made_study, slices_of

QUERY = "1.9.0"


def some(count: int, seed: int) -> Slices:
    return unit(np.random.default_rng(seed).normal(size=(count, DIMENSION)))


def ask(engine: Engine, query: Query, *, few: int = 50_000) -> Answer:
    with engine.connect() as connection:
        return similar_studies(connection, query, few=few)


def uids(answer: Answer) -> list[str]:
    return [study.study_instance_uid for study in answer.studies]


def test_the_ranking_is_that_of_the_interaction(engine: Engine, encoder: ActiveEncoder) -> None:
    made = clustered_studies(30)
    fill(engine, made, encoder)
    answer = ask(engine, Query(QUERY, k=29))
    query = slices_of(made, QUERY)
    scores = {f"1.9.{n}": interact(query, slices_of(made, f"1.9.{n}")).score for n in range(1, 30)}
    assert uids(answer) == sorted(scores, key=lambda uid: scores[uid])
    assert (answer.method, answer.complete) == ("exact", True)
    for study in answer.studies:
        assert study.distance == pytest.approx(scores[study.study_instance_uid], abs=1e-6)
        assert study.slices == len(slices_of(made, study.study_instance_uid))


def test_it_says_which_slice_matched_which(engine: Engine, encoder: ActiveEncoder) -> None:
    query = some(4, 1)
    near = unit(query + 0.01 * some(4, 2))
    made = [
        *made_study(0, query),
        *made_study(1, near[[2, 0]], near[[3]]),
        *made_study(2, some(3, 9)),
    ]
    fill(engine, made, encoder)
    first, _ = ask(engine, Query(QUERY, collapse="none")).studies
    assert first.study_instance_uid == "1.9.1"
    by_query = {pair.query_sop_instance_uid: pair for pair in first.pairs}
    expected = {"1.9.0.1.2": "1.9.1.1.0", "1.9.0.1.0": "1.9.1.1.1", "1.9.0.1.3": "1.9.1.2.0"}
    assert {uid: pair.sop_instance_uid for uid, pair in by_query.items()} == expected
    assert first.pairs == sorted(first.pairs, key=lambda pair: pair.distance)
    for pair in first.pairs:
        one = query[int(pair.query_sop_instance_uid[-1])]
        (other,) = (m for m in made if m.sop_instance_uid == pair.sop_instance_uid)
        assert other.coordinates is not None
        assert pair.distance == pytest.approx(np.linalg.norm(one - other.coordinates), abs=1e-6)
    assert first.matched_slices == 3
    assert sum(series.query_slices for series in first.series) == 4
    assert {series.series_instance_uid for series in first.series} == {"1.9.1.1", "1.9.1.2"}


def test_collapse_changes_what_is_shown_and_no_distance(
    engine: Engine, encoder: ActiveEncoder
) -> None:
    made = clustered_studies(12)
    # Two studies of one patient.
    made = [replace(m, patient=4) if m.study == "1.9.8" else m for m in made]
    fill(engine, made, encoder)
    plain = ask(engine, Query(QUERY, collapse="none"))
    by_series = ask(engine, Query(QUERY))
    assert [s.distance for s in plain.studies] == [s.distance for s in by_series.studies]
    for study in by_series.studies:
        shown = [pair.series_instance_uid for pair in study.pairs]
        assert len(shown) == len(set(shown)) == len(study.series)
    by_patient = ask(engine, Query(QUERY, k=11, collapse="patient"))
    kept = [uid for uid in uids(ask(engine, Query(QUERY, k=11))) if uid not in ("1.9.4", "1.9.8")]
    assert [uid for uid in uids(by_patient) if uid not in ("1.9.4", "1.9.8")] == kept
    assert len(by_patient.studies) == 10


def test_the_own_patient_is_left_out_unless_asked_for(
    engine: Engine, encoder: ActiveEncoder
) -> None:
    made = clustered_studies(8)
    made = [replace(m, patient=0) if m.study == "1.9.5" else m for m in made]
    fill(engine, made, encoder)
    assert not {QUERY, "1.9.5"} & set(uids(ask(engine, Query(QUERY))))
    own = ask(engine, Query(QUERY, same_patient=True))
    assert own.studies[0].study_instance_uid == QUERY
    assert own.studies[0].distance == pytest.approx(0, abs=1e-6)
    assert "1.9.5" in uids(own)


def test_a_study_is_judged_by_the_slices_that_pass(engine: Engine, encoder: ActiveEncoder) -> None:
    near = some(3, 1)
    made = [
        *made_study(0, near),
        *made_study(1, near, modality="CT"),
        *[replace(m, modality="CT") for m in made_study(2, near[:1])],
        *made_study(3, some(3, 5)),
    ]
    fill(engine, made, encoder)
    assert uids(ask(engine, Query(QUERY)))[0] in ("1.9.1", "1.9.2")
    assert uids(ask(engine, Query(QUERY, filters=Filters(modality=("MR",))))) == ["1.9.3"]
    assert uids(ask(engine, Query(QUERY, filters=Filters(modality=("PT",))))) == []


def test_labels_and_dates_are_told(engine: Engine, encoder: ActiveEncoder) -> None:
    both = made_study(1, some(3, 2), labels=("bleed",))
    both[0] = replace(both[0], labels=("bleed", "glioma"))
    fill(engine, [*made_study(0, some(2, 1)), *both], encoder)
    (found,) = ask(engine, Query(QUERY)).studies
    assert (found.labels, found.modalities, found.rank) == (["bleed", "glioma"], ["MR"], 1)
    assert found.study_date is None
    assert found.series_instance_uid is None


def test_a_series_looks_for_series(engine: Engine, encoder: ActiveEncoder) -> None:
    one, other = some(3, 1), some(3, 2)
    near = unit(other + 0.01 * some(3, 3))
    made = [
        *made_study(0, one, other),
        *made_study(1, some(3, 4), near),
        *made_study(2, some(3, 5)),
    ]
    fill(engine, made, encoder)
    answer = ask(engine, Query(QUERY, "1.9.0.2"))
    assert answer.studies[0].series_instance_uid == "1.9.1.2"
    assert len(answer.studies) == 3
    assert answer.studies[0].study_instance_uid == "1.9.1"
    assert answer.slices == 3


def test_what_cannot_be_asked(engine: Engine, encoder: ActiveEncoder) -> None:
    waiting = [replace(m, coordinates=None, state="pending") for m in made_study(1, some(2, 1))]
    failed = [replace(m, coordinates=None, state="failed") for m in made_study(2, some(2, 1))]
    fill(engine, [*made_study(0, some(2, 3)), *waiting, *failed], encoder)
    with pytest.raises(StudyUnknown):
        ask(engine, Query("1.9.99"))
    with pytest.raises(SeriesUnknown):
        ask(engine, Query(QUERY, "1.9.1.1"))
    with pytest.raises(StudyPending):
        ask(engine, Query("1.9.1"))
    with pytest.raises(NotSearchable):
        ask(engine, Query("1.9.2"))
    for k in (0, MAXIMUM_K + 1):
        with pytest.raises(InvalidParameter):
            ask(engine, Query(QUERY, k=k))


def test_a_study_that_is_partly_embedded_says_so(engine: Engine, encoder: ActiveEncoder) -> None:
    made: list[StudyInstance] = made_study(0, some(4, 1))
    made[1] = replace(made[1], coordinates=None, state="pending")
    fill(engine, [*made, *made_study(1, some(2, 2))], encoder)
    answer = ask(engine, Query(QUERY))
    assert (answer.slices, answer.embedded, answer.pending) == (3, 3, 1)
