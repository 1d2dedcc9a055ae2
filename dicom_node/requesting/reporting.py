"""N-EVENT-REPORT: tells a peer the result of its storage commitment request (PS3.4 J.3.3)."""

from pynetdicom import build_role
from pynetdicom.presentation import build_context

from dicom_node.commitment import WELL_KNOWN_INSTANCE, CommitmentResult, event_report
from dicom_node.contexts import STORAGE_COMMITMENT
from dicom_node.errors import AssociationFailed
from dicom_node.requesting.address import PeerAddress
from dicom_node.requesting.associating import associated
from dicom_node.requesting.finding import UNCOMPRESSED
from dicom_node.requesting.reactor import ask

REPORT_TIMEOUT_S = 10.0


def report_commitment(
    address: PeerAddress, result: CommitmentResult, timeout_s: float = REPORT_TIMEOUT_S
) -> None:
    """Tell the peer, on an association of our own, in which we are the SCP.

    Raises:
        AssociationFailed: it could not be told; the message says why.
    """
    event_type, information = event_report(result)
    with associated(
        address,
        [build_context(STORAGE_COMMITMENT, UNCOMPRESSED)],
        roles=[build_role(STORAGE_COMMITMENT, scp_role=True)],
        timeout_s=timeout_s,
        answer_s=timeout_s,
    ) as association:
        response, _ = ask(
            association,
            association.send_n_event_report,
            information,
            event_type,
            STORAGE_COMMITMENT,
            WELL_KNOWN_INSTANCE,
        )
    status = response.get("Status")
    if status is None:
        raise AssociationFailed(f"{address}: it does not answer the N-EVENT-REPORT")
    if status != 0x0000:
        raise AssociationFailed(f"{address}: it answers the N-EVENT-REPORT with 0x{status:04X}")
