"""A run is the same run if it would learn the same: what differs is told, and nobody is named."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from model.dataset import Dataset
from model.training.config import TrainConfig
from model.training.run_identity import DataIdentity, RunIdentity
from tests.unit.model.made import dataset
from tests.unit.model.training.settings import QUICK

SET = dataset(16, seed=1)


def moved(part: Dataset) -> Dataset:
    lesions = part.lesions.copy()
    lesions[0, 0] += 0.01
    return replace(part, lesions=lesions)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda s: replace(s, label_names=("dark", "light")), "labels are dark, light; they were"),
        (lambda s: s.subset(range(12)), "there are 12 training slices; there were 16"),
        (lambda s: s.subset(range(15, -1, -1)), "others, or in another order"),
        (lambda s: replace(s, groups=s.groups[::-1].copy()), "the patients or groups of the"),
        (lambda s: replace(s, labels=1 - s.labels), "the labels of the training slices"),
        (moved, "lesion boxes"),
        (lambda s: replace(s, lesions_known=~s.lesions_known), "lesion boxes"),
        (lambda s: replace(s, planes=s.planes * 0), "planes"),
    ],
)
def test_other_data_is_named(change: Callable[[Dataset], Dataset], words: str) -> None:
    (found,) = DataIdentity.of(change(SET)).differences(DataIdentity.of(SET))

    assert words in found
    assert "patient 1" not in found


def test_the_same_slices_are_the_same_however_they_are_numbered() -> None:
    whole = SET.subset(range(8, 16))
    alone = replace(whole, groups=whole.groups - 2, group_names=whole.group_names[2:])

    assert DataIdentity.of(whole) == DataIdentity.of(alone)


def test_a_changed_setting_is_named_and_the_statement_is_none() -> None:
    def identity(config: TrainConfig) -> RunIdentity:
        return RunIdentity.of(config, SET, None)

    other = replace(QUICK, schedule=replace(QUICK.schedule, seed=2), data_statement="said anew")
    (found,) = identity(other).differences(identity(QUICK))

    assert found == "another configuration (schedule.seed)"
    assert not identity(replace(QUICK, data_statement="anew")).differences(identity(QUICK))


def test_figures_of_other_validation_slices_are_not_mixed() -> None:
    with_some, with_others, with_none = (
        RunIdentity.of(QUICK, SET, watched) for watched in (dataset(8, 2), dataset(8, 3), None)
    )

    for earlier in (with_others, with_none):
        (found,) = with_some.differences(earlier)
        assert "the validation slices are not those" in found
    assert not with_none.differences(with_some)


def test_it_survives_being_written_down() -> None:
    identity = RunIdentity.of(QUICK, SET, dataset(8, seed=2))

    assert RunIdentity.from_document(identity.to_document()) == identity
    assert "patient" not in str(identity.to_document()["data"])
