"""Every code that a peer can be told: statuses, rejections, aborts, failure reasons."""

from dicom_node.statuses import ActionStatus, FailureReason, GeneralStatus, Status, StoreStatus
from dicom_node.upper_layer.rejections import Rejection
from dicom_node.upper_layer.violations import SERVICE_USER, VIOLATIONS
from service.conformance.facts import AbortCode, Code, RejectCode, Statuses

_OURS = AbortCode(
    SERVICE_USER,
    0,
    "the peer is too slow, does not read our answers, breaks the protocol before an association "
    "stands, or the node stops",
)
_WORDS = {
    "UnrecognisedPdu": "a PDU of an unknown type, or something that is no PDU",
    "UnexpectedPdu": "a PDU that may not come in this state",
    "InvalidParameter": "a PDU whose fields hold what they must not: longer than our maximum, a "
    "value that does not fit, a presentation context that was not accepted",
    "InvalidMessage": "sound PDUs with a DIMSE message that is not: a command that cannot be read, "
    "parts in the wrong order, a dataset or request without an end",
}


def statuses() -> Statuses:
    """All of them, from the tables that the node answers from."""
    return Statuses(
        general=_codes(GeneralStatus),
        store=_codes(StoreStatus),
        action=_codes(ActionStatus),
        failure_reasons=_codes(FailureReason),
        rejects=tuple(
            RejectCode(why.result, why.source, why.reason, why.meaning, why.when)
            for why in Rejection
        ),
        aborts=(
            *(AbortCode(kind.source, kind.reason, _WORDS[kind.__name__]) for kind in VIOLATIONS),
            _OURS,
        ),
    )


def _codes(table: type[Status]) -> tuple[Code, ...]:
    return tuple(Code(f"0x{status:04X}", status.meaning, status.when) for status in table)
