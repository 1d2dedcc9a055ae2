"""PNG and JPEG files -> grey pixels. Runs in decoding processes: the files are a stranger's.

A picture file says nothing of units or orientation in space; what was cut or windowed away before
it was made is lost.
"""

from dataclasses import dataclass
from io import BytesIO
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import ImageOps
from PIL.Image import Image
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile

from dicom_node.pixels import DEFAULT_LIMITS
from service.errors import UploadUnsearchable

_WHITE, _WHITE_OF_16_BITS = 255.0, 65535.0


@dataclass(frozen=True)
class Picture:
    """Grey values (H, W), from 0 for black to `white`."""

    pixels: NDArray[np.float32]
    white: float


def read_picture(data: bytes, kind: Literal["png", "jpeg"]) -> Picture:
    """A picture file, as it is to be seen.

    Colour becomes brightness (ITU-R BT.601), 16 bits stay 16 bits, what is transparent lies on
    black, and a photograph's Exif orientation is followed. Of an animation the first picture.

    Raises:
        UploadUnsearchable: it is broken, or has too many pixels.
    """
    try:
        # Not Image.open: it knows dozens of formats, and warns of large pictures where we refuse.
        image = PngImageFile(BytesIO(data)) if kind == "png" else JpegImageFile(BytesIO(data))
        if image.width * image.height > DEFAULT_LIMITS.frame_pixels:
            raise UploadUnsearchable(
                f"The picture has {image.width} x {image.height} pixels, more than "
                f"{DEFAULT_LIMITS.frame_pixels} in all."
            )
        return _grey(ImageOps.exif_transpose(image))
    except (MemoryError, UploadUnsearchable):
        raise
    except Exception as error:
        # Pillow's own words may quote what is written in the file.
        raise UploadUnsearchable(
            f"The {kind.upper()} file cannot be decoded ({type(error).__name__})."
        ) from None


def _grey(image: Image) -> Picture:
    if image.mode.startswith("I"):
        return Picture(np.asarray(image).astype(np.float32), _WHITE_OF_16_BITS)
    if image.has_transparency_data:
        seen = np.asarray(image.convert("LA"), np.float32)
        return Picture(seen[..., 0] * (seen[..., 1] / np.float32(_WHITE)), _WHITE)
    return Picture(np.asarray(image.convert("L"), np.float32), _WHITE)
