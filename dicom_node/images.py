"""Opens an object's image and decodes its frames one at a time, as stored values.

Decides what is an image at all. What the stored values mean is the business of `grayscale`.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from numpy.typing import NDArray
from pydicom.datadict import tag_for_keyword
from pydicom.dataset import Dataset
from pydicom.pixels.decoders.base import Decoder, get_decoder
from pydicom.pixels.utils import as_pixel_options

from dicom_node.dataset import (
    UNDEFINED_LENGTH,
    DatasetSource,
    PixelElement,
    open_stored,
    read_elements,
)
from dicom_node.errors import (
    CannotUnderstand,
    PixelsFailed,
    PixelsUnsupported,
    StoredFileUnreadable,
)
from dicom_node.native import native_grey
from dicom_node.reasons import scrubbed
from dicom_node.uids import is_uid, uid_name
from dicom_node.values import integer_of, text_of

KEYWORDS = (
    *("SOPClassUID", "Modality", "ImageType", "NumberOfFrames", "SamplesPerPixel"),
    *("PhotometricInterpretation", "PlanarConfiguration", "Rows", "Columns"),
    *("BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation"),
    *("PixelPaddingValue", "PixelPaddingRangeLimit", "DoseGridScaling"),
    *("RescaleSlope", "RescaleIntercept", "RescaleType", "ModalityLUTSequence"),
    *("WindowCenter", "WindowWidth", "VOILUTFunction"),
    *("PaletteColorLookupTableUID", "SegmentedRedPaletteColorLookupTableData"),
    *("SegmentedGreenPaletteColorLookupTableData", "SegmentedBluePaletteColorLookupTableData"),
    *(f"{name}PaletteColorLookupTableDescriptor" for name in ("Red", "Green", "Blue")),
    *(f"{name}PaletteColorLookupTableData" for name in ("Red", "Green", "Blue")),
    *("ExtendedOffsetTable", "ExtendedOffsetTableLengths"),
    *("ImageOrientationPatient", "PixelSpacing", "PixelAspectRatio"),
    *("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"),
)
_TAGS = frozenset(tag for word in KEYWORDS if (tag := tag_for_keyword(word)) is not None)
_PIXEL_KEYWORDS = {
    0x7FE00008: "FloatPixelData",
    0x7FE00009: "DoubleFloatPixelData",
    0x7FE00010: "PixelData",
}
# MPEG2, MPEG-4, HEVC and the SMPTE streams: frames of a film, not slices.
_VIDEO = re.compile(r"1\.2\.840\.10008\.1\.2\.(4\.10[0-8](\.1)?|7\.[123])")
_JPIP = re.compile(r"1\.2\.840\.10008\.1\.2\.4\.(94|95|204|205)")
_MAX_FRAMES = 2**31 - 1


@dataclass(frozen=True)
class PixelLimits:
    """What one object may ask of a decoder: pixels in a frame, and frames."""

    frame_pixels: int = 1 << 26
    frames: int = 1 << 16


@dataclass(frozen=True)
class Image:
    """An opened image: its describing elements, its declared frames, and how to decode them."""

    dataset: Dataset
    frames: int
    _source: DatasetSource
    _pixels: PixelElement
    _decoder: Decoder

    def decode(self, indices: range) -> Iterator[NDArray[Any]]:
        """Decode the frames with these indices (from 0), one at a time.

        Yields:
            Stored values (H, W), or (H, W, 3) for colour, YBR turned into RGB.

        Raises:
            PixelsFailed: a frame does not decode; the reason names the frame and the codec's words.
        """
        decoded = self._frames(indices)
        for index in indices:
            try:
                frame = next(decoded)
            except (MemoryError, PixelsFailed):
                raise
            except Exception as error:
                why = scrubbed(error)
                raise PixelsFailed(f"frame {index + 1} does not decode: {why}") from None
            yield frame

    def _is_plain(self) -> bool:
        """Whether whole numbers lie in the file one behind the other, little endian."""
        syntax = self._decoder.UID
        return (
            not syntax.is_encapsulated
            and syntax.is_little_endian
            and _PIXEL_KEYWORDS[self._pixels.tag] == "PixelData"
        )

    def _options(self) -> dict[str, Any]:
        """How the pixels are laid out, in pydicom's words."""
        try:
            return as_pixel_options(
                self.dataset,
                number_of_frames=self.frames,
                pixel_keyword=_PIXEL_KEYWORDS[self._pixels.tag],
                pixel_vr=self._pixels.vr or "OW",
                allow_excess_frames=False,
            )
        except Exception as error:
            kind = type(error).__name__
            raise PixelsFailed(
                f"the elements that describe the pixels are broken ({kind})"
            ) from None

    def _frames(self, indices: range) -> Iterator[NDArray[Any]]:
        native = native_grey(self.dataset) if self._is_plain() else None
        if native is not None:
            for index in indices:
                offset = self._pixels.offset + index * native.frame_bytes
                yield native.read(self._source.file, offset)
            return
        options = self._options()
        fragments = self._pixels.fragments
        if fragments and len(fragments) == self.frames:
            # One fragment a frame, the usual case: go there without reading those before it.
            options["extended_offsets"] = tuple(map(list, zip(*fragments, strict=True)))
        self._source.file.seek(self._pixels.offset)
        arrays = self._decoder.iter_array(self._source.file, indices=indices, **options)
        yield from (array for array, _ in arrays)


@contextmanager
def open_image(stored: Path | BinaryIO, limits: PixelLimits) -> Iterator[Image]:
    """Open the image of a stored object.

    Raises:
        PixelsUnsupported: it is no image, or one that nothing here can decode.
        PixelsFailed: it is an image, but broken or beyond `limits`.
        StoredFileUnreadable: its file is gone, or the disk fails.
    """
    try:
        with open_stored(stored) as source:
            dataset, pixels = read_elements(source, _TAGS)
            if pixels is None or pixels.length == 0:
                raise PixelsUnsupported(f"not an image: {_kind_of(dataset)} without pixel data")
            decoder = _decoder_for(source.transfer_syntax_uid)
            frames = integer_of(dataset, "NumberOfFrames", 1, _MAX_FRAMES) or 1
            _check_size(dataset, pixels, frames, limits)
            yield Image(dataset, frames, source, pixels, decoder)
    except CannotUnderstand as error:
        raise PixelsFailed(str(error)) from None
    except OSError as error:
        if error.errno is None:  # a codec's way to say that its bytes are broken
            raise PixelsFailed(f"the pixels cannot be decoded ({type(error).__name__})") from None
        kind = type(error).__name__
        raise StoredFileUnreadable(f"the stored file cannot be read ({kind})") from None


def _kind_of(dataset: Dataset) -> str:
    """The object's SOP class by name, or nothing more than "an object"."""
    sop_class = text_of(dataset, "SOPClassUID") or ""
    if is_uid(sop_class) and uid_name(sop_class) != sop_class:
        return uid_name(sop_class)
    return "an object"


def _decoder_for(transfer_syntax_uid: str) -> Decoder:
    name = uid_name(transfer_syntax_uid)
    if _VIDEO.fullmatch(transfer_syntax_uid):
        raise PixelsUnsupported(f"a video ({name}), not single images")
    if _JPIP.fullmatch(transfer_syntax_uid):
        raise PixelsUnsupported(f"its pixels lie on another server ({name})")
    try:
        decoder = get_decoder(transfer_syntax_uid)
    except NotImplementedError:
        decoder = None
    if decoder is None or not decoder.is_available:
        raise PixelsUnsupported(f"no decoder for transfer syntax {name}")
    return decoder


def _check_size(dataset: Dataset, pixels: PixelElement, frames: int, limits: PixelLimits) -> None:
    """Refuse what does not fit its bytes or our limits, before memory is spent on it."""
    rows = integer_of(dataset, "Rows", 1, 65535)
    columns = integer_of(dataset, "Columns", 1, 65535)
    if rows is None or columns is None:
        raise PixelsFailed("Rows or Columns is missing or no positive number")
    if rows * columns > limits.frame_pixels:
        raise PixelsFailed(f"a frame of {rows} x {columns} pixels is larger than is decoded here")
    if frames > limits.frames:
        raise PixelsFailed(f"{frames} frames are more than are decoded here")
    if pixels.length == UNDEFINED_LENGTH:
        if len(pixels.fragments) < frames:
            raise PixelsFailed(
                f"{frames} frames are declared, but {len(pixels.fragments)} fragments are there"
            )
        return
    bits = integer_of(dataset, "BitsAllocated", 1, 64) or 1
    samples = integer_of(dataset, "SamplesPerPixel", 1, 4) or 1
    is_subsampled = text_of(dataset, "PhotometricInterpretation") == "YBR_FULL_422"
    needed = rows * columns * frames * bits * (2 if is_subsampled else samples) // 8
    if pixels.length < needed:
        raise PixelsFailed(
            f"{pixels.length} bytes of pixel data are fewer than the {needed} bytes declared"
        )
