"""The reasons for which an association is rejected, with their numbers (PS3.8 9.3.4, table 9-21).

One table for the code that rejects and for whoever documents it; nothing is decided here.
"""

from enum import Enum


class Rejection(Enum):
    """Result, source and reason of an A-ASSOCIATE-RJ; `meaning` names the reason, `when` ours."""

    PROTOCOL_VERSION = (
        *(1, 2, 2, "protocol-version-not-supported"),
        "the peer does not speak version 1 of the protocol",
    )
    CALLED_AE_TITLE = (
        *(1, 1, 7, "called-AE-title-not-recognized"),
        "the called AE title is not ours; it is compared letter by letter",
    )
    CALLING_AE_TITLE = (
        *(1, 1, 3, "calling-AE-title-not-recognized"),
        "peers are known, and this one is not among them, or comes from elsewhere",
    )
    LOCAL_LIMIT = (
        *(2, 3, 2, "local-limit-exceeded"),
        "as many associations are established as are allowed, in all or from that address",
    )
    APPLICATION_CONTEXT = (
        *(1, 1, 2, "application-context-name-not-supported"),
        "the application context is not DICOM's",
    )

    def __init__(self, result: int, source: int, reason: int, meaning: str, when: str) -> None:
        self.result, self.source, self.reason = result, source, reason
        self.meaning, self.when = meaning, when
