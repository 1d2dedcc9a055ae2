"""Slices of files as training and evaluation take them, decoded in processes of their own.

Foreign bytes can do little harm there, and files are read ahead while pictures are prepared here.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dicom_node.errors import PixelsFailed, PixelsUnsupported, StoredFileUnreadable
from dicom_node.pixels import iter_frames
from model.manifest import Decoded
from service.decoding import DecodePool, Refusal, scale_of
from service.errors import InvalidParameter
from service.settings import WorkerSettings

_HANDFUL = 5
_ONE_OF = 100


def most_unreadable(files: int) -> int:
    """How many of so many files may be left out: 1 %, and of few files a handful."""
    return max(_HANDFUL, files // _ONE_OF)


def decode_slice(path: Path) -> Decoded | Refusal:
    """The frame of a file, or why there is none (runs in a decoding process).

    Raises:
        InvalidParameter: there are several.
    """
    try:
        return read_slice(path)
    except (PixelsUnsupported, PixelsFailed, StoredFileUnreadable, MemoryError) as error:
        return Refusal("failed", str(error) or "not enough memory")


def read_slice(path: Path) -> Decoded:
    """The frame of a file, decoded in this process: for files that can be trusted.

    Raises:
        PixelsUnsupported: it is not an image, or no decoder exists for it.
        PixelsFailed: it is an image that does not decode.
        StoredFileUnreadable: the file is gone, or the disk fails.
        InvalidParameter: it has several frames, and nobody said which is meant.
    """
    frame = next(iter_frames(path, 0, 1))
    if frame.total > 1:
        raise InvalidParameter(
            f"{path} has {frame.total} frames, and a list cannot say which of them has the label: "
            "list files of one frame each, and leave this one out"
        )
    return Decoded(
        pixels=frame.pixels,
        orientation=frame.geometry.orientation,
        spacing=frame.geometry.spacing,
        modality=scale_of(frame),
    )


class SliceReader:
    """Hands out decoded files in the order in which they were listed.

    Files that give no slice are left out, and named in `unreadable` once they were asked for.
    """

    def __init__(self, paths: Sequence[Path], found: Iterator[Any]) -> None:
        self._results = zip(paths, found, strict=True)
        self._most, self._files = most_unreadable(len(paths)), len(paths)
        self.unreadable: list[Path] = []

    def __call__(self, path: Path) -> Decoded | None:
        """The slice of the next file, which must be `path`; None if it gives none.

        Raises:
            InvalidParameter: it has several frames, or it is one unreadable file too many.
            ValueError: another file is next.
        """
        expected, found = next(self._results)
        if path != expected:
            raise ValueError(f"{expected.name} is next, not {path.name}")
        if not isinstance(found, Refusal):
            decoded: Decoded = found
            return decoded
        self.unreadable.append(path)
        if len(self.unreadable) > self._most:
            names = ", ".join(map(str, self.unreadable))
            raise InvalidParameter(
                f"more than {self._most} of {self._files} files give no slice: {names}. "
                f"The last one: {found.reason}"
            )
        return None


@contextmanager
def slice_decoder(settings: WorkerSettings, paths: Sequence[Path]) -> Iterator[SliceReader]:
    """Decodes these files when they are asked for one by one, in this order."""
    pool = DecodePool(
        settings.decode_processes, settings.decode_timeout_s, settings.decode_memory_mb
    )
    try:
        yield SliceReader(paths, pool.run(decode_slice, [(path,) for path in paths]))
    finally:
        pool.close()
