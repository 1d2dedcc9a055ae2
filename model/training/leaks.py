"""Refuses to train on what the run is judged by. It looks at identities only, never at pictures."""

import numpy as np

from model.checkpoint import Checkpoint, hash_group
from model.dataset import Dataset
from model.errors import TrainingError


def check_sets(
    train_set: Dataset, validation_set: Dataset | None, start: Checkpoint | None = None
) -> None:
    """Raises TrainingError unless the training set can teach and the validation set can judge.

    Patients (or groups, where only those are known) and SOP Instance UIDs must not be in both
    sets, nor patients of the validation set among those that `start` was trained on; every label
    needs slices of two groups at least, or nothing general can be learnt of it; pixels are finite.
    """
    _check_labels(train_set)
    for part in filter(None, (train_set, validation_set)):
        _check_pixels(part)
    if validation_set is not None:
        _check_apart(train_set, validation_set)
    if validation_set is not None and start is not None:
        known = set(start.info.trained_on)
        if seen := sum(hash_group(name) in known for name in groups_of(validation_set)):
            raise TrainingError(
                f"{start.name} was trained on {seen} patients or groups of the validation set; "
                "validate on others"
            )


def groups_of(part: Dataset) -> set[str]:
    """The names of the groups that have slices in a data set; others may be named there too."""
    return {part.group_names[number] for number in np.unique(part.groups)}


def _check_apart(train_set: Dataset, validation_set: Dataset) -> None:
    if train_set.label_names != validation_set.label_names:
        raise TrainingError("training and validation set have different labels")
    if train_set.preprocess != validation_set.preprocess:
        raise TrainingError("training and validation set were prepared differently")
    if shared := groups_of(train_set) & groups_of(validation_set):
        raise TrainingError(
            f"{len(shared)} patients or groups are in both training and validation set; "
            "split by patient, so that no figure is made of slices seen in training"
        )
    twice = set(train_set.sop_instance_uids) & set(validation_set.sop_instance_uids) - {""}
    if twice:
        raise TrainingError(f"{len(twice)} slices are in both training and validation set")


def _check_pixels(part: Dataset) -> None:
    for number, image in enumerate(part.images):
        if not np.isfinite(image).all():
            slice_ = part.sop_instance_uids[number] or f"number {number}"
            raise TrainingError(f"slice {slice_} holds NaN or infinity; leave it out")


def _check_labels(train_set: Dataset) -> None:
    if len(train_set.label_names) < 2:
        raise TrainingError("one label alone teaches nothing: there must be two at least")
    for number, name in enumerate(train_set.label_names):
        groups = np.unique(train_set.groups[train_set.labels == number])
        if groups.size == 0:
            raise TrainingError(f"no training slice has the label {name}")
        if groups.size == 1:
            raise TrainingError(
                f"all training slices of {name} come from one patient; "
                "add slices of others or leave the label out"
            )
