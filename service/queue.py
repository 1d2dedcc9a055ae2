"""The queue of slices to embed: claimed in batches with a lease, settled exactly once.

A lease that its worker stops renewing runs out, and another worker takes the job. Settling deletes
the job under the owner's name first, so a worker that lost its lease writes nothing.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, Subquery, delete, func, select, update
from sqlalchemy.dialects.postgresql import insert

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
    series_id: int
    study_id: int
    patient_sex: str | None = None
    patient_age_years: int | None = None


def claim(
    connection: Connection,
    owner: UUID,
    count: int,
    lease_s: float,
    *,
    suspects_first: bool = False,
) -> list[Job]:
    """Take up to `count` free jobs for `owner`; a suspect job is taken alone.

    Suspects come after all others, unless `suspects_first`: that is for now and then, so that they
    get their turn under a steady stream of new objects.
    """
    job_ids: Sequence[int] = []
    for suspect in (True, False) if suspects_first else (False, True):
        job_ids = job_ids or _free_jobs(connection, 1 if suspect else count, suspect=suspect)
    connection.execute(
        update(embedding_job)
        .where(embedding_job.c.instance_id.in_(job_ids))
        .values(
            lease_owner=owner,
            leased_until=func.clock_timestamp() + timedelta(seconds=lease_s),
            attempts=embedding_job.c.attempts + 1,
        )
    )
    return _read_jobs(connection, job_ids) if job_ids else []


def _read_jobs(connection: Connection, job_ids: Sequence[int]) -> list[Job]:
    tried = select(embedding_job.c.instance_id, embedding_job.c.attempts).where(
        embedding_job.c.instance_id.in_(job_ids)
    )
    return read_jobs(connection, tried.subquery())


def read_jobs(connection: Connection, tried: Subquery) -> list[Job]:
    """The jobs of a subquery of instance_id and attempts."""
    rows = connection.execute(
        select(
            instance.c.instance_id,
            instance.c.sop_instance_uid,
            instance.c.file_name,
            instance.c.patient_key,
            series.c.modality,
            tried.c.attempts,
            instance.c.series_id,
            series.c.study_id,
            instance.c.patient_sex,
            instance.c.patient_age_years,
        )
        .select_from(
            instance.join(series).join(tried, tried.c.instance_id == instance.c.instance_id)
        )
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
    lock(connection, embedding_job.c.lease_owner == owner)
    connection.execute(
        update(embedding_job)
        .where(embedding_job.c.lease_owner == owner)
        .values(
            lease_owner=None,
            leased_until=None,
            attempts=func.greatest(embedding_job.c.attempts - 1, 0),
        )
    )


def lock(connection: Connection, which: ColumnElement[bool]) -> None:
    """Lock jobs in the one order in which all writers lock several, so that none waits in a ring.

    Who holds them all may write them in any order. Who deletes instances locks their jobs, too.
    """
    jobs = select(embedding_job.c.instance_id).where(which)
    connection.execute(jobs.order_by(embedding_job.c.instance_id).with_for_update())


def drop(connection: Connection, instance_ids: Iterable[int]) -> None:
    """Delete jobs, whoever owns them; a worker that is settling one is waited for."""
    named = embedding_job.c.instance_id.in_(list(instance_ids))
    lock(connection, named)
    connection.execute(delete(embedding_job).where(named))


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


def postpone(
    connection: Connection, owner: UUID, instance_id: int, reason: str, *, untried: bool
) -> None:
    """Leave one of `owner`'s jobs for later, when its lease runs out, with the reason to be seen.

    `untried` takes the attempt back: the object had no part in it.
    """
    attempts = embedding_job.c.attempts
    mine = connection.scalar(
        update(embedding_job)
        .where(embedding_job.c.instance_id == instance_id, embedding_job.c.lease_owner == owner)
        .values(lease_owner=None, attempts=func.greatest(attempts - 1, 0) if untried else attempts)
        .returning(embedding_job.c.instance_id)
    )
    connection.execute(update(instance).where(instance.c.instance_id == mine).values(reason=reason))


def failures(connection: Connection, reason: str | None = None) -> dict[str, list[int]]:
    """Failed instances by why they failed, most first; or those whose reason contains `reason`."""
    failed = instance.c.state == "failed"
    if reason is not None:
        failed &= instance.c.reason.icontains(reason, autoescape=True)
    rows = connection.execute(select(instance.c.reason, instance.c.instance_id).where(failed))
    found: dict[str, list[int]] = {}
    for why, instance_id in rows:
        found.setdefault(why or "unknown", []).append(instance_id)
    return dict(sorted(found.items(), key=lambda item: -len(item[1])))


def retry(connection: Connection, instance_ids: Iterable[int] | None = None) -> int:
    """Queue failed instances again, all of them or those named; how many."""
    failed = instance.c.state == "failed"
    if instance_ids is not None:
        failed &= instance.c.instance_id.in_(list(instance_ids))
    ids = connection.scalars(
        update(instance)
        .where(failed)
        .values(state="pending", reason=None, settled_at=None)
        .returning(instance.c.instance_id)
    ).all()
    if ids:
        jobs = [{"instance_id": instance_id} for instance_id in ids]
        connection.execute(insert(embedding_job).on_conflict_do_nothing(), jobs)
    return len(ids)


def settle(
    connection: Connection, instance_ids: Iterable[int], state: str, reason: str | None
) -> None:
    """Give instances their final state, with the reason when they are not embedded."""
    connection.execute(
        update(instance)
        .where(instance.c.instance_id.in_(list(instance_ids)))
        .values(state=state, reason=reason, settled_at=func.now())
    )


def any_free(connection: Connection) -> bool:
    """Whether a job waits that is nobody's, suspects aside."""
    return bool(_free_jobs(connection, 1, suspect=False))


def pending_count(connection: Connection) -> int:
    """How many instances wait for the worker or are with it, but for those that were postponed."""
    waiting = select(func.count()).select_from(embedding_job.join(instance))
    return connection.scalar(waiting.where(instance.c.reason.is_(None))) or 0
