"""Tells log and observer what becomes of associations.

A refusal always says why, since a wrong AE title looks like a network fault from the other side.
"""

import logging
import time
from typing import Any
from uuid import UUID, uuid4

from dicom_node.network.connection import Connection
from dicom_node.observer import AssociationEvent, AssociationStage, NodeObserver
from dicom_node.upper_layer.association import Ending

_STAGES = {
    Ending.RELEASED: AssociationStage.RELEASED,
    Ending.REJECTED: AssociationStage.REJECTED,
    Ending.ABORTED: AssociationStage.ABORTED,
    Ending.ABORTED_BY_PEER: AssociationStage.ABORTED,
    Ending.LOST: AssociationStage.LOST,
}
_log = logging.getLogger("precuneus.node")


class AssociationLog:
    """Follows each connection from its acceptance to its end."""

    def __init__(self, observer: NodeObserver) -> None:
        self._observer = observer
        self._accepted: set[Connection] = set()
        self._ended: set[Connection] = set()
        self._association_ids: dict[Connection, UUID] = {}

    def follow(self, connection: Connection) -> None:
        """To be called at each change of a connection."""
        association = connection.association
        if association.acceptance is not None and connection not in self._accepted:
            self._accepted.add(connection)
            self._tell(connection, AssociationStage.ACCEPTED)
        if association.ending is not None and connection not in self._ended:
            self._ended.add(connection)
            self._tell(connection, _STAGES[association.ending])

    def forget(self, connection: Connection) -> None:
        """The connection is closed."""
        self._accepted.discard(connection)
        self._ended.discard(connection)
        self._association_ids.pop(connection, None)

    def _tell(self, connection: Connection, stage: AssociationStage) -> None:
        association_id = self._association_ids.setdefault(connection, uuid4())
        event = _event(connection, stage, association_id)
        self._observer.association(event)
        if stage is AssociationStage.LOST and event.calling_ae_title is None:
            # A health check or a port scan, perhaps hundreds a second: the observer counts them.
            return
        fields: dict[str, Any] = {
            "action": f"association.{stage.value}",
            "calling_ae_title": event.calling_ae_title or "unknown",
            "peer": event.peer,
        }
        fields |= _security(event)
        if stage is AssociationStage.ACCEPTED:
            fields |= {
                "accepted_contexts": event.contexts,
                "refused_contexts": event.refused_contexts,
                "refused": list(event.refused),
            }
            _log.info("association accepted", extra=fields)
            return
        fields |= {"reason": event.reason, "seconds": round(event.seconds, 3)}
        fields["answered"] = {f"0x{code:04X}": count for code, count in event.answered.items()}
        level = logging.INFO if stage is AssociationStage.RELEASED else logging.WARNING
        text = f"association {stage.value}" + (": %s" if event.reason else "%s")
        _log.log(level, text, event.reason, extra=fields)


def _security(event: AssociationEvent) -> dict[str, Any]:
    fields: dict[str, Any] = {} if event.tls is None else {"tls": event.tls}
    if event.certificate is not None:
        fields["certificate_sha256"] = event.certificate.fingerprint
        fields["certificate_names"] = list(event.certificate.names)
    return fields


def _event(
    connection: Connection, stage: AssociationStage, association_id: UUID
) -> AssociationEvent:
    association = connection.association
    titles, acceptance = association.titles, association.acceptance
    security = connection.security
    return AssociationEvent(
        stage=stage,
        peer=connection.address,
        calling_ae_title=titles.calling_ae_title if titles else None,
        called_ae_title=titles.called_ae_title if titles else None,
        reason="" if stage is AssociationStage.ACCEPTED else association.end_reason,
        contexts=len(acceptance.contexts) if acceptance else 0,
        refused_contexts=acceptance.refused_count if acceptance else 0,
        refused=acceptance.refused if acceptance else (),
        answered=dict(association.answered),
        tls=security.version if security else None,
        certificate=security.certificate if security else None,
        received_bytes=connection.received_bytes,
        seconds=time.monotonic() - connection.opened,
        association_id=association_id,
    )
