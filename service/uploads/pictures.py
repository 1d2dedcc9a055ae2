"""PNG and JPEG files -> grey pixels. Runs in decoding processes: the files are a stranger's.

A picture file says nothing of units or orientation in space; what was cut or windowed away before
it was made is lost.
"""

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


def read_picture(data: bytes, kind: Literal["png", "jpeg"]) -> NDArray[np.float32]:
    """The grey values (H, W) of a picture file, as it is to be seen.

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


def _grey(image: Image) -> NDArray[np.float32]:
    if image.mode.startswith(("I", "F")):
        return np.asarray(image).astype(np.float32)
    if image.has_transparency_data:
        seen = np.asarray(image.convert("LA"), np.float32)
        return seen[..., 0] * (seen[..., 1] / np.float32(255))
    return np.asarray(image.convert("L"), np.float32)
