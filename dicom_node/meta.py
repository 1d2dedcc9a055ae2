"""Writes and reads the File Meta Information that stands before a dataset (PS3.10 7.1).

It is ours, not the peer's: only the dataset that follows it is kept byte for byte.
"""

import struct
from dataclasses import dataclass
from typing import BinaryIO

from pydicom.dataset import Dataset
from pydicom.filereader import read_dataset, read_preamble
from pydicom.tag import BaseTag

from dicom_node.errors import CannotUnderstand
from dicom_node.uids import checked_uid

PREFIX = b"\0" * 128 + b"DICM"
IMPLEMENTATION_CLASS_UID = "2.25.10570060481301233623496838970674708997"
IMPLEMENTATION_VERSION_NAME = "PRECUNEUS_0_1"


@dataclass(frozen=True)
class FileMeta:
    """What stood before the dataset; None where the file does not say."""

    transfer_syntax_uid: str | None
    sop_class_uid: str | None
    source: str | None
    dataset_offset: int
    has_prefix: bool


def encode_meta(
    *, sop_class_uid: str, sop_instance_uid: str, transfer_syntax_uid: str, source: str
) -> bytes:
    """The group 0002 elements of a stored object, Explicit VR Little Endian, with group length.

    `source` (a calling AE title) goes into Source Application Entity Title, so that an object
    registered again from its file keeps it.
    """
    elements = b"".join(
        (
            b"\x02\x00\x01\x00OB\0\0\x02\0\0\0\0\x01",
            _element(0x0002, "UI", sop_class_uid),
            _element(0x0003, "UI", sop_instance_uid),
            _element(0x0010, "UI", transfer_syntax_uid),
            _element(0x0012, "UI", IMPLEMENTATION_CLASS_UID),
            _element(0x0013, "SH", IMPLEMENTATION_VERSION_NAME),
            _element(0x0016, "AE", source),
        )
    )
    return struct.pack("<HH2sHL", 0x0002, 0x0000, b"UL", 4, len(elements)) + elements


def _element(number: int, vr: str, value: str) -> bytes:
    encoded = value.encode("ascii", "replace")
    encoded += (b"\0" if vr == "UI" else b" ") * (len(encoded) % 2)
    return struct.pack("<HH2sH", 0x0002, number, vr.encode(), len(encoded)) + encoded


def read_meta(file: BinaryIO) -> FileMeta:
    """Read preamble and file meta of `file`, wherever they are missing, and leave the rest unread.

    Raises:
        CannotUnderstand: the bytes before the dataset cannot be parsed.
    """
    file.seek(0)
    try:
        has_prefix = read_preamble(file, force=True) is not None
        meta = read_dataset(file, False, True, stop_when=_is_past_meta)
        return FileMeta(
            transfer_syntax_uid=_text(meta, "TransferSyntaxUID"),
            sop_class_uid=_text(meta, "MediaStorageSOPClassUID"),
            source=_text(meta, "SourceApplicationEntityTitle"),
            dataset_offset=file.tell(),
            has_prefix=has_prefix,
        )
    except MemoryError:
        raise
    except Exception as error:
        kind = type(error).__name__
        raise CannotUnderstand(f"the File Meta Information cannot be parsed ({kind})") from None


def _is_past_meta(tag: BaseTag, vr: str | None, length: int) -> bool:
    return tag >> 16 != 0x0002


def _text(meta: Dataset, keyword: str) -> str | None:
    value = meta.get(keyword)
    return str(value).strip(" \0") or None if value is not None else None


def stored_transfer_syntax(meta: FileMeta) -> str:
    """The transfer syntax of a file that this node wrote.

    Raises:
        CannotUnderstand: the file names none.
    """
    return checked_uid(meta.transfer_syntax_uid, "Transfer Syntax UID")
