"""Slice lists and the data sets made from them."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from model.dataset import Dataset
from model.errors import DatasetError, ManifestError
from model.manifest import load_dataset, read_manifest
from model.preprocess import PreprocessConfig

HEADER = (
    "file,sop_instance_uid,study_instance_uid,series_instance_uid,patient_id,modality,label,fold"
)


@pytest.fixture
def listed(tmp_path: Path) -> Path:
    path = tmp_path / "slices.csv"
    lines = [
        HEADER,
        "a/1.dcm,1.2.1,1.3,1.4,P1,MR,glioma,1",
        "a/2.dcm,1.2.2,1.3,1.4,P1,MR,glioma,1",
        "b/3.dcm,1.2.3,1.5,1.6,P2,CT,bleed,2",
    ]
    path.write_text("\n".join(lines))
    return path


def decode(path: Path) -> NDArray[np.float32]:
    """A square whose brightness says which file was asked for."""
    image = np.zeros((20, 20), np.float32)
    image[5:15, 5:15] = 10 * int(path.stem)
    return image


def test_rows_are_read_in_order_with_paths_beside_the_list(listed: Path) -> None:
    rows = read_manifest(listed)

    assert [row.sop_instance_uid for row in rows] == ["1.2.1", "1.2.2", "1.2.3"]
    assert rows[0].path == listed.parent / "a" / "1.dcm"
    assert (rows[2].patient_id, rows[2].modality, rows[2].label, rows[2].fold) == (
        "P2",
        "CT",
        "bleed",
        2,
    )


def test_folds_are_chosen(listed: Path) -> None:
    assert {row.fold for row in read_manifest(listed, folds=(2, 3))} == {2}
    with pytest.raises(ManifestError, match="no row"):
        read_manifest(listed, folds=(9,))


@pytest.mark.parametrize("line", ["x.dcm,1.2,1,1,P,MR,glioma,one", "x.dcm,1.2,1,1,P,MR,glioma"])
def test_broken_rows_are_errors(listed: Path, line: str) -> None:
    listed.write_text(f"{HEADER}\n{line}\n")

    with pytest.raises(ManifestError, match="missing column or value"):
        read_manifest(listed)


def test_a_missing_column_or_list_is_an_error(listed: Path) -> None:
    with pytest.raises(ManifestError, match="cannot read"):
        read_manifest(listed.with_name("none.csv"))
    listed.write_text("file,label\nx.dcm,glioma\n")
    with pytest.raises(ManifestError, match="missing column"):
        read_manifest(listed)


def test_a_data_set_has_labels_groups_and_prepared_images(listed: Path) -> None:
    data = load_dataset(read_manifest(listed), decode, PreprocessConfig(size=16))

    assert data.label_names == ("bleed", "glioma")
    assert data.labels.tolist() == [1, 1, 0]
    assert data.groups[0] == data.groups[1] != data.groups[2]
    assert data.images.shape == (3, 16, 16)
    assert data.images.max() > 0


def test_labels_of_a_training_set_are_kept(listed: Path) -> None:
    rows = read_manifest(listed, folds=(2,))
    names = ("glioma", "bleed")

    assert load_dataset(rows, decode, PreprocessConfig(size=16), names).labels.tolist() == [1]
    with pytest.raises(ManifestError, match="without a name: bleed"):
        load_dataset(rows, decode, PreprocessConfig(size=16), ["glioma"])


def test_a_data_set_must_fit_together() -> None:
    images, one = np.zeros((1, 8, 8), np.float32), np.zeros(1, np.int64)

    with pytest.raises(DatasetError, match="not \\(N, 16, 16\\)"):
        Dataset(images, one, one, ("a",), PreprocessConfig(size=16))
    with pytest.raises(DatasetError, match="need 1 labels"):
        Dataset(images, np.zeros(2, np.int64), one, ("a",), PreprocessConfig(size=8))
    with pytest.raises(DatasetError, match="no name"):
        Dataset(images, one + 1, one, ("a",), PreprocessConfig(size=8))
