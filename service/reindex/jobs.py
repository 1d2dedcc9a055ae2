"""What followers have left to embed, claimed in chunks of instances: a queue below the live one.

A chunk is a range of instance numbers and means those in it that are embedded, and that its encoder
neither has nor has failed. A lease that runs out frees it; a chunk that ended its worker more than
once is split, so that one instance is blamed.
"""

from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Connection, Integer, text

from service.encoders.registry import ActiveEncoder, hold_encoders
from service.queue import SUSPECT_ATTEMPTS, Job, read_jobs

_FREE = "encoder_id = :encoder_id AND coalesce(leased_until < clock_timestamp(), true)"
_HELD = "encoder_id = :encoder_id AND lease_owner = :owner"

_CLAIM = text(f"""
    WITH free AS (
        SELECT first_instance_id, last_instance_id, instances FROM reindex_chunk
        WHERE {_FREE} AND (attempts >= :suspect) = :suspects
        ORDER BY first_instance_id LIMIT :chunks FOR UPDATE SKIP LOCKED),
    taken AS (
        SELECT first_instance_id, last_instance_id FROM (
            SELECT *, sum(instances) OVER (ORDER BY first_instance_id) AS so_far FROM free) counted
        WHERE so_far - instances < :count)
    UPDATE reindex_chunk c
    SET lease_owner = :owner, leased_until = clock_timestamp() + :lease, attempts = attempts + 1
    FROM taken t
    WHERE c.encoder_id = :encoder_id AND c.first_instance_id = t.first_instance_id
      AND c.last_instance_id = t.last_instance_id
    RETURNING c.first_instance_id, c.last_instance_id, c.instances
""")

_WAITING = """
    SELECT i.instance_id, max(c.attempts) AS attempts
    FROM reindex_chunk c
         JOIN instance i ON i.instance_id BETWEEN c.first_instance_id AND c.last_instance_id
    WHERE c.encoder_id = :encoder_id AND c.lease_owner = :owner AND i.state = 'embedded'
      AND NOT EXISTS (
          SELECT FROM embedding e
          WHERE e.encoder_id = c.encoder_id AND e.instance_id = i.instance_id)
      AND NOT EXISTS (
          SELECT FROM reindex_failure f
          WHERE f.encoder_id = c.encoder_id AND f.instance_id = i.instance_id)
    GROUP BY i.instance_id"""

_RENEW = text(f"""
    UPDATE reindex_chunk c SET leased_until = clock_timestamp() + :lease
    FROM (SELECT first_instance_id, last_instance_id FROM reindex_chunk
          WHERE {_HELD} FOR UPDATE SKIP LOCKED) h
    WHERE c.encoder_id = :encoder_id AND c.first_instance_id = h.first_instance_id
      AND c.last_instance_id = h.last_instance_id
""")

_RELEASE = text(f"""
    UPDATE reindex_chunk
    SET lease_owner = NULL, leased_until = NULL, attempts = greatest(attempts - 1, 0)
    WHERE {_HELD}
""")

_SPLIT = text("""
    INSERT INTO reindex_chunk
        (encoder_id, first_instance_id, last_instance_id, instances, planned, attempts)
    SELECT c.encoder_id, i.instance_id, i.instance_id, 1, c.planned, :suspect
    FROM reindex_chunk c
         JOIN instance i ON i.instance_id BETWEEN c.first_instance_id AND c.last_instance_id
    WHERE c.encoder_id = :encoder_id AND c.lease_owner = :owner
      AND c.first_instance_id < c.last_instance_id AND i.state = 'embedded'
    ON CONFLICT DO NOTHING
""")

_DROP = text(f"DELETE FROM reindex_chunk WHERE {_HELD}")
_ANY_FREE = text(f"SELECT EXISTS (SELECT FROM reindex_chunk WHERE {_FREE})")


class ChunkJobs:
    """The queue of one encoder that follows; see `service.lease.Jobs`."""

    def __init__(self, encoder: ActiveEncoder) -> None:
        self._encoder_id = encoder.encoder_id

    def claim(
        self,
        connection: Connection,
        owner: UUID,
        count: int,
        lease_s: float,
        *,
        suspects_first: bool = False,
    ) -> list[Job]:
        """Take free chunks of about `count` instances in all; a suspect one is taken alone."""
        # Or an activation, which deletes chunks, would wait for ours while we wait for another.
        hold_encoders(connection)
        values = self._values(owner) | {"lease": timedelta(seconds=lease_s), "count": count}
        for suspects in (True, False) if suspects_first else (False, True):
            limits = {"suspects": suspects, "chunks": 1 if suspects else count}
            while taken := connection.execute(_CLAIM, values | limits).all():
                if suspects and taken[0].first_instance_id < taken[0].last_instance_id:
                    connection.execute(_SPLIT, values)
                elif jobs := self.waiting(connection, owner):
                    return jobs
                # Split, or all of it was embedded, deleted or withdrawn meanwhile.
                connection.execute(_DROP, values)
        return []

    def waiting(self, connection: Connection, owner: UUID) -> list[Job]:
        """What `owner` holds that is still to be embedded."""
        tried = text(_WAITING).bindparams(encoder_id=self._encoder_id, owner=owner)
        return read_jobs(
            connection, tried.columns(instance_id=BigInteger, attempts=Integer).subquery()
        )

    def renew(self, connection: Connection, owner: UUID, lease_s: float) -> None:
        """Extend what `owner` still holds; chunks being settled right now are passed over."""
        connection.execute(_RENEW, self._values(owner) | {"lease": timedelta(seconds=lease_s)})

    def release(self, connection: Connection, owner: UUID) -> None:
        """Give back what `owner` holds, as if it had not been tried."""
        hold_encoders(connection)
        connection.execute(_RELEASE, self._values(owner))

    def any_free(self, connection: Connection) -> bool:
        """Whether a chunk waits that is nobody's."""
        return bool(connection.scalar(_ANY_FREE, {"encoder_id": self._encoder_id}))

    def _values(self, owner: UUID) -> dict[str, Any]:
        return {"encoder_id": self._encoder_id, "owner": owner, "suspect": SUSPECT_ATTEMPTS}
