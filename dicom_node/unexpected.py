"""What is said of a defect of our own: its place goes into the log, its text nowhere.

The text of an unexpected error may quote the dataset.
"""

import logging
import traceback

from dicom_node.errors import CannotUnderstand, DicomError, OutOfResources

_log = logging.getLogger("precuneus.node")


class Defect(OutOfResources):
    """An error in the node; nobody knows how far it came, so nothing is deleted over it."""

    status = CannotUnderstand.status

    def __init__(self) -> None:
        super().__init__("an error in the node; its log has the place", outcome_unknown=True)


def unexpected(error: Exception, doing: str) -> DicomError:
    """The error that a peer is told instead; `doing` says in the log what went wrong."""
    if isinstance(error, MemoryError):
        return OutOfResources("the node's memory is too small for the object")
    places = [
        f"{frame.filename}:{frame.lineno} {frame.name}"
        for frame in traceback.extract_tb(error.__traceback__)
    ]
    kind = type(error).__name__
    fields = {"action": "store.error", "exception": kind, "at": places}
    _log.error("unexpected %s while %s", kind, doing, extra=fields)
    return Defect()


def as_dicom_error(error: Exception) -> DicomError:
    """An error in storing as the one that its peer is told."""
    return error if isinstance(error, DicomError) else unexpected(error, "storing")
