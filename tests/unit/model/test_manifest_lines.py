"""What is amiss in a list is told by line and column, and never quoted."""

import traceback
from pathlib import Path

import pytest

from model.errors import ManifestError
from model.manifest import read_manifest

HEADER = (
    "file,sop_instance_uid,study_instance_uid,series_instance_uid,patient_id,modality,label,fold,"
    "group_kind,lesion_box_xyxy"
)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("x.dcm,1.2,1,1,P,MR,glioma,one,patient,", "line 2: fold is no whole number"),
        ("x.dcm,1.2,1,1,P,MR,glioma", "line 2: fold is empty"),
        ("x.dcm,1.2,1,1,,MR,glioma,1,patient,", "line 2: patient_id is empty"),
        ("x.dcm,1.2,1,1,P,MR,,1,patient,", "line 2: label is empty"),
        ("x.dcm,1.2,1,1,P,MR,glioma,1,person,", "line 2: group_kind is none of patient, series"),
        ("x.dcm,1.2,1,1,P,MR,glioma,1,patient,1 2 3", "lesion_box_xyxy is not four numbers"),
        ("x.dcm,1.2,1,1,P,MR,glioma,1,patient,9 9 1 1", "lesion_box_xyxy is not left, top"),
        ("x.dcm,1.2,1,1,P,MR,glioma,1,patient,nan 1 2 3", "lesion_box_xyxy is not left, top"),
        ("x.dcm,1.2,1,1,P,MR,glioma,1,patient,,more", "line 2: too many cells"),
    ],
)
def test_broken_rows_are_errors(tmp_path: Path, line: str, words: str) -> None:
    listed = tmp_path / "slices.csv"
    listed.write_text(f"{HEADER}\n{line}\n")

    with pytest.raises(ManifestError, match=words):
        read_manifest(listed)


@pytest.mark.parametrize(
    "cells",
    [
        "x.dcm,1.2,1,1,P,MR,glioma,DOE JANE,patient,",
        "x.dcm,1.2,1,1,P,MR,glioma,1,DOE JANE,",
        "x.dcm,1.2,1,1,P,MR,glioma,1,patient,DOE JANE",
        "x.dcm,1.2,1,1,P,MR,glioma,1,patient,9 DOE 1 JANE",
        "x.dcm,1.2,1,1,P,MR,glioma,1,patient,,DOE JANE",
        "x.dcm,1.2,1,1,P,MR,glioma,1,patient,,DOE JANE\xff",
    ],
)
def test_no_error_quotes_a_cell(tmp_path: Path, cells: str) -> None:
    """If columns have shifted, a patient's name may stand anywhere."""
    listed = tmp_path / "slices.csv"
    listed.write_bytes(f"{HEADER}\n{cells}\n".encode("latin-1"))

    with pytest.raises(ManifestError) as caught:
        read_manifest(listed)
    shown = "".join(traceback.format_exception(caught.value))
    assert not any(part in shown for part in ("DOE", "JANE", "xff"))
