"""What evaluation must know of slices beside their vectors: no pictures, so that it is cheap."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from model.dataset import PLANES, UNKNOWN_PLANE, Dataset
from model.manifest import ManifestRow

SAME_PLACE = 0.15  # of the prepared picture's side, which is the head's longer side


@dataclass(frozen=True)
class Slices:
    """Facts of N slices.

    `labels` (N,) indexes `label_names`. `groups` (N,) are patients' ids, or ids of series where
    `patient_known` (N,) is false; they are compared and never shown. `planes` (N,) is -1 where
    unknown; `lesion_centres` (N, 2), x and y as shares of the prepared picture's side, is NaN.
    """

    label_names: tuple[str, ...]
    labels: NDArray[np.int64]
    groups: NDArray[np.str_]
    patient_known: NDArray[np.bool_]
    modalities: NDArray[np.str_]
    folds: NDArray[np.int64]
    planes: NDArray[np.int64]
    lesion_centres: NDArray[np.float64]
    sop_instance_uids: NDArray[np.str_]

    @classmethod
    def of(cls, dataset: Dataset) -> Slices:
        """The facts of a data set. CT is axial where nothing else is said."""
        lesions = dataset.lesions.astype(np.float64)
        assumed_axial = (dataset.planes < 0) & (dataset.modalities == "CT")
        return cls(
            label_names=dataset.label_names,
            labels=dataset.labels,
            groups=np.array(dataset.group_names)[dataset.groups],
            patient_known=dataset.group_kinds == "patient",
            modalities=dataset.modalities,
            folds=dataset.folds,
            planes=np.where(assumed_axial, PLANES.index("axial"), dataset.planes),
            lesion_centres=(lesions[:, :2] + lesions[:, 2:]) / 2,
            sop_instance_uids=np.array(dataset.sop_instance_uids),
        )

    @classmethod
    def listed(cls, rows: Sequence[ManifestRow]) -> Slices:
        """The facts of listed slices before any is decoded: planes and lesions are unknown."""
        names, labels = np.unique([row.label for row in rows], return_inverse=True)
        return cls(
            label_names=tuple(str(name) for name in names),
            labels=labels.astype(np.int64),
            groups=np.array([row.patient_id for row in rows]),
            patient_known=np.array([row.group_kind == "patient" for row in rows]),
            modalities=np.array([row.modality for row in rows]),
            folds=np.array([row.fold for row in rows], np.int64),
            planes=np.full(len(rows), UNKNOWN_PLANE),
            lesion_centres=np.full((len(rows), 2), np.nan),
            sop_instance_uids=np.array([row.sop_instance_uid for row in rows]),
        )

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, chosen: NDArray[np.int64] | NDArray[np.bool_]) -> Slices:
        """Some of the slices, by index or by mask."""
        columns = {
            field.name: getattr(self, field.name)[chosen]
            for field in fields(self)
            if field.name != "label_names"
        }
        return Slices(label_names=self.label_names, **columns)

    def have_label(self, names: Collection[str]) -> NDArray[np.bool_]:
        """The mask of slices with one of these labels."""
        chosen = [n for n, name in enumerate(self.label_names) if name in names]
        mask: NDArray[np.bool_] = np.isin(self.labels, chosen)
        return mask

    def found_labels(self) -> list[str]:
        """The labels that occur, in the order of `label_names`."""
        return [self.label_names[n] for n in np.unique(self.labels)]


def grades(queries: Slices, gallery: Slices) -> NDArray[np.int8]:
    """(N, M) relevance: 1 for the same label; 2 where plane and place of the lesion agree too.

    Lesions are in the same place when their centres are at most `SAME_PLACE` apart. Where plane or
    lesion of either slice is unknown there is no 2.
    """
    same_label = queries.labels[:, None] == gallery.labels
    same_plane = (queries.planes[:, None] == gallery.planes) & (gallery.planes >= 0)
    apart = queries.lesion_centres[:, None] - gallery.lesion_centres
    near = np.hypot(apart[..., 0], apart[..., 1]) <= SAME_PLACE  # false where NaN
    relevance: NDArray[np.int8] = same_label.astype(np.int8) + (same_label & same_plane & near)
    return relevance
