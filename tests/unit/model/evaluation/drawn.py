"""Facts of slices without pictures, and vectors that a good encoder would give them."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from model.evaluation.facts import Slices
from model.manifest import ManifestRow


def slices(
    labels: Sequence[int],
    groups: Sequence[str] | None = None,
    *,
    prefix: str = "P",
    names: tuple[str, ...] = ("glioma", "bleed", "none"),
    known: bool = True,
) -> Slices:
    """Slices of these labels, each of a patient of its own unless `groups` are given."""
    count = len(labels)
    return Slices(
        label_names=names,
        labels=np.array(labels, np.int64),
        groups=np.array(groups or [f"{prefix}{n}" for n in range(count)]),
        patient_known=np.full(count, known),
        modalities=np.full(count, "MR"),
        folds=np.ones(count, np.int64),
        planes=np.full(count, -1),
        lesion_centres=np.full((count, 2), np.nan),
        sop_instance_uids=np.array([f"1.2.{prefix}.{n}" for n in range(count)]),
    )


def vectors(labels: Sequence[int], spread: float, seed: int = 1) -> NDArray[np.float64]:
    """Points around their label's centre: the wider the spread, the worse the search."""
    drawn = np.random.default_rng(seed).normal(size=(len(labels), 4)) * spread
    drawn[np.arange(len(labels)), np.array(labels, np.int64)] += 1
    return drawn


def on_a_line(*places: float) -> NDArray[np.float64]:
    return np.array(places)[:, None]


def row(
    patient: str, label: str, fold: int, *, modality: str = "MR", slice_: int = 0
) -> ManifestRow:
    uid = f"1.2.{patient}.{label}.{slice_}"
    return ManifestRow(Path(uid), uid, "1.3", patient, modality, label, fold)


def rows_of_folds(*folds: int, labels: Sequence[str] = ("glioma", "none")) -> list[ManifestRow]:
    """Two patients of each label in each fold, two slices each."""
    return [
        row(f"{label}-{fold}-{patient}", label, fold, slice_=number)
        for fold in folds
        for label in labels
        for patient in range(2)
        for number in range(2)
    ]
