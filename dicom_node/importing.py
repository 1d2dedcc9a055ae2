"""Brings DICOM files in by the path that a C-STORE takes, with the dataset's bytes untouched.

Accepts what lies about in archives: no preamble, no file meta, deflated. It writes nothing itself.
"""

import struct
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

from pydicom.uid import (
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    MediaStorageDirectoryStorage,
)
from pydicom.valuerep import VR

from dicom_node.dataset import MAX_INFLATED_BYTES, dataset_source
from dicom_node.errors import CannotUnderstand, OutOfResources
from dicom_node.header import Header, header_of
from dicom_node.meta import PREFIX, FileMeta, encode_meta, read_meta
from dicom_node.receive import Receiver, Registration
from dicom_node.uids import checked_uid

IMPORT_SOURCE = "import"
_DIRECTORY_GROUP = 0x0004


@dataclass(frozen=True)
class DicomFile:
    """A file that holds one object: its header, and its dataset as it is encoded in the file."""

    header: Header
    dataset: bytes = field(repr=False)

    def as_stored(self) -> BytesIO:
        """The object as this node would store it, in memory alone."""
        meta = encode_meta(
            sop_class_uid=self.header.sop_class_uid,
            sop_instance_uid=self.header.sop_instance_uid,
            transfer_syntax_uid=self.header.transfer_syntax_uid,
            source=IMPORT_SOURCE,
        )
        return BytesIO(b"".join((PREFIX, meta, self.dataset)))


def import_file(receiver: Receiver, path: Path) -> tuple[Registration, Header]:
    """Store and register the object of one file.

    Raises:
        CannotUnderstand: the file holds no object that can be taken in; the message says why.
        OutOfResources: the file cannot be read, or disk or database failed.
    """
    found = open_dicom_file(path)
    return receiver.receive(
        found.dataset,
        transfer_syntax_uid=found.header.transfer_syntax_uid,
        source=IMPORT_SOURCE,
    )


def open_dicom_file(path: Path, max_inflated_bytes: int = MAX_INFLATED_BYTES) -> DicomFile:
    """Read a DICOM file; the transfer syntax is guessed where none is written (as dcmtk does).

    Raises:
        CannotUnderstand: it is a DICOMDIR, or no DICOM file, or its dataset is cut off, unreadable
            or (deflated) larger than `max_inflated_bytes`.
        OutOfResources: the file cannot be read from its disk.
    """
    try:
        with path.open("rb") as file:
            return read_dicom_file(file, max_inflated_bytes)
    except OSError as error:
        kind = type(error).__name__
        raise OutOfResources(f"the file cannot be read ({kind})") from None


def read_dicom_file(file: BinaryIO, max_inflated_bytes: int = MAX_INFLATED_BYTES) -> DicomFile:
    """The same of an open file, which stays open; raises CannotUnderstand as above."""
    meta = read_meta(file)
    file.seek(meta.dataset_offset)
    beginning = file.read(6)
    if meta.sop_class_uid == MediaStorageDirectoryStorage or _is_directory(beginning):
        raise CannotUnderstand("a DICOMDIR lists files and is no object itself")
    try:
        syntax = checked_uid(
            meta.transfer_syntax_uid or _guessed_syntax(beginning), "Transfer Syntax UID"
        )
        header = header_of(dataset_source(file, syntax, meta.dataset_offset, max_inflated_bytes))
    except CannotUnderstand as error:
        raise _unreadable(meta, error) from None
    file.seek(meta.dataset_offset)
    return DicomFile(header, file.read())


def _is_directory(beginning: bytes) -> bool:
    return any(struct.pack(order, _DIRECTORY_GROUP) == beginning[:2] for order in ("<H", ">H"))


def _guessed_syntax(beginning: bytes) -> str:
    """The uncompressed syntax that the first element's tag and VR speak for (PS3.5 7.1)."""
    if beginning[4:6].decode("latin-1") not in {str(vr) for vr in VR}:
        return ImplicitVRLittleEndian
    is_big_endian = beginning[0] == 0 and beginning[1] != 0
    return ExplicitVRBigEndian if is_big_endian else ExplicitVRLittleEndian


def _unreadable(meta: FileMeta, error: CannotUnderstand) -> CannotUnderstand:
    """The refusal of a file; one without any sign of DICOM is called what it most likely is."""
    if meta.has_prefix or meta.transfer_syntax_uid:
        return error
    return CannotUnderstand(f"not a DICOM file, or one without a preamble that is broken: {error}")
