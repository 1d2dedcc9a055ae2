"""Reads the frames of uncompressed grey images straight from the file, as stored values.

That is what most objects are, and pydicom takes longer over its options than the bytes take to
read. Whatever is not plainly written is left to pydicom, which also knows what to say about it.
"""

from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from dicom_node.errors import PixelsFailed
from dicom_node.values import value_of

_GREY = ("MONOCHROME1", "MONOCHROME2")


@dataclass(frozen=True)
class NativeGrey:
    """How one frame lies in little endian Pixel Data (PS3.5 8.1.1 and 8.2).

    `unused_bits` are those above Bits Stored, which may hold anything.
    """

    rows: int
    columns: int
    dtype: np.dtype[Any]
    unused_bits: int

    @property
    def frame_bytes(self) -> int:
        """From one frame to the next."""
        return self.rows * self.columns * self.dtype.itemsize

    def read(self, file: BinaryIO, offset: int) -> NDArray[Any]:
        """The stored values (H, W) of the frame that begins at `offset`.

        Raises:
            PixelsFailed: the file ends before the frame does.
        """
        stored = np.empty((self.rows, self.columns), self.dtype)
        room = stored.reshape(-1).view(np.uint8).data
        file.seek(offset)
        while room:
            got = file.readinto(room)  # type: ignore[attr-defined]
            if not got:
                raise PixelsFailed("the file ends within its pixel data")
            room = room[got:]
        if self.unused_bits:
            np.left_shift(stored, self.unused_bits, out=stored)
            np.right_shift(stored, self.unused_bits, out=stored)
        return stored


def native_grey(dataset: Dataset) -> NativeGrey | None:
    """How frames lie in Pixel Data that are neither compressed nor big endian.

    None where that takes more than a look: colour, packed bits, or elements that are not as the
    standard has them.
    """
    if value_of(dataset, "PhotometricInterpretation") not in _GREY:
        return None
    words = ("SamplesPerPixel", "BitsAllocated", "BitsStored", "PixelRepresentation")
    samples, allocated, used, is_signed = (value_of(dataset, word) for word in words)
    rows, columns = value_of(dataset, "Rows"), value_of(dataset, "Columns")
    numbers = (samples, allocated, used, is_signed, rows, columns)
    if not all(isinstance(number, int) for number in numbers):
        return None
    if samples != 1 or allocated not in (8, 16) or is_signed not in (0, 1):
        return None
    if not (1 <= used <= allocated and rows > 0 and columns > 0):
        return None
    dtype = np.dtype(f"<{'ui'[is_signed]}{allocated // 8}")
    return NativeGrey(rows, columns, dtype, allocated - used)
