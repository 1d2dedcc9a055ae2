"""A run that would deceive, or teach nothing, does not start."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from model.checkpoint import GroupKind, hash_group
from model.dataset import Dataset
from model.errors import TrainingError
from model.training.leaks import check_sets
from model.training.origin import Origin
from tests.unit.model.made import dataset

TRAIN_SET, VALIDATION_SET = dataset(16, seed=1), dataset(8, seed=2)


def test_disjoint_patients_may_be_trained_on() -> None:
    check_sets(TRAIN_SET, VALIDATION_SET)
    check_sets(TRAIN_SET, None)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda v: replace(v, group_names=("patient 1-0", "x")), "1 patients or groups are in"),
        (lambda v: replace(v, sop_instance_uids=("1.1.3",) * 8), "1 slices are in both"),
        (lambda v: replace(v, label_names=("one", "two")), "different labels"),
        (
            lambda v: replace(v, preprocess=replace(v.preprocess, low_percentile=2.0)),
            "prepared differently",
        ),
    ],
)
def test_what_would_flatter_the_figures_is_refused(
    spoil: Callable[[Dataset], Dataset], words: str
) -> None:
    with pytest.raises(TrainingError, match=words):
        check_sets(TRAIN_SET, spoil(VALIDATION_SET))


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda t: replace(t, label_names=("dark", "bright", "rare")), "no training slice .* rare"),
        (lambda t: replace(t, groups=np.zeros(16, np.int64)), "dark come from one patient"),
        (lambda t: replace(t, labels=t.labels * 0, label_names=("dark",)), "one label alone"),
    ],
)
def test_what_cannot_teach_is_refused(spoil: Callable[[Dataset], Dataset], words: str) -> None:
    with pytest.raises(TrainingError, match=words):
        check_sets(spoil(TRAIN_SET), None)


def test_slices_without_a_uid_are_not_taken_for_one_slice() -> None:
    nameless = ("",) * 16, ("",) * 8
    check_sets(
        replace(TRAIN_SET, sop_instance_uids=nameless[0]),
        replace(VALIDATION_SET, sop_instance_uids=nameless[1]),
    )


def test_pixels_that_are_no_numbers_are_named() -> None:
    images = TRAIN_SET.images.copy()
    images[5, 3, 3] = np.nan
    with pytest.raises(TrainingError, match=r"slice 1\.1\.5 holds NaN"):
        check_sets(replace(TRAIN_SET, images=images), None)


def test_halves_of_one_set_are_apart_though_each_names_all_groups() -> None:
    early, late = TRAIN_SET.subset(range(8)), TRAIN_SET.subset(range(8, 16))
    check_sets(early, late)

    with pytest.raises(TrainingError, match="1 patients or groups"):
        check_sets(TRAIN_SET.subset(range(9)), late)


def test_no_patient_is_named() -> None:
    leaking = replace(VALIDATION_SET, group_names=TRAIN_SET.group_names[:2])
    with pytest.raises(TrainingError) as refused:
        check_sets(TRAIN_SET, leaking)

    assert "patient 1" not in str(refused.value)


def origin(
    names: tuple[str, ...], kind: GroupKind = "patient_id", saw_none: bool = False
) -> Origin:
    return Origin("msnet-1", tuple(map(hash_group, names)), kind, saw_none)


def test_whom_the_beginning_has_seen_cannot_judge() -> None:
    check_sets(TRAIN_SET, VALIDATION_SET, origin(("patient 1-0", "patient 9-9")))

    with pytest.raises(TrainingError, match="msnet-1 was trained on 1 patients"):
        check_sets(TRAIN_SET, VALIDATION_SET, origin(("patient 2-0",), saw_none=True))


@pytest.mark.parametrize(
    ("names", "kind", "words"),
    [
        (
            ("patient 2-0",),
            "patient_key",
            "it lists patient keys of galleries, and the set has pat",
        ),
        ((), "patient_id", "it lists nobody"),
    ],
)
def test_where_nothing_tells_whom_the_beginning_has_seen_somebody_must(
    names: tuple[str, ...], kind: GroupKind, words: str
) -> None:
    with pytest.raises(TrainingError, match=f"nothing tells whether msnet-1 .* {words}"):
        check_sets(TRAIN_SET, VALIDATION_SET, origin(names, kind))
    check_sets(TRAIN_SET, None, origin(names, kind))
    check_sets(TRAIN_SET, VALIDATION_SET, origin(names, kind, saw_none=True))


def test_keys_are_held_against_keys() -> None:
    train_set, watched = (replace(s, named_by="patient_key") for s in (TRAIN_SET, VALIDATION_SET))
    check_sets(train_set, watched, origin(("patient 1-0",), "patient_key"))

    with pytest.raises(TrainingError, match="was trained on 2 patients"):
        check_sets(train_set, watched, origin(("patient 2-0", "patient 2-1"), "patient_key"))
    with pytest.raises(
        TrainingError, match="lists patient IDs of lists, and the set has patient k"
    ):
        check_sets(train_set, watched, origin(("patient 2-0",)))
