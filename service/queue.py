"""The queue of slices to embed: claimed in batches with a lease, settled exactly once.

A lease that its worker stops renewing runs out, and another worker takes the job. Settling deletes
the job under the owner's name first, so a worker that lost its lease writes nothing.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from sqlalchemy import Connection, delete, func, select, update

from service.db.tables import embedding_job, instance, series

# A job that ended its worker more than once is suspect: it is tried alone, then given up.
SUSPECT_ATTEMPTS = 2
MAXIMUM_ATTEMPTS = 5


@dataclass(frozen=True)
class Job:
    """One claimed instance: where its bytes are and what goes into its embedding rows."""

    instance_id: int
    sop_instance_uid: str
    file_name: str
    patient_key: UUID
    modality: str
    attempts: int


def claim(connection: Connection, owner: UUID, count: int, lease_s: float) -> list[Job]:
    """Take up to `count` free jobs for `owner`; a suspect job is taken alone, after all others."""
    job_ids = _free_jobs(connection, count, suspect=False)
    if not job_ids:
        job_ids = _free_jobs(connection, 1, suspect=True)
    if not job_ids:
        return []
    connection.execute(
        update(embedding_job)
        .where(embedding_job.c.instance_id.in_(job_ids))
        .values(
            lease_owner=owner,
            leased_until=func.clock_timestamp() + timedelta(seconds=lease_s),
            attempts=embedding_job.c.attempts + 1,
        )
    )
    rows = connection.execute(
        select(
            instance.c.instance_id,
            instance.c.sop_instance_uid,
            instance.c.file_name,
            instance.c.patient_key,
            series.c.modality,
            embedding_job.c.attempts,
        )
        .select_from(embedding_job.join(instance).join(series))
        .where(embedding_job.c.instance_id.in_(job_ids))
        .order_by(instance.c.instance_id)
    )
    return [Job(**row) for row in rows.mappings()]


def _free_jobs(connection: Connection, count: int, *, suspect: bool) -> Sequence[int]:
    attempts = embedding_job.c.attempts
    free = func.coalesce(embedding_job.c.leased_until < func.clock_timestamp(), True)
    return connection.scalars(
        select(embedding_job.c.instance_id)
        .where(free, attempts >= SUSPECT_ATTEMPTS if suspect else attempts < SUSPECT_ATTEMPTS)
        .order_by(embedding_job.c.instance_id)
        .limit(count)
        .with_for_update(skip_locked=True)
    ).all()


def renew(connection: Connection, owner: UUID, lease_s: float) -> None:
    """Extend every lease that `owner` still holds; jobs being settled right now are passed over."""
    held = (
        select(embedding_job.c.instance_id)
        .where(embedding_job.c.lease_owner == owner)
        .with_for_update(skip_locked=True)
    )
    connection.execute(
        update(embedding_job)
        .where(embedding_job.c.instance_id.in_(held))
        .values(leased_until=func.clock_timestamp() + timedelta(seconds=lease_s))
    )


def release(connection: Connection, owner: UUID) -> None:
    """Give back what `owner` holds, as if it had not been tried: the worker ends in good order."""
    connection.execute(
        update(embedding_job)
        .where(embedding_job.c.lease_owner == owner)
        .values(
            lease_owner=None,
            leased_until=None,
            attempts=func.greatest(embedding_job.c.attempts - 1, 0),
        )
    )


def take(connection: Connection, owner: UUID, instance_ids: Iterable[int]) -> set[int]:
    """Delete those of `owner`'s jobs and return them; only these may be written."""
    return set(
        connection.scalars(
            delete(embedding_job)
            .where(
                embedding_job.c.instance_id.in_(list(instance_ids)),
                embedding_job.c.lease_owner == owner,
            )
            .returning(embedding_job.c.instance_id)
        )
    )


def settle(
    connection: Connection, instance_ids: Iterable[int], state: str, reason: str | None
) -> None:
    """Give instances their final state, with the reason when they are not embedded."""
    connection.execute(
        update(instance)
        .where(instance.c.instance_id.in_(list(instance_ids)))
        .values(state=state, reason=reason, settled_at=func.now())
    )


def pending_count(connection: Connection) -> int:
    """How many instances wait for the worker or are with it."""
    return connection.scalar(select(func.count()).select_from(embedding_job)) or 0
