import numpy as np
from numpy.typing import NDArray

from service.studies.measuring import LabelledStudy, measure, vote


def plane(*degrees: float) -> NDArray[np.float32]:
    """Unit vectors at these angles."""
    turned = np.radians(degrees)
    return np.stack([np.cos(turned), np.sin(turned)], axis=1).astype(np.float32)


def test_a_vote_counts_slices_and_a_tie_goes_to_the_nearer() -> None:
    labels = np.array(["a", "b", "b", "c"])
    between = np.array([[0.1, 0.5, 0.6, 0.9], [0.9, 0.2, 0.8, 0.3], [0.8, 0.3, 0.9, 0.4]])
    assert vote(between, labels, 1) == "b"
    assert vote(between[:2], labels, 1) == "a"
    assert vote(between[:1], labels, 3) == "b"
    assert vote(between[:1], labels, 50) == "b"


def test_figures_tell_the_first_study_from_the_vote() -> None:
    """Each slice's nearest is a stray of study 'stray'; as a whole study 'twin' is nearer."""
    query = LabelledStudy("query", plane(0, 20), ("ill", "ill"))
    stray = LabelledStudy("stray", plane(0, 20, 120, 150, 180), ("well",) * 5)
    twin = LabelledStudy("twin", plane(3, 23), ("ill", "ill"))
    found = measure([query], [query, stray, twin])
    assert (found.first_study, found.vote_1, found.single_slice) == (1.0, 0.0, 0.0)
    assert (found.studies, found.mean_average_precision) == (1, 1.0)


def test_a_study_has_the_label_of_most_of_its_slices() -> None:
    assert LabelledStudy("1", plane(0, 1, 2), ("b", "a", "b")).label == "b"
    assert LabelledStudy("1", plane(0, 1), ("b", "a")).label == "a"


def test_without_a_study_of_the_label_nothing_is_right() -> None:
    query = LabelledStudy("query", plane(0), ("ill",))
    found = measure([query], [LabelledStudy("other", plane(90), ("well",))])
    assert (found.first_study, found.vote_5, found.mean_average_precision) == (0, 0, 0)
