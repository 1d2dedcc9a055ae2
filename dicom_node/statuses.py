"""The DIMSE status codes that this node answers, each with its meaning and when it is answered.

One table for the code that answers and for whoever documents it: a code that is not here cannot be
answered. Nothing is decided here.
"""

from enum import IntEnum
from typing import Self


class Status(IntEnum):
    """A status code: `meaning` in the standard's words, `when` in ours."""

    meaning: str
    when: str

    def __new__(cls, code: int, meaning: str, when: str) -> Self:
        """A member, which is the number itself."""
        member = int.__new__(cls, code)
        member._value_ = code
        member.meaning, member.when = meaning, when
        return member


class GeneralStatus(Status):
    """Of any operation (PS3.7 Annex C)."""

    SUCCESS = 0x0000, "Success", "the operation is done"
    UNRECOGNISED_OPERATION = (
        *(0x0211, "Failure: unrecognized operation"),
        "the request is none that the node knows",
    )


class StoreStatus(Status):
    """Of C-STORE (PS3.4 B.2.3, PS3.7 9.1.1)."""

    SUCCESS = (
        *(0x0000, "Success"),
        "the object is on disk, synced, and its registration is committed; also for the same "
        "object again, and for another one with its SOP Instance UID, which is kept beside it",
    )
    NOT_AUTHORISED = (
        *(0x0124, "Refused: not authorized"),
        "the object was deleted or rejected here, and is not to come again",
    )
    OUT_OF_RESOURCES = (
        *(0xA700, "Refused: out of resources"),
        "disk, database or memory did not take the object, or too little space is left free; "
        "sending it again later may succeed",
    )
    DATASET_MISMATCH = (
        *(0xA900, "Error: Data Set does not match SOP Class"),
        "SOP Class UID or SOP Instance UID of dataset and command differ, or the command names no "
        "storage SOP class or no object",
    )
    CANNOT_UNDERSTAND = (
        *(0xC000, "Error: cannot understand"),
        "the dataset cannot be parsed, is cut off, is not in the transfer syntax agreed on, lacks "
        "a SOP Class, SOP Instance, Study or Series Instance UID, has one that is no UID, is too "
        "large, or was not sent; also an error in the node",
    )


class ActionStatus(Status):
    """Of N-ACTION, which requests storage commitment (PS3.4 J.3.2.2, PS3.7 10.1.4.1.10)."""

    SUCCESS = 0x0000, "Success", "the request is kept, and its result will be told"
    PROCESSING_FAILURE = (
        *(0x0110, "Failure: processing failure"),
        "the Action Information cannot be parsed, or there is an error in the node",
    )
    NO_SUCH_INSTANCE = (
        *(0x0112, "Failure: no such SOP Instance"),
        "the Requested SOP Instance UID is not the well-known one",
    )
    INVALID_ARGUMENT = (
        *(0x0115, "Failure: invalid argument value"),
        "the Transaction UID, or a referenced SOP Class or Instance UID, is no UID",
    )
    NO_SUCH_CLASS = (
        *(0x0118, "Failure: no such SOP Class"),
        "the request is for another SOP class than the Storage Commitment Push Model",
    )
    MISSING_ATTRIBUTE = (
        *(0x0120, "Failure: missing attribute"),
        "the Transaction UID or the Referenced SOP Sequence is missing",
    )
    NO_SUCH_ACTION = (
        *(0x0123, "Failure: no such action type"),
        "the Action Type ID is not 1",
    )
    NOT_AUTHORISED = (
        *(0x0124, "Refused: not authorized"),
        "the calling AE title is no known peer's, so nobody knows where to tell the result",
    )
    OUT_OF_RESOURCES = (
        *(0x0213, "Failure: resource limitation"),
        "the request is too large, names too many objects, comes beside too many others, or the "
        "database did not take it",
    )


class FailureReason(Status):
    """Failure Reason (0008,1197) of an object in a storage commitment result (PS3.3 C.14.1.1)."""

    PROCESSING_FAILURE = (
        *(0x0110, "Processing failure"),
        "the stored file has not the size that was registered",
    )
    NO_SUCH_OBJECT = 0x0112, "No such object instance", "the object or its file is not here"
    CLASS_CONFLICT = (
        *(0x0119, "Class / instance conflict"),
        "the object is here, under another SOP class",
    )
