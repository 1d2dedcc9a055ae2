"""Lists of labelled slices (slices.csv) and the data sets made from them.

Decoding a file is the caller's: this package knows no DICOM, so a callable is handed in.
"""

import csv
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from model.dataset import PLANES, UNKNOWN_PLANE, Dataset
from model.errors import ManifestError
from model.placement import Box, Placement
from model.preprocess import PreprocessConfig, prepare_placed

_Read = TypeVar("_Read")
_GROUP_KINDS = ("patient", "series_guess")


@dataclass(frozen=True)
class Decoded:
    """One slice as its file holds it.

    `pixels` (H, W) are values after modality LUT or rescale; `orientation` is Image Orientation
    (Patient) and `spacing` the distance of rows and of columns, where they are known. `modality`
    stands where the file knows better than the list how to scale, such as a CT that is not in HU.
    """

    pixels: NDArray[np.float32]
    orientation: tuple[float, ...] | None = None
    spacing: tuple[float, float] | None = None
    modality: str | None = None


Decode = Callable[[Path], Decoded]
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class ManifestRow:
    """One labelled slice.

    `patient_id` may stand for a series (`group_kind` "series_guess"); only `fold` separates
    patients. `lesion_box` is left, top, right and bottom in pixels of the source.
    """

    path: Path
    sop_instance_uid: str
    series_instance_uid: str
    patient_id: str
    modality: str
    label: str
    fold: int
    group_kind: str = "patient"
    lesion_box: Box | None = None


def read_manifest(path: Path, folds: Collection[int] | None = None) -> tuple[ManifestRow, ...]:
    """Rows of a slice list in file order, all or those of some folds.

    The column `file` is relative to the folder of the list; `group_kind` and `lesion_box_xyxy` may
    be missing. Raises ManifestError if the list cannot be read, a column or value is missing or no
    number, a group is in two folds, or no row is left.
    """
    rows = _read(path, lambda fields: _row(path.parent, fields))
    check_folds(rows)
    chosen = tuple(row for row in rows if folds is None or row.fold in folds)
    if not chosen:
        raise ManifestError(f"{path.name} has no row for folds {folds}")
    return chosen


def check_folds(rows: Sequence[ManifestRow]) -> None:
    """Raise ManifestError if slices of one group are in several folds."""
    folds: dict[str, set[int]] = {}
    for row in rows:
        folds.setdefault(row.patient_id, set()).add(row.fold)
    if leaking := sum(len(found) > 1 for found in folds.values()):
        raise ManifestError(
            f"{leaking} of {len(folds)} groups (patient_id) have slices in more than one fold; "
            "a patient belongs into one"
        )


def read_planes(path: Path) -> dict[str, str]:
    """The plane of each group, from a list with the columns `group` and `plane`.

    Raises ManifestError if the list cannot be read, names a plane that is none of `PLANES`, or two
    for one group.
    """
    planes: dict[str, str] = {}
    for group, plane in _read(path, lambda fields: (_text(fields, "group"), fields["plane"])):
        if plane not in PLANES:
            raise ManifestError(f"{path.name} has a plane that is none of {', '.join(PLANES)}")
        if planes.setdefault(group, plane) != plane:
            raise ManifestError(f"{path.name} has two planes for one group")
    return planes


def _read(path: Path, parse: Callable[[dict[str, str]], _Read]) -> list[_Read]:
    """The lines of a CSV file, parsed."""
    try:
        with path.open(newline="", encoding="utf-8") as lines:
            return [parse(fields) for fields in csv.DictReader(lines)]
    except (OSError, UnicodeDecodeError) as error:
        raise ManifestError(f"cannot read {path.name}: {error}") from error
    except (KeyError, TypeError, ValueError, csv.Error) as error:
        raise ManifestError(f"{path.name} has a missing column or value: {error}") from error


def _row(folder: Path, fields: dict[str, str]) -> ManifestRow:
    kind = fields.get("group_kind") or "patient"
    if kind not in _GROUP_KINDS:
        raise ValueError(f"group_kind is none of {', '.join(_GROUP_KINDS)}")
    return ManifestRow(
        path=folder / _text(fields, "file"),
        sop_instance_uid=_text(fields, "sop_instance_uid"),
        series_instance_uid=_text(fields, "series_instance_uid"),
        patient_id=_text(fields, "patient_id"),
        modality=_text(fields, "modality"),
        label=_text(fields, "label"),
        fold=int(fields["fold"]),
        group_kind=kind,
        lesion_box=_box(fields.get("lesion_box_xyxy") or ""),
    )


def _text(fields: dict[str, str], name: str) -> str:
    if not fields[name]:
        raise ValueError(f"{name} is empty")
    return fields[name]


def _box(text: str) -> Box | None:
    if not text.strip():
        return None
    left, top, right, bottom = map(float, text.split())
    if not (left <= right and top <= bottom):  # NaN too
        raise ValueError("lesion_box_xyxy is not left, top, right, bottom")
    return left, top, right, bottom


def load_dataset(
    rows: Sequence[ManifestRow],
    decode: Decode,
    config: PreprocessConfig,
    label_names: Sequence[str] | None = None,
    planes: Mapping[str, str] | None = None,
    progress: Progress | None = None,
) -> Dataset:
    """Decode and prepare every row, in order.

    Without `label_names` the labels that occur are sorted; pass those of the training set to make a
    validation set that fits it. `planes` tells the plane of a group, `progress` hears how many of
    how many slices are done. Raises ManifestError for a label without a name, and what `decode`
    raises.
    """
    names = tuple(label_names or sorted({row.label for row in rows}))
    index = {name: n for n, name in enumerate(names)}
    if unknown := {row.label for row in rows} - index.keys():
        raise ManifestError(f"labels without a name: {', '.join(sorted(unknown))}")
    groups = {name: n for n, name in enumerate(sorted({row.patient_id for row in rows}))}
    images, lesions = _pictures(rows, decode, config, progress)
    return Dataset(
        images=images,
        labels=np.array([index[row.label] for row in rows], np.int64),
        groups=np.array([groups[row.patient_id] for row in rows], np.int64),
        label_names=names,
        preprocess=config,
        folds=np.array([row.fold for row in rows], np.int64),
        modalities=np.array([row.modality for row in rows], np.str_),
        lesions=lesions,
        planes=np.array([_plane(row, planes or {}) for row in rows], np.int64),
        group_names=tuple(groups),
        group_kinds=np.array([row.group_kind for row in rows], np.str_),
        sop_instance_uids=tuple(row.sop_instance_uid for row in rows),
    )


def _pictures(
    rows: Sequence[ManifestRow],
    decode: Decode,
    config: PreprocessConfig,
    progress: Progress | None,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The prepared slices (N, S, S) and their lesions (N, 4)."""
    images = np.zeros((len(rows), config.size, config.size), np.float32)
    lesions = np.full((len(rows), 4), np.nan, np.float32)
    for number, row in enumerate(rows):
        images[number], placement = _prepared(row, decode(row.path), config)
        if row.lesion_box is not None:
            lesions[number] = _share(row.lesion_box, placement, config.size)
        if progress is not None:
            progress(number + 1, len(rows))
    return images, lesions


def _prepared(
    row: ManifestRow, decoded: Decoded, config: PreprocessConfig
) -> tuple[NDArray[np.float32], Placement]:
    return prepare_placed(
        decoded.pixels,
        modality=decoded.modality or row.modality,
        config=config,
        orientation=decoded.orientation,
        spacing=decoded.spacing,
    )


def _share(box: Box, placement: Placement, size: int) -> NDArray[np.float32]:
    """A box as shares of the picture's side, where a pixel's centre is half a pixel from its edge.

    What was cut off the picture is cut off the box.
    """
    edges = (np.array(placement.box_to_prepared(box)) + 0.5) / size
    return np.clip(edges, 0.0, 1.0).astype(np.float32)


def _plane(row: ManifestRow, planes: Mapping[str, str]) -> int:
    return PLANES.index(planes[row.patient_id]) if row.patient_id in planes else UNKNOWN_PLANE
