"""Runs of a reindex: how far each came, and what its gate found. At most one is under way."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import Connection, func, select, text, update

from service.db.reindex_tables import reindex, reindex_chunk

Phase = Literal["filling", "indexing", "checking", "passed", "held", "cancelled"]


@dataclass(frozen=True)
class Run:
    """One reindex; `instances` is how many were planned, `gate` what its gate found."""

    reindex_id: int
    encoder_id: int
    phase: Phase
    instances: int
    gate: dict[str, Any] | None
    fault: str | None
    started_at: datetime
    filled_at: datetime | None
    indexed_at: datetime | None
    finished_at: datetime | None


_COLUMNS = [reindex.c[name] for name in Run.__annotations__]


def run_under_way(connection: Connection) -> Run | None:
    """The reindex that is not finished."""
    row = connection.execute(select(*_COLUMNS).where(reindex.c.finished_at.is_(None))).one_or_none()
    return None if row is None else Run(*row)


def last_run(connection: Connection, encoder_id: int | None = None) -> Run | None:
    """The reindex that began last, of one encoder or of any."""
    statement = select(*_COLUMNS).order_by(reindex.c.reindex_id.desc()).limit(1)
    if encoder_id is not None:
        statement = statement.where(reindex.c.encoder_id == encoder_id)
    row = connection.execute(statement).one_or_none()
    return None if row is None else Run(*row)


def find_run(connection: Connection, reindex_id: int) -> Run:
    """A run by its number."""
    found = select(*_COLUMNS).where(reindex.c.reindex_id == reindex_id)
    return Run(*connection.execute(found).one())


def enter_phase(connection: Connection, run: Run, phase: Phase, *times: str) -> bool:
    """Note a phase and the `times` that are now; False where the run was cancelled meanwhile."""
    now = dict.fromkeys(times, func.clock_timestamp())
    changed = connection.execute(
        update(reindex)
        .where(reindex.c.reindex_id == run.reindex_id, reindex.c.finished_at.is_(None))
        .values(phase=phase, fault=None, **now)
    )
    return changed.rowcount == 1


def left_to_embed(connection: Connection, encoder_id: int, *, planned: bool | None = None) -> int:
    """How many instances an encoder has still to embed: of a reindex's plan, or of all."""
    left = select(func.coalesce(func.sum(reindex_chunk.c.instances), 0)).where(
        reindex_chunk.c.encoder_id == encoder_id
    )
    if planned is not None:
        left = left.where(reindex_chunk.c.planned == planned)
    return int(connection.scalar(left) or 0)


def is_filled(connection: Connection, run: Run) -> bool:
    """Whether nothing of a run's plan is left to embed."""
    return not connection.scalar(_ANY_PLANNED, {"encoder_id": run.encoder_id})


_ANY_PLANNED = text(
    "SELECT EXISTS (SELECT FROM reindex_chunk WHERE encoder_id = :encoder_id AND planned)"
)
