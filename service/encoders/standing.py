"""How encoders stand: state, room, index, and what they have still to embed."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, text

from service.encoders.files import has_weights
from service.encoders.partitions import (
    IndexState,
    index_state,
    partition_exists,
    partition_name,
)
from service.encoders.registry import EncoderFacts, EncoderState, list_encoders
from service.reindex.runs import last_run, left_to_embed


@dataclass(frozen=True)
class Standing:
    """One encoder; `bytes` is the room of rows and index, `behind` instances left to embed."""

    encoder_id: int
    name: str
    state: EncoderState
    dimension: int
    bytes: int
    index: IndexState
    behind: int
    weights_kept: bool
    registered_at: datetime


@dataclass(frozen=True)
class Details:
    """All that is known of one encoder; `gate` is what its last reindex found."""

    standing: Standing
    sha256: str
    preprocessing: str
    metrics: dict[str, Any]
    slices: int
    gate: dict[str, Any] | None


def list_standings(connection: Connection) -> list[Standing]:
    """All encoders, by their numbers."""
    return [standing_of(connection, facts) for facts in list_encoders(connection)]


def standing_of(connection: Connection, facts: EncoderFacts) -> Standing:
    """How one encoder stands."""
    size = text("SELECT coalesce(pg_total_relation_size(to_regclass(:name)), 0)")
    return Standing(
        encoder_id=facts.encoder_id,
        name=facts.name,
        state=facts.state,
        dimension=facts.dimension,
        bytes=int(connection.scalar(size, {"name": partition_name(facts.encoder_id)}) or 0),
        index=index_state(connection, facts.encoder_id),
        behind=left_to_embed(connection, facts.encoder_id),
        weights_kept=has_weights(connection, facts.encoder_id),
        registered_at=facts.registered_at,
    )


def details_of(connection: Connection, facts: EncoderFacts) -> Details:
    """All of one encoder; counts its slices."""
    slices = 0
    if partition_exists(connection, facts.encoder_id):
        count = text(f"SELECT count(*) FROM {partition_name(facts.encoder_id)}")
        slices = connection.execute(count).scalar_one()
    run = last_run(connection, facts.encoder_id)
    return Details(
        standing=standing_of(connection, facts),
        sha256=facts.digest,
        preprocessing=facts.preprocessing,
        metrics=facts.metrics,
        slices=slices,
        gate=run.gate if run else None,
    )
