"""Lists of labelled slices (slices.csv) and the data sets made from them.

Decoding a file is the caller's: this package knows no DICOM, so a callable is handed in.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from model.checkpoint_info import GroupKind
from model.dataset import PLANES, UNKNOWN_PLANE, Dataset
from model.errors import ManifestError
from model.manifest_lines import Line, read_lines
from model.placement import Box, Placement
from model.preprocess import PreprocessConfig, prepare_placed

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


Decode = Callable[[Path], Decoded | None]
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class ManifestRow:
    """One labelled slice.

    `patient_id` may stand for a series (`group_kind` "series_guess"); only `fold` separates
    patients. `lesion_box` is left, top, right and bottom in pixels of the source; without one,
    `lesion_free` tells a slice that shows no lesion from one of which nobody said.
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
    lesion_free: bool = False


def read_manifest(path: Path, folds: Collection[int] | None = None) -> tuple[ManifestRow, ...]:
    """Rows of a slice list in file order, all or those of some folds.

    The column `file` is relative to the folder of the list; `group_kind` and `lesion_box_xyxy` may
    be missing. In a list of boxes an empty one means that the slice shows no lesion; without the
    column nobody knows. Raises ManifestError, which quotes no cell, if the list cannot be read, a
    column or value is missing or amiss, a group is in two folds, or no row is left.
    """
    rows = read_lines(path, lambda line: _row(path.parent, line))
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
    for line, group, plane in read_lines(path, _group_and_plane):
        if planes.setdefault(group, plane) != plane:
            raise ManifestError(f"{path.name}, line {line}: a second plane for one group")
    return planes


def _group_and_plane(line: Line) -> tuple[int, str, str]:
    return line.number, line.text("group"), line.one_of("plane", PLANES)


def _row(folder: Path, line: Line) -> ManifestRow:
    box = line.box("lesion_box_xyxy")
    return ManifestRow(
        path=folder / line.text("file"),
        sop_instance_uid=line.text("sop_instance_uid"),
        series_instance_uid=line.text("series_instance_uid"),
        patient_id=line.text("patient_id"),
        modality=line.text("modality"),
        label=line.text("label"),
        fold=line.whole_number("fold"),
        group_kind=line.one_of("group_kind", _GROUP_KINDS, "patient"),
        lesion_box=box,
        lesion_free=box is None and line.has("lesion_box_xyxy"),
    )


def load_dataset(
    rows: Sequence[ManifestRow],
    decode: Decode,
    config: PreprocessConfig,
    label_names: Sequence[str] | None = None,
    planes: Mapping[str, str] | None = None,
    progress: Progress | None = None,
    named_by: GroupKind = "patient_id",
) -> Dataset:
    """Decode and prepare every row, in order; a row for which `decode` gives None is left out.

    Without `label_names` the labels that occur are sorted; pass those of the training set to make a
    validation set that fits it. `planes` tells the plane of a group, `progress` hears how many of
    how many rows are done; `named_by` says what the rows' `patient_id` is. Raises ManifestError for
    a label without a name or if no row is left, and what `decode` raises.
    """
    names = tuple(label_names or sorted({row.label for row in rows}))
    index = {name: n for n, name in enumerate(names)}
    if unknown := {row.label for row in rows} - index.keys():
        raise ManifestError(f"{len(unknown)} of the listed labels have no name")
    rows, images, lesions = _pictures(rows, decode, config, progress)
    groups = {name: n for n, name in enumerate(sorted({row.patient_id for row in rows}))}
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
        lesions_known=np.array([_is_lesion_known(row) for row in rows], np.bool_),
        named_by=named_by,
    )


def _pictures(
    rows: Sequence[ManifestRow],
    decode: Decode,
    config: PreprocessConfig,
    progress: Progress | None,
) -> tuple[list[ManifestRow], NDArray[np.float32], NDArray[np.float32]]:
    """The N rows that could be decoded, the prepared slices (N, S, S) and their lesions (N, 4)."""
    images = np.zeros((len(rows), config.size, config.size), np.float32)
    lesions = np.full((len(rows), 4), np.nan, np.float32)
    kept: list[ManifestRow] = []
    for number, row in enumerate(rows):
        decoded = decode(row.path)
        if decoded is not None:
            images[len(kept)], placement = _prepared(row, decoded, config)
            if row.lesion_box is not None:
                lesions[len(kept)] = _share(row.lesion_box, placement, config.size)
            kept.append(row)
        if progress is not None:
            progress(number + 1, len(rows))
    if rows and not kept:
        raise ManifestError("no listed file gives a slice")
    return kept, images[: len(kept)], lesions[: len(kept)]


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


def _is_lesion_known(row: ManifestRow) -> bool:
    return row.lesion_free or row.lesion_box is not None


def _plane(row: ManifestRow, planes: Mapping[str, str]) -> int:
    return PLANES.index(planes[row.patient_id]) if row.patient_id in planes else UNKNOWN_PLANE
