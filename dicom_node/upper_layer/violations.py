"""What a peer can do against the protocol, and the A-ABORT that it hears (PS3.8 9.3.8).

The texts are for an administrator and hold nothing that the peer said.
"""

SERVICE_USER, SERVICE_PROVIDER = 0, 2


class Violation(Exception):
    """The peer broke the protocol; the association ends with an A-ABORT of that source and reason.

    Of the service user's aborts (source 0) the reason is not significant and stands at 0.
    """

    source: int = SERVICE_PROVIDER
    reason: int = 0


class UnrecognisedPdu(Violation):
    """A PDU of a type that the standard does not know, or no PDU at all."""

    reason = 1


class UnexpectedPdu(Violation):
    """A PDU that may not come now."""

    reason = 2


class InvalidParameter(Violation):
    """A field of a PDU holds what it must not."""

    reason = 6


class InvalidMessage(Violation):
    """The PDUs are sound, but the DIMSE message in them is not (PS3.7)."""

    source = SERVICE_USER


VIOLATIONS: tuple[type[Violation], ...] = (
    UnrecognisedPdu,
    UnexpectedPdu,
    InvalidParameter,
    InvalidMessage,
)
"""Every kind; `Violation` itself is never raised."""
