"""Real tumour series of a fold that the encoder never saw, against those that it learnt from."""

from dataclasses import replace

import pytest
from sqlalchemy import Engine

from service.encoders.registry import register
from service.search.filters import Filters
from service.studies.answer import Query
from service.studies.measuring import LabelledStudy, StudyFigures, measure
from service.studies.similar import similar_studies
from tests.support.galleries import fill
from tests.support.shared_gallery import SharedGallery

GALLERY, QUERIES = (1, 2, 3), (4,)


def studies_of(gallery: SharedGallery) -> list[LabelledStudy]:
    places: dict[str, list[int]] = {}
    for place, one in enumerate(gallery.slices):
        places.setdefault(one.study_instance_uid, []).append(place)
    return [
        LabelledStudy(
            uid, gallery.coordinates[chosen], tuple(gallery.slices[p].label for p in chosen)
        )
        for uid, chosen in places.items()
    ]


def figures(gallery: SharedGallery, modality: str) -> StudyFigures:
    part = gallery.of(modality=modality)
    return measure(studies_of(part.of(folds=QUERIES)), studies_of(part.of(folds=GALLERY)))


@pytest.mark.timeout(900)
def test_the_first_study_is_right_as_often_as_a_vote_of_single_slices(
    shared_gallery: SharedGallery,
) -> None:
    tumours = figures(shared_gallery, "MR")
    assert tumours.studies == 116
    assert tumours.first_study >= tumours.vote_1


@pytest.mark.timeout(900)
def test_the_service_finds_the_studies_that_the_figures_are_about(
    shared_gallery: SharedGallery, engine: Engine
) -> None:
    tumours = shared_gallery.of(modality="MR")
    with engine.begin() as connection:
        encoder = register(connection, tumours.encoder)
    asked, known = tumours.of(folds=QUERIES), tumours.of(folds=GALLERY)
    # As in a hospital: what is asked about has no label yet, and is no answer to the others.
    unlabelled = [replace(one, labels=()) for one in asked.instances()]
    fill(engine, [*unlabelled, *known.instances()], encoder)
    searched = Filters(label=tuple({one.label for one in known.slices}))
    labels = {study.name: study.label for study in studies_of(asked)}
    right = 0
    with engine.connect() as connection:
        for uid, label in labels.items():
            found = similar_studies(connection, Query(uid, k=1, filters=searched))
            right += found.studies[0].labels == [label]
    assert right / len(labels) == pytest.approx(figures(shared_gallery, "MR").first_study)
