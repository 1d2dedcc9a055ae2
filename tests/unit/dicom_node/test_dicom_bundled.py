"""Real files that come with pydicom, through import and decoding; the figures are pydicom's own."""

from pathlib import Path

import numpy as np
import pytest
from pydicom.data import get_testdata_file

from dicom_node.errors import PixelsFailed, PixelsUnsupported
from dicom_node.files import ObjectStore
from dicom_node.importing import import_file
from dicom_node.pixels import Frame, iter_frames
from dicom_node.receive import Receiver
from tests.unit.dicom_node.samples import Gallery


def frames_of(name: str, folder: Path) -> list[Frame]:
    gallery, store = Gallery(), ObjectStore(folder)
    path = Path(str(get_testdata_file(name, download=False)))
    import_file(Receiver(store, gallery), path)
    return list(iter_frames(store.path(gallery.objects[0].file.name)))


@pytest.mark.parametrize(
    "name",
    [
        "MR_small.dcm",
        "MR_small_bigendian.dcm",
        "MR_small_implicit.dcm",
        "MR_small_padded.dcm",
        "MR_small_RLE.dcm",
        "MR_small_jp2klossless.dcm",
        "MR_small_jpeg_ls_lossless.dcm",
    ],
)
def test_one_image_is_the_same_in_every_syntax(name: str, tmp_path: Path) -> None:
    (frame,) = frames_of(name, tmp_path)
    (first,) = frames_of("MR_small.dcm", tmp_path)
    np.testing.assert_array_equal(frame.pixels, first.pixels)
    assert frame.pixels.shape == (64, 64)


@pytest.mark.parametrize("name", ["JPGExtended.dcm", "JPEG-lossy.dcm"])
def test_jpeg_extended_with_12_bits_is_decoded(name: str, tmp_path: Path) -> None:
    (frame,) = frames_of(name, tmp_path)
    assert frame.pixels.shape == (1024, 256)
    assert (frame.pixels[420, 140], frame.pixels[230, 120]) == (244, 95)


def test_a_ct_is_in_hounsfield_units(tmp_path: Path) -> None:
    (frame,) = frames_of("CT_small.dcm", tmp_path)
    assert frame.is_hu
    assert (frame.pixels.min(), frame.pixels.max()) == (-896, 1167)


@pytest.mark.parametrize(
    ("name", "count"),
    [
        ("SC_rgb_jpeg_dcmtk.dcm", 1),
        ("SC_rgb_rle_32bit_2frame.dcm", 2),
        ("SC_rgb_small_odd_big_endian.dcm", 1),
        ("SC_ybr_full_422_uncompressed.dcm", 1),
        ("examples_palette.dcm", 1),
        ("examples_ybr_color.dcm", 30),
        ("image_dfl.dcm", 1),
        ("liver_expb_1frame.dcm", 1),
        ("rtdose_rle.dcm", 15),
        ("693_J2KI.dcm", 1),
    ],
)
def test_every_kind_of_image_has_its_frames(name: str, count: int, tmp_path: Path) -> None:
    frames = frames_of(name, tmp_path)
    assert len(frames) == count
    for frame in frames:
        assert frame.pixels.ndim == 2
        assert np.isfinite(frame.pixels).any()


@pytest.mark.parametrize("name", ["reportsi.dcm", "rtplan.dcm", "waveform_ecg.dcm", "test-SR.dcm"])
def test_what_is_no_image_is_unsupported(name: str, tmp_path: Path) -> None:
    with pytest.raises(PixelsUnsupported, match="not an image"):
        frames_of(name, tmp_path)


@pytest.mark.parametrize("name", ["badVR.dcm", "JPEG2000-embedded-sequence-delimiter.dcm"])
def test_what_is_broken_fails(name: str, tmp_path: Path) -> None:
    with pytest.raises(PixelsFailed):
        frames_of(name, tmp_path)
