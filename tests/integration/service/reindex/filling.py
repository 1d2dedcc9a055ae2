"""A gallery of made-up rows with a second encoder that is being filled, without a network."""

from collections.abc import Sequence
from pathlib import Path
from uuid import UUID, uuid4

import numpy as np
from sqlalchemy import Engine, text

from service import queue
from service.encoders.files import store_weights
from service.encoders.registry import ActiveEncoder, register
from service.outcomes import Outcome
from service.reindex.jobs import ChunkJobs
from service.reindex.planning import begin
from tests.support.encoders import DIMENSION, made_encoder, unit
from tests.support.galleries import MadeInstance, fill


def made_instances(count: int) -> list[MadeInstance]:
    """Slices of two labels, three a patient, that lie near their label's."""
    random = np.random.default_rng(7)
    centres = random.normal(size=(2, DIMENSION))
    return [
        MadeInstance(
            f"1.2.826.9.{n}",
            patient=n // 3,
            labels=("even", "odd")[(n // 3) % 2 : (n // 3) % 2 + 1],
            coordinates=unit(centres[(n // 3) % 2] + 0.3 * random.normal(size=(1, DIMENSION))),
        )
        for n in range(count)
    ]


class Filling:
    """The gallery: `first` has embedded everything, `other` is to be filled."""

    def __init__(self, engine: Engine, first: ActiveEncoder, folder: Path, count: int) -> None:
        self.engine, self.first = engine, first
        self.made = made_instances(count)
        self.ids = fill(engine, self.made, first)
        weights = folder / "made-2.safetensors"
        weights.write_bytes(b"weights")
        with engine.begin() as connection:
            self.other = register(connection, made_encoder(2))
            store_weights(connection, self.other.encoder_id, weights)
        self.jobs = ChunkJobs(self.other)

    def begin(self, batch_size: int = 4) -> None:
        """Plan what is to be filled."""
        begin(self.engine, self.other.name, batch_size)

    def claim(
        self, count: int = 4, lease_s: float = 3600, *, suspects_first: bool = False
    ) -> tuple[UUID, list[queue.Job]]:
        """A new owner, and what it has got."""
        owner = uuid4()
        with self.engine.begin() as connection:
            jobs = self.jobs.claim(connection, owner, count, lease_s, suspects_first=suspects_first)
        return owner, jobs

    def outcomes(self, jobs: Sequence[queue.Job]) -> list[Outcome]:
        """The jobs with their slices' coordinates, as if both encoders were of one mind."""
        by_id = {self.ids[made.sop_instance_uid]: made for made in self.made}
        found = []
        for job in jobs:
            coordinates = by_id[job.instance_id].coordinates
            assert coordinates is not None
            found.append(Outcome(job, coordinates=[coordinates], planes=[None] * len(coordinates)))
        return found

    def rows(self, statement: str, **values: object) -> list[tuple[object, ...]]:
        """Rows of a query."""
        with self.engine.connect() as connection:
            return [tuple(row) for row in connection.execute(text(statement), values)]

    def has(self, encoder: ActiveEncoder) -> list[int]:
        """The instances that an encoder has, one a row, sorted."""
        found = self.rows(f"SELECT instance_id FROM {encoder.partition} ORDER BY 1")
        return [int(str(number)) for (number,) in found]
