"""Slice lists and the data sets made from them."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from model.errors import ManifestError
from model.manifest import Decoded, load_dataset, read_manifest, read_planes
from model.preprocess import PreprocessConfig

HEADER = (
    "file,sop_instance_uid,study_instance_uid,series_instance_uid,patient_id,modality,label,fold,"
    "group_kind,lesion_box_xyxy"
)
CONFIG = PreprocessConfig(size=16)


@pytest.fixture
def listed(tmp_path: Path) -> Path:
    path = tmp_path / "slices.csv"
    lines = [
        HEADER,
        "a/1.dcm,1.2.1,1.3,1.4,P1,MR,glioma,1,series_guess,7 6.5 9 12",
        "a/2.dcm,1.2.2,1.3,1.4,P1,MR,glioma,1,series_guess,",
        "b/3.dcm,1.2.3,1.5,1.6,P2,CT,bleed,2,patient,",
    ]
    path.write_text("\n".join(lines))
    return path


def decode(path: Path) -> Decoded:
    """A square whose brightness says which file was asked for."""
    image = np.zeros((20, 20), np.float32)
    image[5:15, 5:15] = 10 * int(path.stem)
    return Decoded(image)


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


def test_what_is_known_of_a_slice_is_read(listed: Path) -> None:
    first, second, third = read_manifest(listed)

    assert first.series_instance_uid == "1.4"
    assert [row.group_kind for row in (first, second, third)] == [
        "series_guess",
        "series_guess",
        "patient",
    ]
    assert (first.lesion_box, second.lesion_box) == ((7.0, 6.5, 9.0, 12.0), None)


def test_what_may_be_unknown_may_be_missing(listed: Path) -> None:
    lines = [line.rsplit(",", 2)[0] for line in listed.read_text().splitlines()]
    listed.write_text("\n".join(lines))

    assert {(row.group_kind, row.lesion_box, row.lesion_free) for row in read_manifest(listed)} == {
        ("patient", None, False)
    }


def test_in_a_list_of_boxes_none_means_that_there_is_no_lesion(listed: Path) -> None:
    rows = read_manifest(listed)
    without = [replace(row, lesion_free=False) for row in rows]

    assert [row.lesion_free for row in rows] == [False, True, True]
    assert load_dataset(rows, decode, CONFIG).lesions_known.tolist() == [True, True, True]
    assert load_dataset(without, decode, CONFIG).lesions_known.tolist() == [True, False, False]


def test_folds_are_chosen(listed: Path) -> None:
    assert {row.fold for row in read_manifest(listed, folds=(2, 3))} == {2}
    with pytest.raises(ManifestError, match="no row"):
        read_manifest(listed, folds=(9,))


def test_a_group_in_two_folds_is_an_error_that_names_nobody(listed: Path) -> None:
    with listed.open("a") as lines:
        lines.write("\nb/4.dcm,1.2.4,1.5,1.6,P2,CT,bleed,3,patient,\n")

    with pytest.raises(ManifestError, match="1 of 2 groups") as caught:
        read_manifest(listed, folds=(1,))
    assert "P2" not in str(caught.value)


def test_a_missing_column_or_list_is_an_error(listed: Path) -> None:
    with pytest.raises(ManifestError, match="cannot read"):
        read_manifest(listed.with_name("none.csv"))
    listed.write_text("file,label\nx.dcm,glioma\n")
    with pytest.raises(ManifestError, match=r"slices.csv has no column sop_instance_uid"):
        read_manifest(listed)


def test_a_data_set_has_labels_groups_and_prepared_images(listed: Path) -> None:
    data = load_dataset(read_manifest(listed), decode, CONFIG, planes={"P1": "coronal"})

    assert data.label_names == ("bleed", "glioma")
    assert data.labels.tolist() == [1, 1, 0]
    assert [data.group_names[group] for group in data.groups] == ["P1", "P1", "P2"]
    assert data.group_kinds.tolist() == ["series_guess", "series_guess", "patient"]
    assert data.folds.tolist() == [1, 1, 2]
    assert data.modalities.tolist() == ["MR", "MR", "CT"]
    assert data.planes.tolist() == [1, 1, -1]
    assert data.sop_instance_uids == ("1.2.1", "1.2.2", "1.2.3")
    assert data.images.shape == (3, 16, 16)
    assert data.images.max() > 0


def test_a_row_that_cannot_be_decoded_is_left_out_whole(listed: Path) -> None:
    rows, heard = read_manifest(listed), list[int]()

    def without_second(path: Path) -> Decoded | None:
        return None if path == rows[1].path else decode(path)

    data = load_dataset(
        rows, without_second, CONFIG, progress=lambda done, _total: heard.append(done)
    )

    whole = load_dataset(rows, decode, CONFIG).subset([0, 2])
    assert data.sop_instance_uids == ("1.2.1", "1.2.3")
    assert heard == [1, 2, 3]
    np.testing.assert_array_equal(data.images, whole.images)
    np.testing.assert_array_equal(data.lesions, whole.lesions)
    np.testing.assert_array_equal(data.labels, whole.labels)
    assert [data.group_names[group] for group in data.groups] == ["P1", "P2"]
    with pytest.raises(ManifestError, match="no listed file"):
        load_dataset(rows, lambda _path: None, CONFIG)


def test_a_lesion_is_told_in_shares_of_the_picture(listed: Path) -> None:
    lesions = load_dataset(read_manifest(listed), decode, CONFIG).lesions

    # The square from 4.5 to 14.5, the edges of its pixels, fills the picture.
    np.testing.assert_allclose(lesions[0], (0.25, 0.2, 0.45, 0.75), atol=1e-6)
    assert np.isnan(lesions[1:]).all()


def test_what_is_cut_off_the_picture_is_cut_off_the_lesion(listed: Path) -> None:
    row = replace(read_manifest(listed)[0], lesion_box=(0.0, 7.0, 9.0, 30.0))

    lesions = load_dataset([row], decode, CONFIG).lesions

    np.testing.assert_allclose(lesions[0], (0.0, 0.25, 0.45, 1.0), atol=1e-6)


def test_a_slice_is_turned_and_scaled_as_its_file_says(listed: Path) -> None:
    row = read_manifest(listed, folds=(2,))[0]
    pixels = np.zeros((20, 40), np.float32)
    pixels[5:15, 10:30] = 600
    pixels[5:10, 10:20] = 1000

    def flipped(path: Path) -> Decoded:
        return Decoded(pixels[:, ::-1], (-1.0, 0, 0, 0, 1, 0), (2.0, 1.0), "OT")

    images = load_dataset([row], flipped, CONFIG).images

    assert images[0, :7, :7].min() > images[0, 9:, 9:].max() > 0


def test_progress_is_told(listed: Path) -> None:
    heard: list[tuple[int, int]] = []

    load_dataset(
        read_manifest(listed), decode, CONFIG, progress=lambda *numbers: heard.append(numbers)
    )

    assert heard == [(1, 3), (2, 3), (3, 3)]


def test_pixels_that_are_no_numbers_make_a_finite_picture(listed: Path) -> None:
    rows = read_manifest(listed)

    data = load_dataset(rows, lambda path: Decoded(np.full((9, 9), np.nan, np.float32)), CONFIG)

    assert not data.images.any()


def test_labels_of_a_training_set_are_kept(listed: Path) -> None:
    rows = read_manifest(listed, folds=(2,))

    assert load_dataset(rows, decode, CONFIG, ("glioma", "bleed")).labels.tolist() == [1]
    with pytest.raises(ManifestError, match="1 of the listed labels have no name"):
        load_dataset(rows, decode, CONFIG, ["glioma"])


def test_planes_are_read(tmp_path: Path) -> None:
    path = tmp_path / "planes.csv"
    path.write_text("group,plane\nP1,axial\nP2,sagittal\nP1,axial\n")

    assert read_planes(path) == {"P1": "axial", "P2": "sagittal"}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("group,plane\nP1,oblique\n", "none of axial, coronal, sagittal"),
        ("group,plane\nP1,axial\nP1,coronal\n", "line 3: a second plane for one group"),
        ("group\nP1\n", "has no column plane"),
        ("group,plane\n,axial\n", "line 2: group is empty"),
    ],
)
def test_a_broken_list_of_planes_is_an_error(tmp_path: Path, text: str, reason: str) -> None:
    path = tmp_path / "planes.csv"
    path.write_text(text)

    with pytest.raises(ManifestError, match=reason):
        read_planes(path)
    with pytest.raises(ManifestError, match="cannot read"):
        read_planes(tmp_path / "none.csv")
