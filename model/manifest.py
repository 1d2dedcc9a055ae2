"""Lists of labelled slices (slices.csv) and the data sets made from them.

Decoding a file is the caller's: this package knows no DICOM, so a callable is handed in.
"""

import csv
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from model.dataset import Dataset
from model.errors import ManifestError
from model.preprocess import PreprocessConfig, prepare

Decode = Callable[[Path], NDArray[np.float32]]


@dataclass(frozen=True)
class ManifestRow:
    """One labelled slice. `patient_id` may stand for a series; only `fold` separates patients."""

    path: Path
    sop_instance_uid: str
    patient_id: str
    modality: str
    label: str
    fold: int


def read_manifest(path: Path, folds: Collection[int] | None = None) -> tuple[ManifestRow, ...]:
    """Rows of a slice list in file order, all or those of some folds.

    The column `file` is relative to the folder of the list. Raises ManifestError if the list
    cannot be read, a column is missing, a fold is no number, or no row is left.
    """
    try:
        with path.open(newline="", encoding="utf-8") as lines:
            rows = tuple(_row(path.parent, fields) for fields in csv.DictReader(lines))
    except (OSError, UnicodeDecodeError) as error:
        raise ManifestError(f"cannot read {path.name}: {error}") from error
    except (KeyError, TypeError, ValueError) as error:
        raise ManifestError(f"{path.name} has a missing column or value: {error}") from error
    chosen = tuple(row for row in rows if folds is None or row.fold in folds)
    if not chosen:
        raise ManifestError(f"{path.name} has no row for folds {folds}")
    return chosen


def _row(folder: Path, fields: dict[str, str]) -> ManifestRow:
    return ManifestRow(
        path=folder / fields["file"],
        sop_instance_uid=fields["sop_instance_uid"],
        patient_id=fields["patient_id"],
        modality=fields["modality"],
        label=fields["label"],
        fold=int(fields["fold"]),
    )


def load_dataset(
    rows: Sequence[ManifestRow],
    decode: Decode,
    config: PreprocessConfig,
    label_names: Sequence[str] | None = None,
) -> Dataset:
    """Decode and prepare every row, in order.

    `decode` returns (H, W) float32 after modality LUT or rescale. Without `label_names` the labels
    that occur are sorted; pass those of the training set to make a validation set that fits it.
    Raises ManifestError for a label without a name.
    """
    names = tuple(label_names or sorted({row.label for row in rows}))
    index = {name: n for n, name in enumerate(names)}
    if unknown := {row.label for row in rows} - index.keys():
        raise ManifestError(f"labels without a name: {', '.join(sorted(unknown))}")
    groups = {name: n for n, name in enumerate(sorted({row.patient_id for row in rows}))}
    images = np.zeros((len(rows), config.size, config.size), np.float32)
    for image, row in zip(images, rows, strict=True):
        image[:] = prepare(decode(row.path), modality=row.modality, config=config)
    return Dataset(
        images=images,
        labels=np.array([index[row.label] for row in rows], np.int64),
        groups=np.array([groups[row.patient_id] for row in rows], np.int64),
        label_names=names,
        preprocess=config,
    )
