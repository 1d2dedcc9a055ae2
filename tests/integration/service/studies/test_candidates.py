from dataclasses import replace

import numpy as np
import pytest
from sqlalchemy import Engine

from service.encoders.registry import ActiveEncoder
from service.search.filters import Filters
from service.studies import candidates, similar
from service.studies.answer import Answer, Query
from service.studies.candidates import DEPTH
from service.studies.similar import similar_studies
from tests.support.encoders import DIMENSION, unit
from tests.support.galleries import fill
from tests.support.studies import clustered_studies, made_study, slices_of

STUDIES = 150


@pytest.fixture
def gallery(engine: Engine, encoder: ActiveEncoder) -> Engine:
    fill(engine, clustered_studies(STUDIES), encoder)
    return engine


def ask(engine: Engine, query: Query, few: int) -> Answer:
    with engine.connect() as connection:
        return similar_studies(connection, query, few=few)


def test_candidates_find_what_comparing_all_finds(gallery: Engine) -> None:
    for number in range(0, STUDIES, 10):
        query = Query(f"1.9.{number}", k=5, explain=True)
        found, known = ask(gallery, query, few=0), ask(gallery, query, few=50_000)
        assert (found.method, known.method) == ("candidates", "exact")
        assert found.complete
        assert found.studies == known.studies
        assert found.explanation is not None
        assert found.explanation.studies_scored < STUDIES - 1


def test_series_filters_and_patients_go_the_same_way(gallery: Engine) -> None:
    filters = Filters(label=("cluster 1", "cluster 2"))
    for query in (
        Query("1.9.1", "1.9.1.2", k=7),
        Query("1.9.1", k=7, filters=filters),
        Query("1.9.1", k=7, same_patient=True, collapse="patient"),
    ):
        found, known = ask(gallery, query, few=0), ask(gallery, query, few=50_000)
        assert found.method == "candidates"
        assert found.studies == known.studies


def test_lists_that_hold_all_that_there_is(
    gallery: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(candidates, "DEPTH", 500)
    query = Query("1.9.3", k=100, filters=Filters(label=("cluster 0",)))
    found, known = ask(gallery, query, few=0), ask(gallery, query, few=50_000)
    assert found.studies == known.studies
    assert (len(found.studies), found.complete) == (38, True)


def test_all_of_many_equals_are_candidates(gallery: Engine, encoder: ActiveEncoder) -> None:
    """Copies of one study under other patients, more than a list holds, come in the same order."""
    copied = slices_of(clustered_studies(STUDIES), "1.9.3")
    # Those that come first into the gallery, and into answers, stand last in lists of slices.
    for first, count in ((6000, 15), (5000, DEPTH + 10)):
        copies = [made_study(first + n, copied) for n in range(count)]
        fill(gallery, [one for copy in copies for one in copy], encoder)
    query = Query("1.9.3", k=10)
    found, known = ask(gallery, query, few=0), ask(gallery, query, few=50_000)
    assert (found.method, found.complete) == ("candidates", True)
    assert {study.study_instance_uid[:5] for study in known.studies} == {"1.9.6"}
    assert found.studies == known.studies


def test_equals_without_end_end_a_list(
    gallery: Engine, encoder: ActiveEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A blank slice is in every study: its list ends among equals, which is no proof of others."""
    blank = unit(np.ones((1, DIMENSION)))
    fill(gallery, [one for n in range(60) for one in made_study(5000 + n, blank)], encoder)
    for name, value in (("DEPTH", 10), ("_MOST_LISTED", 30)):
        monkeypatch.setattr(candidates, name, value)
    found = ask(gallery, Query("1.9.5003", k=40, explain=True), few=0)
    assert found.explanation is not None
    assert found.explanation.studies_seen == 30
    assert [study.distance for study in found.studies] == pytest.approx([0.0] * 30, abs=1e-5)
    assert not found.complete


def test_what_is_not_proven_is_said(gallery: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(candidates, "DEPTH", 2)
    monkeypatch.setattr(candidates, "SLICES_SENT", 1)
    found = ask(gallery, Query("1.9.3", k=20), few=0)
    assert (found.method, found.complete) == ("candidates", False)
    assert len(found.studies) < 20


def test_the_work_ends_where_the_proof_would_take_too_much(
    gallery: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (("SLICES_SENT", 1), ("MOST_SCORED", 8), ("_AT_ONCE", 4)):
        monkeypatch.setattr(candidates, name, value)
    found = ask(gallery, Query("1.9.3", k=2, explain=True), few=0)
    assert found.explanation is not None
    assert found.explanation.studies_seen > found.explanation.studies_scored == 8
    assert (len(found.studies), found.complete) == (2, False)


@pytest.mark.parametrize("few", [0, 50_000])
def test_a_study_that_comes_changes_the_order_of_no_others(
    gallery: Engine, few: int, encoder: ActiveEncoder
) -> None:
    query = Query("1.9.3", k=20)
    before = [study.study_instance_uid for study in ask(gallery, query, few).studies]
    random = np.random.default_rng(5)
    new = unit(random.normal(size=(4, DIMENSION)))
    near = slices_of(clustered_studies(STUDIES), before[5])
    fill(gallery, [*made_study(1000, new), *made_study(1001, near)], encoder)
    after = [study.study_instance_uid for study in ask(gallery, replace(query, k=22), few).studies]
    assert "1.9.1001" in after
    assert [uid for uid in after if uid not in ("1.9.1000", "1.9.1001")][:20] == before


def test_many_comparisons_are_not_made_unasked(
    gallery: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(similar, "FEW_COMPARISONS", 1000)
    assert ask(gallery, Query("1.9.3"), few=50_000).method == "candidates"
    assert ask(gallery, Query("1.9.3", exact=True), few=50_000).method == "exact"


def test_exact_is_asked_for(gallery: Engine) -> None:
    assert ask(gallery, Query("1.9.3", exact=True), few=0).method == "exact"
