"""The error tree of the DICOM side: what went wrong and the DIMSE status a peer is told.

Messages are for administrators: no patient data and no text of the peer's but UIDs that passed the
check.
"""

from dicom_node.statuses import Status, StoreStatus


class DicomError(Exception):
    """Something about an object or a peer that an administrator can act on.

    `status` is the DIMSE status that a C-STORE response carries (PS3.4 B.2.3).
    """

    status: Status = StoreStatus.CANNOT_UNDERSTAND


class OutOfResources(DicomError):
    """The disk or the database did not take the object; sending it again later may succeed.

    `outcome_unknown` tells that a commit may have happened although its result never arrived.
    """

    status: Status = StoreStatus.OUT_OF_RESOURCES

    def __init__(self, message: str, *, outcome_unknown: bool = False) -> None:
        super().__init__(message)
        self.outcome_unknown = outcome_unknown


class DatasetMismatch(DicomError):
    """The dataset is not the object that the command announced."""

    status: Status = StoreStatus.DATASET_MISMATCH


class RefusedByRule(DicomError):
    """The object was deleted or rejected, and is not to come again (PS3.7 C.5.19)."""

    status: Status = StoreStatus.NOT_AUTHORISED


class CannotUnderstand(DicomError):
    """The dataset cannot be parsed, is incomplete, or lacks what identifies an object."""


class TooManyElements(CannotUnderstand):
    """A dataset has more elements than are looked at."""


class AssociationFailed(DicomError):
    """A peer could not be reached, or would not associate with us."""


class QueryFailed(DicomError):
    """A peer did not answer a query, or answered that it failed."""


class MoveDestinationUnknown(DicomError):
    """A peer does not know our AE title as a destination of C-MOVE."""


class TlsFilesUnusable(DicomError):
    """A certificate, key or CA file of our own is missing or wrong; the message says why."""


class StoredFileUnreadable(DicomError):
    """A stored object cannot be read just now; the disk, not the object, is at fault."""


class PixelsUnsupported(DicomError):
    """The object is not an image, or no decoder for its pixels exists here."""


class PixelsFailed(DicomError):
    """The object is an image whose pixels should decode, but do not."""
