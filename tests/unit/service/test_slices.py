"""A slice of a file reaches preprocessing with all that its header says of it."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dicom_node.errors import PixelsFailed, PixelsUnsupported
from model.manifest import Decoded, read_manifest
from model.preprocess import PreprocessConfig, prepare, prepare_placed
from service.decoding import Prepared, Refusal, Task, prepare_frames
from service.errors import InvalidParameter
from service.settings import WorkerSettings
from service.slices import SliceReader, decode_slice, read_slice, slice_decoder
from tests.support.heads import ct_head, mr_head
from tests.support.objects import ct_dataset, write_file

CONFIG = PreprocessConfig(size=64)


def written(folder: Path, stored: Any, **changes: Any) -> Path:
    """An MR slice, or what the changes make of it."""
    plain = {"Modality": "MR", "RescaleSlope": None, "RescaleIntercept": None}
    dataset = ct_dataset(pixels=np.ascontiguousarray(stored), **{**plain, **changes})
    return write_file(folder / "slice.dcm", dataset)


def prepared(decoded: Decoded) -> Any:
    return prepare(
        decoded.pixels,
        modality=decoded.modality or "",
        config=CONFIG,
        orientation=decoded.orientation,
        spacing=decoded.spacing,
    )


def test_training_and_serving_see_the_same_picture(tmp_path: Path) -> None:
    stored = mr_head().astype(np.int16)[::2, ::-1]
    path = written(
        tmp_path,
        stored,
        ImageOrientationPatient=[-1, 0, 0, 0, 1, 0],
        PixelSpacing=[1.8, 0.9],
    )

    decoded = read_slice(path)

    assert (decoded.orientation, decoded.spacing) == ((-1, 0, 0, 0, 1, 0), (1.8, 0.9))
    served = prepare_frames(Task(path, 0, 1), CONFIG)
    assert isinstance(served, Prepared)
    np.testing.assert_array_equal(served.pictures, [prepared(decoded)])
    expected = prepare(stored[:, ::-1], modality="MR", config=CONFIG, spacing=(2.0, 1.0))
    np.testing.assert_allclose(prepared(decoded), expected, atol=1e-6)


def test_an_inverted_slice_is_the_same_picture(tmp_path: Path) -> None:
    stored = mr_head().astype(np.int16)
    inverted = written(
        tmp_path,
        4095 - stored,
        PhotometricInterpretation="MONOCHROME1",
        BitsStored=12,
        HighBit=11,
        PixelRepresentation=0,
    )

    np.testing.assert_allclose(
        prepared(read_slice(inverted)), prepare(stored, modality="MR", config=CONFIG), atol=1e-3
    )


@pytest.mark.parametrize(("slope", "modality"), [(1.0, "CT"), (None, "OT")])
def test_a_ct_that_is_not_in_hounsfield_units_is_scaled_as_something_else(
    tmp_path: Path, slope: float | None, modality: str
) -> None:
    path = written(
        tmp_path,
        ct_head().astype(np.int16),
        Modality="CT",
        RescaleSlope=slope,
        RescaleIntercept=None if slope is None else 0.0,
    )

    assert read_slice(path).modality == modality


def test_what_is_no_slice_is_refused(tmp_path: Path) -> None:
    text = tmp_path / "none.dcm"
    text.write_text("no DICOM")

    with pytest.raises((PixelsUnsupported, PixelsFailed)):
        read_slice(text)
    assert isinstance(decode_slice(text), Refusal)


def test_files_are_decoded_in_order_and_a_bad_one_is_named(tmp_path: Path) -> None:
    good = written(tmp_path, mr_head().astype(np.int16))
    bad = tmp_path / "bad.dcm"
    bad.write_bytes(b"no DICOM")

    with slice_decoder(WorkerSettings(decode_processes=1), [good, good, bad]) as decode:
        decoded = decode(good)
        assert decoded is not None
        np.testing.assert_array_equal(decoded.pixels, mr_head())
        with pytest.raises(ValueError, match="is next"):
            decode(bad)
        assert decode(bad) is None
        assert decode.unreadable == [bad]


def test_an_object_of_several_frames_is_refused_by_name(tmp_path: Path) -> None:
    """Which of them has the label? The first is a guess, and a silent one."""
    frames = np.stack([mr_head(), mr_head()]).astype(np.int16)
    shape = {"NumberOfFrames": 2, "Rows": frames.shape[1], "Columns": frames.shape[2]}
    dataset = ct_dataset(pixels=frames[0], PixelData=frames.tobytes(), **shape)
    path = write_file(tmp_path / "many.dcm", dataset)

    with pytest.raises(InvalidParameter, match=r"many\.dcm has 2 frames.* one frame each"):
        read_slice(path)
    with (
        slice_decoder(WorkerSettings(decode_processes=1), [path]) as decode,
        pytest.raises(InvalidParameter, match=r"many\.dcm has 2 frames"),
    ):
        decode(path)


@pytest.mark.parametrize(("files", "most"), [(3, 5), (500, 5), (700, 7), (3104, 31)])
def test_a_handful_or_one_in_a_hundred_may_be_unreadable(files: int, most: int) -> None:
    paths = [Path(f"{n}.dcm") for n in range(files)]
    reader = SliceReader(paths, iter([Refusal("failed", "no DICOM")] * files))

    for path in paths[:most]:
        assert reader(path) is None
    if files > most:
        with pytest.raises(InvalidParameter, match=rf"more than {most} of {files} .*0\.dcm.*no DI"):
            reader(paths[most])


def test_every_lesion_of_a_real_slice_lies_in_its_picture(shared_data: Path) -> None:
    rows = [row for row in read_manifest(shared_data / "slices.csv") if row.lesion_box]

    for row in rows[:: len(rows) // 40]:
        decoded = read_slice(row.path)
        picture, placement = prepare_placed(
            decoded.pixels, modality=decoded.modality or "", config=CONFIG
        )
        left, top, right, bottom = placement.box_to_prepared(row.lesion_box or (0, 0, 0, 0))
        assert min(left, top) > -0.5
        assert max(right, bottom) < CONFIG.size - 0.5
        assert picture[round(top) : round(bottom) + 1, round(left) : round(right) + 1].max() > 0.2
