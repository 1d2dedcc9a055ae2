"""Walks a dataset's elements up to the pixels, and notices where bytes are missing.

Reads only what it is asked for and never the pixels themselves. pydicom parses; this adds what it
leaves out: a length check on every element and a bound on what a deflated dataset may grow to.
"""

import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import lru_cache
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

from pydicom.dataset import Dataset
from pydicom.filereader import read_dataset
from pydicom.tag import BaseTag
from pydicom.uid import UID, DeflatedExplicitVRLittleEndian, ImplicitVRLittleEndian

from dicom_node.errors import CannotUnderstand, DicomError
from dicom_node.meta import read_meta, stored_transfer_syntax

MAX_INFLATED_BYTES = 1 << 30
UNDEFINED_LENGTH = 0xFFFFFFFF
PIXEL_TAGS = frozenset({0x7FE00008, 0x7FE00009, 0x7FE00010})
ITEM, ITEM_END, SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD


@dataclass(frozen=True)
class DatasetSource:
    """A seekable file with an encoded dataset from `start` up to `size`, already inflated."""

    file: BinaryIO
    transfer_syntax_uid: str
    start: int
    size: int

    @property
    def encoding(self) -> tuple[bool, bool]:
        """(implicit VR, little endian); Explicit VR Little Endian where the syntax is unknown."""
        return _encoding(self.transfer_syntax_uid)


@lru_cache(maxsize=64)  # named by peers, so not without bounds
def _encoding(transfer_syntax_uid: str) -> tuple[bool, bool]:
    syntax = UID(transfer_syntax_uid)
    if not syntax.is_transfer_syntax:
        return False, True
    return syntax == ImplicitVRLittleEndian, syntax.is_little_endian


@dataclass(frozen=True)
class PixelElement:
    """Where the pixel data lie: tag, VR (None when implicit), and the value's place in the file.

    `fragments` are the (offset from the first fragment's item, length) of encapsulated pixel data,
    without the Basic Offset Table (PS3.5 A.4); empty when native.
    """

    tag: int
    vr: str | None
    offset: int
    length: int
    fragments: tuple[tuple[int, int], ...] = ()


class _Guard:
    """Watches each top-level element as pydicom meets it; stops the walk at the pixels."""

    def __init__(self, source: DatasetSource) -> None:
        self._file = source.file
        self._size = source.size
        self.pixels: PixelElement | None = None
        self.end: int | None = source.start

    def __call__(self, tag: BaseTag, vr: str | None, length: int) -> bool:
        offset = self._file.tell()
        is_pixels = int(tag) in PIXEL_TAGS
        self.end = None if length == UNDEFINED_LENGTH else offset + length
        if self.end is not None and self.end > self._size:
            place = "pixel data are" if is_pixels else f"element {tag} is"
            raise CannotUnderstand(f"the dataset is cut off: {place} shorter than declared")
        if is_pixels:
            self.pixels = PixelElement(int(tag), vr, offset, length)
        return is_pixels


def read_elements(
    source: DatasetSource, tags: frozenset[int]
) -> tuple[Dataset, PixelElement | None]:
    """Read the top-level elements in `tags` (sequences with all they hold) that precede the pixels.

    Raises:
        CannotUnderstand: the dataset cannot be parsed, or is shorter than its elements declare.
    """
    guard = _Guard(source)
    source.file.seek(source.start)
    try:
        dataset = read_dataset(
            source.file, *source.encoding, stop_when=guard, specific_tags=sorted(tags)
        )
    except (DicomError, MemoryError):
        raise
    except Exception as error:
        kind = type(error).__name__
        raise CannotUnderstand(f"the dataset cannot be parsed ({kind})") from None
    if guard.pixels is None:
        _check_end(source, guard.end)
        return dataset, None
    if guard.pixels.length == UNDEFINED_LENGTH:
        return dataset, _with_fragments(source, guard.pixels)
    return dataset, guard.pixels


def _check_end(source: DatasetSource, end: int | None) -> None:
    """Refuse a dataset without pixels that stops being readable before its bytes are used up."""
    file = source.file
    if file.tell() < source.size:
        raise CannotUnderstand("the dataset cannot be parsed to its end")
    if end is not None and end < source.size:
        file.seek(end)
        if file.read(source.size - end).strip(b"\0"):
            raise CannotUnderstand("the dataset is cut off inside an element's header")


def _with_fragments(source: DatasetSource, pixels: PixelElement) -> PixelElement:
    """Hop from item to item through encapsulated pixel data, reading only their headers."""
    file, size = source.file, source.size
    position, items = pixels.offset, list[tuple[int, int]]()
    while position + 8 <= size:
        file.seek(position)
        group, element, length = struct.unpack("<HHL", file.read(8))
        if group << 16 | element != ITEM:
            break
        items.append((position, length))
        position += 8 + length
        if position > size:
            raise CannotUnderstand("the dataset is cut off: pixel data are shorter than declared")
    first = items[1][0] if len(items) > 1 else 0
    fragments = tuple((offset - first, length) for offset, length in items[1:])
    return PixelElement(pixels.tag, pixels.vr, pixels.offset, pixels.length, fragments)


def inflate(deflated: bytes, limit: int = MAX_INFLATED_BYTES) -> bytes:
    """The dataset inside a deflated one (PS3.5 A.5), refused before it outgrows `limit` bytes.

    Raises:
        CannotUnderstand: it is larger than that, cut off or not deflated at all.
    """
    stream = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        inflated = stream.decompress(deflated, limit + 1)
    except zlib.error:
        raise CannotUnderstand("the deflated dataset cannot be inflated") from None
    if len(inflated) > limit:
        raise CannotUnderstand(f"the deflated dataset is larger than {limit >> 20} MiB")
    if not stream.eof:
        raise CannotUnderstand("the deflated dataset is cut off")
    return inflated


def dataset_source(
    file: BinaryIO, transfer_syntax_uid: str, start: int = 0, limit: int = MAX_INFLATED_BYTES
) -> DatasetSource:
    """The dataset of `file` from `start` on; a deflated one is inflated in memory, bounded."""
    if transfer_syntax_uid == DeflatedExplicitVRLittleEndian:
        file.seek(start)
        file, start = BytesIO(inflate(file.read(), limit)), 0
    size = file.seek(0, 2)
    return DatasetSource(file, transfer_syntax_uid, start, size)


@contextmanager
def open_stored(
    stored: Path | BinaryIO, limit: int = MAX_INFLATED_BYTES
) -> Iterator[DatasetSource]:
    """Open a file that this node stored, at its dataset; one in memory is left open.

    Raises:
        CannotUnderstand: the file meta or a deflated dataset cannot be read.
        OSError: the file is not there.
    """
    with stored.open("rb") if isinstance(stored, Path) else nullcontext(stored) as file:
        meta = read_meta(file)
        yield dataset_source(file, stored_transfer_syntax(meta), meta.dataset_offset, limit)
