"""C-ECHO: asks a peer for a sign of life (PS3.4 Annex A)."""

from pynetdicom.presentation import build_context

from dicom_node.contexts import IMPLICIT_VR_LITTLE_ENDIAN, VERIFICATION
from dicom_node.errors import AssociationFailed
from dicom_node.requesting.address import PeerAddress
from dicom_node.requesting.associating import TIMEOUT_S, associated
from dicom_node.requesting.reactor import ask


def verify(address: PeerAddress, timeout_s: float = TIMEOUT_S) -> None:
    """Return when the peer answers a C-ECHO with success.

    Raises:
        AssociationFailed: it does not; the message says why.
    """
    context = build_context(VERIFICATION, IMPLICIT_VR_LITTLE_ENDIAN)
    with associated(address, [context], timeout_s=timeout_s, answer_s=timeout_s) as association:
        status = ask(association, association.send_c_echo).get("Status")
    if status is None:
        raise AssociationFailed(f"{address}: it takes the association, but answers no C-ECHO")
    if status != 0x0000:
        raise AssociationFailed(f"{address}: it answers the C-ECHO with 0x{status:04X}")
