"""An association without a socket, and a service that remembers what it was handed."""

from dicom_node.upper_layer.association import Answering, Association
from dicom_node.upper_layer.negotiation import Negotiator, Refusal
from dicom_node.upper_layer.requests import AssociationTitles
from dicom_node.upper_layer.services import Answer, Request, Response, answer_echo
from tests.unit.dicom_node.upper_layer.wire import C_ECHO_RQ, C_STORE_RQ

MAX_PDU = 1 << 16


class Kept:
    """An operation that keeps its dataset; answers at once, or when told to."""

    def __init__(self, request: Request, *, at_once: bool) -> None:
        self.request = request
        self.dataset = b""
        self.abandoned = False
        self.answer: Answer | None = None
        self._pieces: list[memoryview] = []
        self._at_once = at_once

    def write(self, piece: memoryview) -> None:
        self._pieces.append(piece)

    def flush(self) -> None:
        self.dataset += b"".join(self._pieces)
        self._pieces.clear()

    def finish(self, answer: Answer) -> None:
        self.answer = answer
        if self._at_once:
            answer(Response(0))

    def abandon(self) -> None:
        self.abandoned = True


class Acceptor:
    """An association and the operations that it began."""

    def __init__(self, *, at_once: bool = True, refusal: Refusal | None = None) -> None:
        self.operations: list[Kept] = []

        def keep(request: Request) -> Kept:
            self.operations.append(Kept(request, at_once=at_once))
            return self.operations[-1]

        def admit(titles: AssociationTitles) -> Refusal | None:
            return refusal

        self.association = Association(
            Answering(
                negotiator=Negotiator("PRECUNEUS", MAX_PDU),
                admission=admit,
                services={C_STORE_RQ: keep, C_ECHO_RQ: answer_echo},
                max_pdu=MAX_PDU,
            )
        )

    def feed(self, data: bytes, chunk: int = 1 << 20) -> bytes:
        """Hand over bytes in chunks, as a connection does; what was sent in return."""
        sent = b""
        for start in range(0, len(data), chunk):
            # Scrambled afterwards, as a buffer used anew: whoever keeps a view is found out.
            buffer = bytearray(data[start : start + chunk])
            used = 0
            while used < len(buffer) and not self.association.is_paused:
                used += self.association.receive(memoryview(buffer)[used:])
            sent += self.association.take_outgoing()
            buffer[:] = b"\xee" * len(buffer)
        return sent
