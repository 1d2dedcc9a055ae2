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
_MOST_META = 1024
_ELEMENT = struct.Struct("<HH2sH")
_GROUP_LENGTH = struct.Struct("<8sL")
_GROUP_LENGTH_HEADER = b"\2\0\0\0UL\4\0"
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
    plain = _plain_meta(file.read(_MOST_META))
    file.seek(plain.dataset_offset if plain is not None else 0)
    if plain is not None:
        return plain
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


def _plain_meta(head: bytes) -> FileMeta | None:
    """What the beginning of a file says that is written as the node writes it, and most are.

    None where pydicom, which takes longer, must have a look.
    """
    start = len(PREFIX) + _GROUP_LENGTH.size
    if head[128:132] != b"DICM" or len(head) < start:
        return None
    tag_and_length, total = _GROUP_LENGTH.unpack_from(head, len(PREFIX))
    position, end, values = start, start + total, dict[int, bytes]()
    is_whole = tag_and_length == _GROUP_LENGTH_HEADER and end + 8 <= len(head)
    if not is_whole or head[end : end + 2] == b"\2\0":
        return None
    while position + 8 <= end:
        group, number, vr, length = _ELEMENT.unpack_from(head, position)
        if vr == b"OB":
            (length,) = struct.unpack_from("<L", head, position + 8)
            position += 4
        elif vr not in (b"UI", b"SH", b"AE"):
            return None
        position += 8 + length
        if group != 0x0002 or position > end:
            return None
        values[number] = head[position - length : position]
    found = (values.get(number, b"") for number in (0x0010, 0x0002, 0x0016))
    texts = [value.decode("latin-1").strip(" \0") for value in found]
    are_plain = all(t.isascii() and t.isprintable() and "\\" not in t for t in texts)
    if position != end or not are_plain:
        return None
    syntax, sop_class, source = (text or None for text in texts)
    return FileMeta(syntax, sop_class, source, end, has_prefix=True)


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
