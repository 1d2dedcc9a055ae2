"""Tells by its first bytes what an upload is, whatever its name or Content-Type says."""

from typing import Literal

from service.errors import UploadUnsupported

Kind = Literal["dicom", "png", "jpeg"]

_PNG = b"\x89PNG\r\n\x1a\n"
_JPEG = b"\xff\xd8\xff"
_PREAMBLE = 128
# The first element of a dataset without preamble is of group 0002 or 0008, in either byte order.
_GROUPS = (b"\x02\x00", b"\x08\x00", b"\x00\x02", b"\x00\x08")


def kind_of(data: bytes) -> Kind:
    """What an upload is.

    Raises:
        UploadUnsupported: it is none of these.
    """
    if data.startswith(_PNG):
        return "png"
    if data.startswith(_JPEG):
        return "jpeg"
    if data[_PREAMBLE : _PREAMBLE + 4] == b"DICM" or data[:2] in _GROUPS:
        return "dicom"
    raise UploadUnsupported("The upload is no DICOM file, PNG or JPEG.")
