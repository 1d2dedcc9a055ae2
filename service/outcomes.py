"""What became of a worker's jobs, and writing it down: all of a batch in one transaction."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from uuid import UUID

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, Engine

from service import queue
from service.db.deadlocks import despite_deadlocks
from service.db.tables import embedding_job
from service.db.vectors import EmbeddingRow, copy_embeddings
from service.decoding import Refusal
from service.encoders.following import follow, require_active
from service.encoders.registry import ActiveEncoder
from service.labels.copies import hold_labels, labels_of_instances


@dataclass
class Outcome:
    """What became of one job: its coordinates, float32 (frames, D), or why it has none.

    `planes` are those of its frames, in their order.
    """

    job: queue.Job
    coordinates: list[NDArray[np.float32]] = field(default_factory=list)
    refusal: Refusal | None = None
    planes: list[str | None] = field(default_factory=list)

    @property
    def postponed(self) -> bool:
        """Whether the object should be tried again, since something else may be at fault."""
        if self.refusal is None:
            return False
        if self.refusal.blame == "disk":
            return True
        is_last_try = self.job.attempts > queue.SUSPECT_ATTEMPTS
        return self.refusal.blame == "perhaps machine" and not is_last_try


def write_outcomes(
    engine: Engine, encoder: ActiveEncoder, owner: UUID, outcomes: Sequence[Outcome]
) -> set[int]:
    """Settle or postpone what `owner` still owns, all of it or nothing; which were settled.

    Other encoders that are to have what this one has get it to do in the same transaction.

    Raises:
        EncoderChanged: `encoder` answers no queries any more, and nothing was written.
        SQLAlchemyError: the database failed, and nothing was written.
    """
    # Labels and activations lock rows, too, and they need not come in our order.
    return despite_deadlocks(lambda: _write_once(engine, encoder, owner, outcomes))


def _write_once(
    engine: Engine, encoder: ActiveEncoder, owner: UUID, outcomes: Sequence[Outcome]
) -> set[int]:
    final = [outcome for outcome in outcomes if not outcome.postponed]
    with engine.begin() as connection:
        require_active(connection, encoder)
        ids = [outcome.job.instance_id for outcome in outcomes]
        queue.lock(connection, embedding_job.c.instance_id.in_(ids))
        owned = queue.take(connection, owner, [outcome.job.instance_id for outcome in final])
        mine = [outcome for outcome in final if outcome.job.instance_id in owned]
        _write_embedded(connection, encoder, [o for o in mine if o.refusal is None])
        for outcome in mine:
            if outcome.refusal is not None:
                one = [outcome.job.instance_id]
                queue.settle(connection, one, outcome.refusal.state, outcome.refusal.reason)
        for outcome in outcomes:
            if outcome.postponed and outcome.refusal is not None:
                queue.postpone(
                    connection,
                    owner,
                    outcome.job.instance_id,
                    outcome.refusal.reason,
                    untried=outcome.refusal.blame == "disk",
                )
    return owned


def _write_embedded(
    connection: Connection, encoder: ActiveEncoder, outcomes: Sequence[Outcome]
) -> None:
    ids = [outcome.job.instance_id for outcome in outcomes]
    follow(connection, encoder, ids)
    copy_outcomes(connection, encoder, outcomes)
    queue.settle(connection, ids, "embedded", None)


def copy_outcomes(
    connection: Connection, encoder: ActiveEncoder, outcomes: Sequence[Outcome]
) -> None:
    """Write the rows of outcomes that have coordinates into the encoder's partition."""
    hold_labels(connection)
    labels = labels_of_instances(connection, [outcome.job.instance_id for outcome in outcomes])
    cursor = connection.connection.cursor()
    copy_embeddings(cursor, encoder.partition, _rows(encoder, outcomes, labels))
    cursor.close()


def _rows(
    encoder: ActiveEncoder, outcomes: Sequence[Outcome], labels: dict[int, tuple[str, ...]]
) -> Iterator[EmbeddingRow]:
    for outcome in outcomes:
        job = outcome.job
        found = zip(np.concatenate(outcome.coordinates), outcome.planes, strict=True)
        for frame, (coordinates, plane) in enumerate(found, start=1):
            yield EmbeddingRow(
                encoder.encoder_id,
                job.instance_id,
                frame,
                job.patient_key,
                job.modality,
                labels.get(job.instance_id, ()),
                coordinates,
                job.series_id,
                job.study_id,
                job.patient_sex,
                job.patient_age_years,
                plane,
            )
