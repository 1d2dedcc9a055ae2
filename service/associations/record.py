"""One line of the node's record: an association, or many connections that came to the same.

What leaves nothing behind but a refusal is counted by the minute: a port scan, a health check, or a
modality that tries again and again under a wrong title must not fill the record.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal, get_args
from uuid import UUID

from dicom_node.observer import AssociationEvent, AssociationStage

Outcome = Literal["running", "released", "rejected", "aborted", "lost"]
OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)

_OUTCOMES: Mapping[AssociationStage, Outcome] = {
    AssociationStage.ACCEPTED: "running",
    AssociationStage.RELEASED: "released",
    AssociationStage.REJECTED: "rejected",
    AssociationStage.ABORTED: "aborted",
    AssociationStage.LOST: "lost",
}
_MAXIMUM_REASON = 500


@dataclass(frozen=True)
class AssociationRecord:
    """Who came, when, and what became of it.

    `calling_ae_title` is None where no association was asked for. Times are of the first of
    `connections`, when it came, and the last, when it was gone; None while it is there.
    `first_refused_contexts` names a few presentation contexts, as "abstract syntax with transfer
    syntaxes"; `answers` counts DIMSE responses by status ("0xA700"), `failed_answers` those that
    say failure.
    """

    association_id: UUID
    started_at: datetime
    ended_at: datetime | None
    outcome: Outcome
    address: str
    calling_ae_title: str | None
    called_ae_title: str | None
    tls: str | None
    tls_certificate_sha256: str | None
    connections: int
    reason: str | None
    accepted_contexts: int
    refused_contexts: int
    first_refused_contexts: tuple[str, ...]
    answers: Mapping[str, int]
    failed_answers: int
    received_bytes: int

    @property
    def seconds(self) -> float | None:
        """How long it took; None while it runs."""
        if self.ended_at is None:
            return None
        return (self.ended_at - self.started_at).total_seconds()

    def and_then(self, later: "AssociationRecord") -> "AssociationRecord":
        """This line with one more that came to the same."""
        return replace(
            self,
            ended_at=later.ended_at,
            reason=later.reason,
            tls=later.tls or self.tls,
            tls_certificate_sha256=later.tls_certificate_sha256 or self.tls_certificate_sha256,
            connections=self.connections + later.connections,
            received_bytes=self.received_bytes + later.received_bytes,
        )


def record_of(event: AssociationEvent) -> AssociationRecord:
    """The line that an event makes."""
    answers = sorted(event.answered.items())
    return AssociationRecord(
        association_id=event.association_id,
        started_at=event.at - timedelta(seconds=event.seconds),
        ended_at=None if event.stage is AssociationStage.ACCEPTED else event.at,
        outcome=_OUTCOMES[event.stage],
        address=event.peer,
        calling_ae_title=event.calling_ae_title,
        called_ae_title=event.called_ae_title,
        tls=event.tls,
        tls_certificate_sha256=event.certificate.fingerprint if event.certificate else None,
        connections=1,
        reason=_printable(event.reason) or None,
        accepted_contexts=event.contexts,
        refused_contexts=event.refused_contexts,
        first_refused_contexts=event.refused,
        answers={f"0x{status:04X}": count for status, count in answers},
        failed_answers=sum(count for status, count in answers if is_failure(status)),
        received_bytes=event.received_bytes,
    )


def is_failure(status: int) -> bool:
    """Whether a DIMSE status says failure: neither success, warning, pending nor cancel (PS3.7 C).

    0x0001, 0x0107 and 0x0116 are warnings, too.
    """
    is_general = status in (0x0000, 0x0001, 0x0107, 0x0116, 0xFE00, 0xFF00, 0xFF01)
    return not is_general and status >> 12 != 0xB


SameKey = tuple[str | None, ...]


def same_key(record: AssociationRecord) -> SameKey | None:
    """What lines of one minute have in common that count as one; None for a line of its own."""
    if record.calling_ae_title is None:
        return (record.address, record.outcome)
    if record.outcome != "rejected":
        return None
    return (record.address, record.calling_ae_title, record.called_ae_title, record.reason)


def _printable(text: str) -> str:
    """The database takes no NUL, and a terminal should get no escape sequences."""
    cut = text[:_MAXIMUM_REASON]
    return "".join(character if character.isprintable() else "?" for character in cut)
