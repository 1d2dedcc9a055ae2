"""Refuses to train on what the run is judged by. It looks at identities only, never at pictures."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from model.checkpoint import GroupKind, hash_group
from model.dataset import Dataset
from model.errors import TrainingError
from model.manifest import ManifestRow
from model.shared_slices import shared_slices
from model.training.origin import Origin

_KINDS = {"patient_id": "patient IDs of lists", "patient_key": "patient keys of galleries"}


@dataclass(frozen=True)
class Listed:
    """Who and what some slices are: `labels`, `groups` and `uids` have one word for each."""

    label_names: tuple[str, ...]
    labels: tuple[str, ...]
    groups: tuple[str, ...]
    uids: tuple[str, ...]
    named_by: GroupKind = "patient_id"

    @classmethod
    def of(cls, part: Dataset) -> Self:
        """That of a data set."""
        return cls(
            part.label_names,
            tuple(part.label_names[number] for number in part.labels),
            tuple(part.group_names[number] for number in part.groups),
            part.sop_instance_uids,
            part.named_by,
        )

    @classmethod
    def of_rows(
        cls, rows: Sequence[ManifestRow], label_names: tuple[str, ...], named_by: GroupKind
    ) -> Self:
        """That of a list, before anything is decoded."""
        return cls(
            label_names,
            tuple(row.label for row in rows),
            tuple(row.patient_id for row in rows),
            tuple(row.sop_instance_uid for row in rows),
            named_by,
        )


def check_sets(
    train_set: Dataset, validation_set: Dataset | None, origin: Origin | None = None
) -> None:
    """Raises TrainingError unless the training set can teach and the validation set can judge.

    As `check_listed`; besides, both are prepared alike, and their pixels are finite.
    """
    watched = None if validation_set is None else Listed.of(validation_set)
    check_listed(Listed.of(train_set), watched, origin)
    for part in filter(None, (train_set, validation_set)):
        _check_pixels(part)
    if validation_set is not None and train_set.preprocess != validation_set.preprocess:
        raise TrainingError("training and validation set were prepared differently")


def check_listed(
    train_set: Listed, validation_set: Listed | None, origin: Origin | None = None
) -> None:
    """Raises TrainingError unless slices can teach and others judge, by what is listed of them.

    Patients (or groups, where only those are known) and SOP Instance UIDs must not be in both
    sets, nor patients of the validation set among those that `origin` was trained on, and where
    that cannot be told somebody must have given their word; every label needs slices of two groups
    at least, or nothing general can be learnt of it.
    """
    _check_labels(train_set)
    if validation_set is None:
        return
    _check_apart(train_set, validation_set)
    if origin is not None:
        _check_unseen(validation_set, origin)


def groups_of(part: Dataset) -> set[str]:
    """The names of the groups that have slices in a data set; others may be named there too."""
    return {part.group_names[number] for number in np.unique(part.groups)}


def _check_apart(train_set: Listed, validation_set: Listed) -> None:
    if train_set.label_names != validation_set.label_names:
        raise TrainingError("training and validation set have different labels")
    if shared := set(train_set.groups) & set(validation_set.groups):
        raise TrainingError(
            f"{len(shared)} patients or groups are in both training and validation set; "
            "split by patient, so that no figure is made of slices seen in training"
        )
    if twice := shared_slices(train_set.uids, validation_set.uids):
        raise TrainingError(f"{len(twice)} slices are in both training and validation set")


def _check_unseen(validation_set: Listed, origin: Origin) -> None:
    if origin.trained_on and origin.group_kind == validation_set.named_by:
        known = set(origin.trained_on)
        if seen := sum(hash_group(name) in known for name in set(validation_set.groups)):
            raise TrainingError(
                f"{origin.name} was trained on {seen} patients or groups of the validation set; "
                "validate on others"
            )
    elif not origin.saw_none:
        lists = _KINDS[origin.group_kind] if origin.trained_on else "nobody"
        raise TrainingError(
            f"nothing tells whether {origin.name} was trained on patients of the validation set: "
            f"it lists {lists}, and the set has {_KINDS[validation_set.named_by]}. Train without "
            "validation, or say --from-saw-none if you know that it has seen none of them"
        )


def _check_pixels(part: Dataset) -> None:
    for number, image in enumerate(part.images):
        if not np.isfinite(image).all():
            slice_ = part.sop_instance_uids[number] or f"number {number}"
            raise TrainingError(f"slice {slice_} holds NaN or infinity; leave it out")


def _check_labels(train_set: Listed) -> None:
    if len(train_set.label_names) < 2:
        raise TrainingError("one label alone teaches nothing: there must be two at least")
    groups: dict[str, set[str]] = {}
    for label, group in zip(train_set.labels, train_set.groups, strict=True):
        groups.setdefault(label, set()).add(group)
    for name in train_set.label_names:
        if name not in groups:
            raise TrainingError(f"no training slice has the label {name}")
        if len(groups[name]) == 1:
            raise TrainingError(
                f"all training slices of {name} come from one patient; "
                "add slices of others or leave the label out"
            )
