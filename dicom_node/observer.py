"""What the node tells whoever counts and keeps records: objects and associations."""

import enum
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Protocol
from uuid import UUID, uuid4

from dicom_node.tls.identity import PeerCertificate


class AssociationStage(enum.Enum):
    """What became of a peer; every connection that is accepted or rejected also ends."""

    ACCEPTED = "accepted"
    REJECTED = "rejected"
    RELEASED = "released"
    ABORTED = "aborted"
    LOST = "lost"


@dataclass(frozen=True)
class AssociationEvent:
    """Who came, and what became of it, in words that an administrator can act on.

    AE titles and `reason` are fit for a log line; AE titles are None where a peer never said them.
    `contexts` and `refused_contexts` are numbers, `refused` names the first few. `answered` are the
    responses given so far, by DIMSE status; `seconds` and `received_bytes` count from connecting.
    All events of one connection have the same `association_id`. `tls` is the version of a finished
    handshake, `certificate` what the peer showed in it.
    """

    stage: AssociationStage
    peer: str
    calling_ae_title: str | None
    called_ae_title: str | None
    reason: str = ""
    contexts: int = 0
    refused_contexts: int = 0
    refused: tuple[str, ...] = ()
    answered: dict[int, int] = field(default_factory=dict)
    tls: str | None = None
    certificate: PeerCertificate | None = None
    received_bytes: int = 0
    seconds: float = 0.0
    at: datetime = field(default_factory=lambda: datetime.now(UTC))
    association_id: UUID = field(default_factory=uuid4)


class NodeObserver(Protocol):
    """Called from many threads at once; must be quick and must not raise."""

    def received(self) -> None:
        """A C-STORE request has arrived whole."""

    def stored(self, seconds: float) -> None:
        """An object was stored and registered, `seconds` after its request had arrived."""

    def refused(self, status: int) -> None:
        """An object was refused with that DIMSE status."""

    def association(self, event: AssociationEvent) -> None:
        """Something became of a peer."""


class SilentObserver:
    """Counts nothing."""

    def received(self) -> None:
        """Nothing to do."""

    def stored(self, seconds: float) -> None:
        """Nothing to do."""

    def refused(self, status: int) -> None:
        """Nothing to do."""

    def association(self, event: AssociationEvent) -> None:
        """Nothing to do."""
