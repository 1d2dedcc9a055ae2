"""The results that peers wait for: in the database, so that they outlive the process."""

from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import Connection, delete, func, select, update
from sqlalchemy.dialects.postgresql import insert

from dicom_node.commitment import CommitmentRequest, ReferencedObject
from service.db.node_tables import commitment, peer

_LEASE_S = 60.0
FIRST_PAUSE_S, LONGEST_PAUSE_S = 5.0, 3600.0
MAXIMUM_ATTEMPTS = 34
"""About a day: seconds at first, then once an hour."""


@dataclass(frozen=True)
class DueCommitment:
    """A request whose result is to be told now; `attempts` counts this one."""

    commitment_id: int
    peer_name: str
    request: CommitmentRequest
    attempts: int


def enqueue(connection: Connection, calling_ae_title: str, request: CommitmentRequest) -> bool:
    """Take a request on; False where no known peer has that AE title.

    The same transaction asked for again is told again, of what is asked for last.
    """
    peer_id = connection.scalar(select(peer.c.peer_id).where(peer.c.ae_title == calling_ae_title))
    if peer_id is None:
        return False
    values = {
        "referenced": [[r.sop_class_uid, r.sop_instance_uid] for r in request.references],
        "attempts": 0,
        "next_attempt_at": func.now(),
    }
    statement = insert(commitment).values(
        peer_id=peer_id, transaction_uid=request.transaction_uid, **values
    )
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=[commitment.c.peer_id, commitment.c.transaction_uid], set_=values
        )
    )
    return True


def claim_due(connection: Connection) -> DueCommitment | None:
    """The next request whose time has come, hidden from others for a minute."""
    due = (
        select(commitment.c.commitment_id)
        .where(commitment.c.next_attempt_at <= func.now())
        .order_by(commitment.c.next_attempt_at)
        .limit(1)
        .with_for_update(skip_locked=True)
        .scalar_subquery()
    )
    row = connection.execute(
        update(commitment)
        .where(commitment.c.commitment_id == due, commitment.c.peer_id == peer.c.peer_id)
        .values(
            attempts=commitment.c.attempts + 1,
            next_attempt_at=func.now() + timedelta(seconds=_LEASE_S),
        )
        .returning(
            commitment.c.commitment_id,
            peer.c.name,
            commitment.c.transaction_uid,
            commitment.c.referenced,
            commitment.c.attempts,
        )
    ).one_or_none()
    if row is None:
        return None
    references = tuple(ReferencedObject(*pair) for pair in row.referenced)
    request = CommitmentRequest(row.transaction_uid, references)
    return DueCommitment(row.commitment_id, row.name, request, row.attempts)


def postpone(connection: Connection, due: DueCommitment) -> float | None:
    """Leave a result for later; in how many seconds, or None where it is given up."""
    if due.attempts >= MAXIMUM_ATTEMPTS:
        settle(connection, due)
        return None
    seconds: float = min(FIRST_PAUSE_S * 2 ** (due.attempts - 1), LONGEST_PAUSE_S)
    connection.execute(
        update(commitment)
        .where(commitment.c.commitment_id == due.commitment_id)
        .values(next_attempt_at=func.now() + timedelta(seconds=seconds))
    )
    return seconds


def settle(connection: Connection, due: DueCommitment) -> None:
    """The peer was told; unless it has asked again meanwhile, nothing is left to do."""
    connection.execute(
        delete(commitment).where(
            commitment.c.commitment_id == due.commitment_id,
            commitment.c.attempts == due.attempts,
        )
    )
