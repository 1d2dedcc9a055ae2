"""A frame as an explanation needs it: what a screen shows, what the encoder sees, and where.

Runs in decoding processes; no torch.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dicom_node.errors import PixelsFailed, PixelsUnsupported, StoredFileUnreadable
from dicom_node.pixels import Frame, iter_frames, render
from model.explanation.overlay import panel
from model.placement import Placement
from model.preprocess import PreprocessConfig, prepare_placed
from service.decoding import Refusal, scale_of


@dataclass(frozen=True)
class ShownSlice:
    """A slice of `shape` (rows, columns): `prepared` (S, S) is what the encoder sees of it.

    `placement` maps points of one to the other. `grey` is the slice as on a screen, fitted to the
    panel it is drawn in: what goes from process to process is small, however large the slice is.
    """

    shape: tuple[int, int]
    grey: NDArray[np.uint8]
    prepared: NDArray[np.float32]
    placement: Placement


def read_shown(path: Path, number: int, config: PreprocessConfig) -> ShownSlice:
    """Frame `number` (1-based) of a file, decoded in this process.

    Raises:
        PixelsUnsupported: it is not an image, or no decoder exists for it.
        PixelsFailed: it is an image that does not decode, or has no such frame.
        StoredFileUnreadable: the file is gone, or the disk fails.
    """
    for frame in iter_frames(path, number - 1, number):
        return _shown(frame, config)
    raise PixelsFailed(f"it has no frame {number}")


def show_frame(path: Path, number: int, config: PreprocessConfig) -> ShownSlice | Refusal:
    """The same, or why not (runs in a decoding process)."""
    try:
        return read_shown(path, number, config)
    except (PixelsUnsupported, PixelsFailed, StoredFileUnreadable, MemoryError) as error:
        return Refusal("failed", str(error) or "decoding it needs more memory than is allowed")


def _shown(frame: Frame, config: PreprocessConfig) -> ShownSlice:
    prepared, placement = prepare_placed(
        frame.pixels,
        modality=scale_of(frame),
        config=config,
        orientation=frame.geometry.orientation,
        spacing=frame.geometry.spacing,
    )
    rows, columns = frame.pixels.shape
    return ShownSlice((rows, columns), panel(render(frame)), prepared, placement)
