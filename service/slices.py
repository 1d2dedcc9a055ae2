"""Slices of files as training and evaluation take them, decoded in processes of their own.

Foreign bytes can do little harm there, and files are read ahead while pictures are prepared here.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from dicom_node.errors import PixelsFailed, PixelsUnsupported, StoredFileUnreadable
from dicom_node.pixels import iter_frames
from model.manifest import Decode, Decoded
from service.decoding import DecodePool, Refusal, scale_of
from service.errors import InvalidParameter
from service.settings import WorkerSettings


def decode_slice(path: Path) -> Decoded | Refusal:
    """The first frame of a file, or why there is none (runs in a decoding process)."""
    try:
        return read_slice(path)
    except (PixelsUnsupported, PixelsFailed, StoredFileUnreadable, MemoryError) as error:
        return Refusal("failed", str(error) or "not enough memory")


def read_slice(path: Path) -> Decoded:
    """The first frame of a file, decoded in this process: for files that can be trusted.

    Raises:
        PixelsUnsupported: it is not an image, or no decoder exists for it.
        PixelsFailed: it is an image that does not decode.
        StoredFileUnreadable: the file is gone, or the disk fails.
    """
    frame = next(iter_frames(path, 0, 1))
    return Decoded(
        pixels=frame.pixels,
        orientation=frame.geometry.orientation,
        spacing=frame.geometry.spacing,
        modality=scale_of(frame),
    )


@contextmanager
def slice_decoder(settings: WorkerSettings, paths: Sequence[Path]) -> Iterator[Decode]:
    """Decodes these files when they are asked for one by one, in this order.

    What it hands out raises InvalidParameter, naming the file, for one that is no image.
    """
    pool = DecodePool(
        settings.decode_processes, settings.decode_timeout_s, settings.decode_memory_mb
    )
    results = zip(paths, pool.run(decode_slice, [(path,) for path in paths]), strict=True)

    def decode(path: Path) -> Decoded:
        expected, found = next(results)
        if path != expected:
            raise ValueError(f"{expected.name} is next, not {path.name}")
        if isinstance(found, Refusal):
            raise InvalidParameter(f"{path}: {found.reason}")
        decoded: Decoded = found
        return decoded

    try:
        yield decode
    finally:
        pool.close()
