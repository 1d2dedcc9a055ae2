"""From an upload, or a box of a stored slice, to the encoder's input.

Runs in decoding processes, where foreign bytes can do little harm; no torch. Whatever is wrong with
an upload is an UploadUnsearchable whose words name no value of it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from dicom_node.errors import DicomError, StoredFileUnreadable
from dicom_node.header import Header
from dicom_node.importing import read_dicom_file
from dicom_node.pixels import Frame, iter_frames
from model.placement import Box
from model.preprocess import PreprocessConfig, prepare, prepare_placed
from service.decoding import picture_of, scale_of
from service.errors import ServiceError, Unavailable, UploadUnsearchable
from service.uploads.kinds import Kind, kind_of
from service.uploads.pictures import read_picture

MINIMUM_SIDE = 8  # pixels of a region: less shows nothing that the encoder could tell apart
# Of a region's sides, added around it: how a lesion ends tells as much as what is in it. Measured
# in docs/uploads.md.
_MARGIN = 0.25
# A deflated dataset may grow to this, whatever was allowed to be sent.
_MOST_INFLATED = 1 << 28

_Found = TypeVar("_Found")
CtWindow = tuple[float, float]  # HU of black and of white


@dataclass(frozen=True)
class PreparedUpload:
    """A frame of an upload as the encoder sees it, (S, S); `header` is None without DICOM."""

    kind: Kind
    picture: NDArray[np.float32]
    header: Header | None


@dataclass(frozen=True)
class PreparedRegion:
    """A whole slice as the encoder sees it, (S, S), and the region's box in it (edges)."""

    picture: NDArray[np.float32]
    box: Box


def prepare_upload(
    data: bytes, number: int, config: PreprocessConfig, ct_window: CtWindow | None = None
) -> PreparedUpload:
    """Frame `number` (1-based) of an upload.

    `ct_window` says what a picture of a CT shows as black and as white, in HU.

    Raises:
        UploadUnsupported: it is no DICOM file, PNG or JPEG.
        UploadUnsearchable: it is broken, no image, shows nothing or has no such frame.
    """
    try:
        return _refusing(lambda: _prepare_upload(data, number, config, ct_window))
    except ServiceError:
        raise
    except Exception as error:
        # A stranger's bytes: whatever they set off is told, without words that may quote them.
        kind = type(error).__name__
        raise UploadUnsearchable(f"It cannot be decoded ({kind}).") from None


def _prepare_upload(
    data: bytes, number: int, config: PreprocessConfig, ct_window: CtWindow | None
) -> PreparedUpload:
    kind = kind_of(data)
    if kind == "dicom":
        if ct_window is not None:
            raise UploadUnsearchable("A DICOM file says itself what its values mean: no ct_window.")
        return _prepare_dicom(data, number, config)
    if number != 1:
        raise UploadUnsearchable(f"A {kind.upper()} file has one frame, not {number}.")
    shown = read_picture(data, kind)
    pixels, modality = shown.pixels, "OT"  # like a screenshot: scaled by its own brightness
    if ct_window is not None:
        black, white = ct_window
        pixels, modality = pixels * ((white - black) / shown.white) + black, "CT"
    return PreparedUpload(kind, _shows(prepare(pixels, modality=modality, config=config)), None)


def _prepare_dicom(data: bytes, number: int, config: PreprocessConfig) -> PreparedUpload:
    found = read_dicom_file(BytesIO(data), _MOST_INFLATED)
    frame = _frame(found.as_stored(), number)
    return PreparedUpload("dicom", _shows(picture_of(frame, config)), found.header)


def prepare_region(path: Path, number: int, box: Box, config: PreprocessConfig) -> PreparedRegion:
    """A box of frame `number` (1-based) of a stored object.

    `box` is (left, top, right, bottom) in pixels of the frame, edges at integers: (0, 0, columns,
    rows) is all of it.

    Raises:
        UploadUnsearchable: it cannot be decoded, or the box lies outside it or shows nothing.
    """
    return _refusing(lambda: _prepare_region(path, number, box, config))


def _prepare_region(path: Path, number: int, box: Box, config: PreprocessConfig) -> PreparedRegion:
    frame = _frame(path, number)
    rows, columns = frame.pixels.shape
    if box[2] > columns or box[3] > rows:
        raise UploadUnsearchable(f"The box leaves the slice, which is {columns} x {rows} pixels.")
    picture, placement = prepare_placed(
        frame.pixels,
        modality=scale_of(frame),
        config=config,
        orientation=frame.geometry.orientation,
        spacing=frame.geometry.spacing,
    )
    left, top, right, bottom = box
    # A placement counts from the centres of pixels, a box from their edges.
    found = placement.box_to_prepared((left - 0.5, top - 0.5, right - 0.5, bottom - 0.5))
    inner = (found[0] + 0.5, found[1] + 0.5, found[2] + 0.5, found[3] + 0.5)
    if not _inside(picture, inner).any():
        raise UploadUnsearchable("The box shows nothing: it lies outside the head.")
    return PreparedRegion(picture, _widened(inner))


def _inside(picture: NDArray[np.float32], box: Box) -> NDArray[np.float32]:
    left, top, right, bottom = (max(0, round(edge)) for edge in box)
    return picture[top:bottom, left:right]


def _widened(box: Box) -> Box:
    left, top, right, bottom = box
    across, down = _MARGIN * (right - left), _MARGIN * (bottom - top)
    return left - across, top - down, right + across, bottom + down


def _frame(file: Path | BytesIO, number: int) -> Frame:
    total = 0
    for frame in iter_frames(file, number - 1, number):
        return frame
    for frame in iter_frames(file, 0, 1):
        total = frame.total
    raise UploadUnsearchable(f"The object has {total} frame(s), not {number}.")


def _shows(picture: NDArray[np.float32]) -> NDArray[np.float32]:
    if not picture.any():
        raise UploadUnsearchable("The upload shows nothing: it is equally bright everywhere.")
    return picture


def _refusing(work: Callable[[], _Found]) -> _Found:
    try:
        return work()
    except StoredFileUnreadable as error:
        raise Unavailable(f"The slice cannot be read: {error}.") from None
    except DicomError as error:
        raise UploadUnsearchable(f"It cannot be searched by: {error}.") from None
    except MemoryError:
        raise UploadUnsearchable("Decoding it needs more memory than is allowed.") from None
