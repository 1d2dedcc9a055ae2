"""Hears a peer's A-ASSOCIATE-RJ, which the library may lose.

A peer that rejects at once may have closed the connection before pynetdicom 3.0.4 looks whether it
ever stood (`ACSE._negotiate_as_requestor`): then it says aborted, and knows no reason.
"""

from pynetdicom import evt
from pynetdicom.events import Event, EventHandlerType
from pynetdicom.pdu import A_ASSOCIATE_RJ


class Rejections:
    """What an association's peer said instead of accepting it: source and diagnostic, if it did.

    To be given to `AE.associate` among the handlers.
    """

    def __init__(self) -> None:
        self.heard: tuple[int, int] | None = None

    @property
    def handler(self) -> EventHandlerType:
        """For the library, which calls it before it acts on a PDU."""
        return evt.EVT_PDU_RECV, self._on_pdu

    def _on_pdu(self, event: Event) -> None:
        if isinstance(event.pdu, A_ASSOCIATE_RJ):
            self.heard = event.pdu.source or 0, event.pdu.reason_diagnostic or 0
