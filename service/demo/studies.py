"""Writes the demo's studies into a folder: DICOM files, and the labels that belong to them.

Starts no service and sends nothing.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

from service.demo.cases import GLIOMA, LABELS, Case
from service.demo.instances import Place, make_instance

LABEL_SOURCE = "phantom"
LABELS_CSV = "labels.csv"
DICOM_FOLDER = "dicom"


@dataclass(frozen=True)
class StudySet:
    """What was written; files in the order of patients and, within one, from below."""

    files: tuple[Path, ...]
    labels_csv: Path
    query_sop_instance_uid: str
    """A slice through the middle of the largest glioma: a good question to begin with."""


def write_studies(
    folder: Path, *, patients: int = 36, slices_per_patient: int = 6, seed: int = 2018
) -> StudySet:
    """Draws one study a patient and writes it as DICOM Part 10 files below `folder`/dicom.

    The labels take turns (intracerebral hemorrhage on CT, pituitary tumour and glioma on MR), the
    transfer syntaxes too (Explicit and Implicit VR Little Endian, RLE Lossless). Everything follows
    from the arguments: the same ones give the same bytes. `labels.csv` in `folder` has the columns
    sop_instance_uid, label, source. Files of an earlier call are overwritten.

    Raises ValueError when there is not one patient for each label or no slice.
    """
    if patients < len(LABELS) or slices_per_patient < 1:
        raise ValueError(f"at least {len(LABELS)} patients and 1 slice each are needed")
    files: list[Path] = []
    labels: list[tuple[str, str, str]] = []
    cases = [Case.drawn(seed, number) for number in range(1, patients + 1)]
    asked = max((c for c in cases if c.label == GLIOMA), key=lambda c: c.lesion.radius)
    query = ""
    for case in cases:
        heights = case.heights(slices_per_patient)
        for index, height in enumerate(heights):
            instance = make_instance(case, Place(index, height, case.spacing(slices_per_patient)))
            path = folder / DICOM_FOLDER / f"study-{case.number:03d}" / f"slice-{index + 1:02d}.dcm"
            path.parent.mkdir(parents=True, exist_ok=True)
            instance.save_as(path, enforce_file_format=True)
            files.append(path)
            labels.append((str(instance.SOPInstanceUID), case.label, LABEL_SOURCE))
            if case is asked and index == slices_per_patient // 2:
                query = str(instance.SOPInstanceUID)
    return StudySet(tuple(files), _write_labels(folder / LABELS_CSV, labels), query)


def _write_labels(path: Path, labels: list[tuple[str, str, str]]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(("sop_instance_uid", "label", "source"))
        writer.writerows(labels)
    return path
