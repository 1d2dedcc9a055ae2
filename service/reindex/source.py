"""A follower's source of work (`service.worker.Source`): chunks in, rows of its partition out."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import Engine

from service.encoders.registry import ActiveEncoder
from service.lease import Jobs
from service.outcomes import Outcome
from service.reindex.jobs import ChunkJobs
from service.reindex.writing import write_followed


class FollowerSource:
    """What an encoder lacks of what the active one has embedded."""

    def __init__(self, engine: Engine, encoder: ActiveEncoder) -> None:
        self._engine = engine
        self._encoder = encoder
        self._chunks = ChunkJobs(encoder)

    @property
    def jobs(self) -> Jobs:
        """The encoder's chunks."""
        return self._chunks

    def write(self, owner: UUID, outcomes: Sequence[Outcome]) -> set[int]:
        """See `service.reindex.writing.write_followed`."""
        return write_followed(self._engine, self._encoder, owner, outcomes)

    def is_drained(self) -> bool:
        """Whether no chunk is free: others are with another worker, or wait to be tried again."""
        with self._engine.connect() as connection:
            return not self._chunks.any_free(connection)
