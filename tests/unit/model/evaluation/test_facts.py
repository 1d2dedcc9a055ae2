"""Facts of slices and the relevance that follows from them."""

from dataclasses import replace

import numpy as np

from model.dataset import PLANES
from model.evaluation.facts import Slices, grades
from tests.unit.model.evaluation.drawn import row, slices
from tests.unit.model.made import dataset

AXIAL, CORONAL = PLANES.index("axial"), PLANES.index("coronal")


def placed(made: Slices, planes: list[int], centres: list[tuple[float, float]]) -> Slices:
    return replace(made, planes=np.array(planes), lesion_centres=np.array(centres))


def test_relevance_needs_the_label_and_then_plane_and_place() -> None:
    query = placed(slices([0]), [AXIAL], [(0.5, 0.5)])
    gallery = placed(
        slices([0, 0, 0, 0, 1]),
        [AXIAL, AXIAL, CORONAL, AXIAL, AXIAL],
        [(0.5, 0.6), (0.5, 0.66), (0.5, 0.5), (0.6, 0.6), (0.5, 0.5)],
    )

    assert grades(query, gallery).tolist() == [[2, 1, 1, 2, 0]]


def test_what_is_unknown_is_never_the_same_place() -> None:
    unknown_plane = placed(slices([0]), [-1], [(0.5, 0.5)])
    unknown_place = placed(slices([0]), [AXIAL], [(np.nan, np.nan)])

    for made in (unknown_plane, unknown_place):
        assert grades(made, made).tolist() == [[1]]


def test_a_data_sets_facts() -> None:
    made = replace(
        dataset(3),
        modalities=np.array(["CT", "MR", "CT"]),
        planes=np.array([-1, -1, CORONAL]),
        lesions=np.array([[0.2, 0.4, 0.4, 0.8], [np.nan] * 4, [0, 0, 1, 1]], np.float32),
        group_names=("A",),
        group_kinds=np.array(["patient", "series_guess", "patient"]),
        sop_instance_uids=("1", "2", "3"),
    )

    facts = Slices.of(made)

    assert facts.planes.tolist() == [AXIAL, -1, CORONAL]
    np.testing.assert_allclose(facts.lesion_centres[0], [0.3, 0.6], rtol=1e-6)
    assert np.isnan(facts.lesion_centres[1]).all()
    assert facts.groups.tolist() == ["A", "A", "A"]
    assert facts.patient_known.tolist() == [True, False, True]
    assert facts.take(np.array([2, 0])).sop_instance_uids.tolist() == ["3", "1"]
    assert facts.have_label(["bright"]).tolist() == [False, True, False]
    assert len(facts.take(facts.labels == 1)) == 1


def test_a_lists_facts_number_labels_as_a_data_set_does() -> None:
    facts = Slices.listed([row("A", "glioma", 1), row("B", "bleed", 2, modality="CT")])

    assert facts.label_names == ("bleed", "glioma")
    assert facts.labels.tolist() == [1, 0]
    assert facts.folds.tolist() == [1, 2]
    assert facts.found_labels() == ["bleed", "glioma"]
