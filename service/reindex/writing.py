"""Writes down what became of a follower's chunks: all of a batch in one transaction, nothing twice.

It writes only what is embedded by the active encoder at that moment, so that a deletion, a
rejection or a withdrawal that came meanwhile wins.
"""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Engine, Row, insert, text

from service.db.reindex_tables import reindex_failure
from service.encoders.following import require_followed
from service.encoders.registry import ActiveEncoder
from service.outcomes import Outcome, copy_outcomes
from service.reindex.jobs import ChunkJobs

# In the order in which the live writer notes them, before it locks their instances.
_HELD = """
    SELECT first_instance_id, last_instance_id FROM reindex_chunk
    WHERE encoder_id = :encoder_id AND lease_owner = :owner
    ORDER BY first_instance_id, last_instance_id FOR UPDATE"""

# Two chunks may share an instance, and its state may be changing: who comes first is waited for.
_LOCK = """
    SELECT i.instance_id
    FROM reindex_chunk c
         JOIN instance i ON i.instance_id BETWEEN c.first_instance_id AND c.last_instance_id
    WHERE c.encoder_id = :encoder_id AND c.lease_owner = :owner AND i.state = 'embedded'
    ORDER BY i.instance_id FOR NO KEY UPDATE OF i"""

# What has to be tried again waits for the lease's end, so that a full disk is not asked at once.
_KEEP = """
    UPDATE reindex_chunk
    SET lease_owner = NULL, attempts = greatest(attempts - :untried, 0)
    WHERE encoder_id = :encoder_id AND lease_owner = :owner
      AND first_instance_id = :first_instance_id AND last_instance_id = :last_instance_id"""

_DROP = "DELETE FROM reindex_chunk WHERE encoder_id = :encoder_id AND lease_owner = :owner"


def write_followed(
    engine: Engine, encoder: ActiveEncoder, owner: UUID, outcomes: Sequence[Outcome]
) -> set[int]:
    """Write what `owner` still holds, all of it or nothing; the instances that are settled.

    Raises:
        EncoderChanged: the encoder follows no more, and nothing was written.
        SQLAlchemyError: the database failed, and nothing was written.
    """
    names = {"encoder_id": encoder.encoder_id, "owner": owner}
    with engine.begin() as connection:
        require_followed(connection, encoder)
        chunks = connection.execute(text(_HELD), names).all()
        if not chunks:
            return set()
        connection.execute(text(_LOCK), names)
        waiting = {job.instance_id for job in ChunkJobs(encoder).waiting(connection, owner)}
        final = [o for o in outcomes if not o.postponed and o.job.instance_id in waiting]
        _write(connection, encoder, final)
        settled = {outcome.job.instance_id for outcome in final}
        is_untried = any(o.refusal is not None and o.refusal.blame == "disk" for o in outcomes)
        _let_go(connection, names | {"untried": int(is_untried)}, chunks, waiting - settled)
    return settled


def _write(connection: Connection, encoder: ActiveEncoder, outcomes: Sequence[Outcome]) -> None:
    embedded = [outcome for outcome in outcomes if outcome.refusal is None]
    if embedded:
        copy_outcomes(connection, encoder, embedded)
    failures = [
        {
            "encoder_id": encoder.encoder_id,
            "instance_id": outcome.job.instance_id,
            "reason": outcome.refusal.reason,
        }
        for outcome in outcomes
        if outcome.refusal is not None
    ]
    if failures:
        connection.execute(insert(reindex_failure), failures)


def _let_go(
    connection: Connection, names: dict[str, Any], chunks: Sequence[Row[Any]], left: set[int]
) -> None:
    """Free the chunks in which something is left to do, and delete the others."""
    for chunk in chunks:
        if any(chunk.first_instance_id <= i <= chunk.last_instance_id for i in left):
            connection.execute(text(_KEEP), names | dict(chunk._mapping))
    connection.execute(text(_DROP), names)
