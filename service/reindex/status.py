"""How far a reindex is, and when it will be done."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, func, select, text

from service.db.reindex_tables import reindex_failure
from service.encoders.partitions import partition_name
from service.encoders.registry import find_encoder
from service.reindex.runs import Phase, Run, last_run, left_to_embed


@dataclass(frozen=True)
class ReindexStatus:
    """One reindex; `eta_s` are the seconds that filling will take, by its pace since it began.

    `done` of `instances` are settled, `failed` of these without an embedding. `index_share` (0 to
    1) is PostgreSQL's own word on the phase of the build that it is in.
    """

    reindex_id: int
    encoder_id: int
    encoder: str
    state: str
    phase: Phase
    instances: int
    done: int
    failed: int
    behind: int
    eta_s: float | None
    index_share: float | None
    started_at: datetime
    finished_at: datetime | None
    fault: str | None
    gate: dict[str, Any] | None


def reindex_status(connection: Connection) -> ReindexStatus | None:
    """The reindex that began last; None where there was none."""
    run = last_run(connection)
    if run is None:
        return None
    facts = find_encoder(connection, str(run.encoder_id))
    left = left_to_embed(connection, run.encoder_id, planned=True)
    done = run.instances - left if run.phase != "cancelled" else 0
    of_encoder = reindex_failure.c.encoder_id == run.encoder_id
    failures = select(func.count()).select_from(reindex_failure).where(of_encoder)
    return ReindexStatus(
        reindex_id=run.reindex_id,
        encoder_id=run.encoder_id,
        encoder=facts.name,
        state=facts.state,
        phase=run.phase,
        instances=run.instances,
        done=done,
        failed=connection.scalar(failures) or 0,
        behind=left_to_embed(connection, run.encoder_id, planned=False),
        eta_s=_eta_s(run, done) if run.phase == "filling" else None,
        index_share=_index_share(connection, run) if run.phase == "indexing" else None,
        started_at=run.started_at,
        finished_at=run.finished_at,
        fault=run.fault,
        gate=run.gate,
    )


def _eta_s(run: Run, done: int) -> float | None:
    if done == 0:
        return None
    elapsed = (datetime.now(UTC) - run.started_at).total_seconds()
    return round(max(0.0, elapsed) / done * (run.instances - done), 1)


def _index_share(connection: Connection, run: Run) -> float | None:
    found = connection.execute(
        text(
            "SELECT tuples_done, tuples_total FROM pg_stat_progress_create_index"
            " WHERE datname = current_database() AND relid = to_regclass(:table)"
        ),
        {"table": partition_name(run.encoder_id)},
    ).one_or_none()
    if found is None or not found.tuples_total:
        return None
    return min(1.0, float(found.tuples_done) / float(found.tuples_total))
