"""Galleries filled with made-up rows, quickly and without files."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, Engine, insert, select, text

from service.db.tables import embedding_job, instance, series, study
from service.db.vectors import EmbeddingRow, copy_embeddings
from service.encoders.partitions import create_index, create_partition, partition_name
from service.encoders.registry import ActiveEncoder, EncoderDescription, register
from tests.support.encoders import DIMENSION, unit


@dataclass(frozen=True)
class MadeInstance:
    """An instance of a made-up gallery; `coordinates` is (frames, D), None where it waits."""

    sop_instance_uid: str
    patient: int = 0
    modality: str = "CT"
    labels: tuple[str, ...] = ()
    coordinates: NDArray[np.float32] | None = None
    state: str = "embedded"
    reason: str | None = None
    patient_sex: str | None = None
    patient_age_years: int | None = None
    plane: str | None = None

    @property
    def study_instance_uid(self) -> str:
        """One study a patient."""
        return f"1.2.826.1.{self.patient}"

    @property
    def series_instance_uid(self) -> str:
        """One series a patient and modality."""
        return f"{self.study_instance_uid}.{len(self.modality)}.{ord(self.modality[0])}"

    @property
    def patient_key(self) -> UUID:
        """The patient's key."""
        return UUID(int=self.patient + 1)

    @property
    def frames(self) -> int:
        """How many frames it has."""
        return 1 if self.coordinates is None else len(self.coordinates)


def waiting_instances(count: int) -> list[MadeInstance]:
    """Instances that no worker has seen."""
    return [MadeInstance(f"1.2.826.2.{n}", patient=n, state="pending") for n in range(count)]


def fill(
    engine: Engine, instances: Sequence[MadeInstance], encoder: ActiveEncoder | None = None
) -> dict[str, int]:
    """Write studies, series, instances, jobs and embeddings; the new instance_ids by UID."""
    with engine.begin() as connection:
        ids = _write_instances(connection, instances)
        waiting = [{"instance_id": ids[i.sop_instance_uid]} for i in instances if _waits(i)]
        if waiting:
            connection.execute(insert(embedding_job), waiting)
        if encoder is not None:
            write_embeddings(connection, encoder, instances, ids)
    return ids


def _waits(made: MadeInstance) -> bool:
    return made.state == "pending"


def _write_instances(connection: Connection, instances: Sequence[MadeInstance]) -> dict[str, int]:
    studies = sorted({i.study_instance_uid for i in instances})
    connection.execute(insert(study), [{"study_instance_uid": uid} for uid in studies])
    numbers = select(study.c.study_instance_uid, study.c.study_id)
    study_ids = {row[0]: row[1] for row in connection.execute(numbers)}
    of_series = {(i.study_instance_uid, i.series_instance_uid, i.modality) for i in instances}
    connection.execute(
        insert(series),
        [
            {"study_id": study_ids[owner], "series_instance_uid": uid, "modality": modality}
            for owner, uid, modality in sorted(of_series)
        ],
    )
    numbers = select(series.c.series_instance_uid, series.c.series_id)
    series_ids = {row[0]: row[1] for row in connection.execute(numbers)}
    rows = [_instance_row(i, series_ids[i.series_instance_uid]) for i in instances]
    connection.execute(insert(instance), rows)
    uids = [i.sop_instance_uid for i in instances]
    found = select(instance.c.sop_instance_uid, instance.c.instance_id).where(
        instance.c.sop_instance_uid.in_(uids)
    )
    return {row[0]: row[1] for row in connection.execute(found)}


def _instance_row(made: MadeInstance, series_id: int) -> dict[str, object]:
    return {
        "series_id": series_id,
        "sop_instance_uid": made.sop_instance_uid,
        "sop_class_uid": "1.2.840.10008.5.1.4.1.1.2",
        "transfer_syntax_uid": "1.2.840.10008.1.2.1",
        "patient_key": made.patient_key,
        "patient_sex": made.patient_sex,
        "patient_age_years": made.patient_age_years,
        "frames": made.frames,
        "state": made.state,
        "reason": made.reason,
        "file_name": f"00/{made.sop_instance_uid}.dcm",
        "file_size": 1,
        "sha256": made.sop_instance_uid.encode(),
        "source": "test",
    }


def _keys(connection: Connection, instance_ids: list[int]) -> dict[int, tuple[int, int]]:
    """The series_id and study_id of instances."""
    found = select(instance.c.instance_id, series.c.series_id, series.c.study_id).select_from(
        instance.join(series)
    )
    rows = connection.execute(found.where(instance.c.instance_id.in_(instance_ids)))
    return {row.instance_id: (row.series_id, row.study_id) for row in rows}


def write_embeddings(
    connection: Connection,
    encoder: ActiveEncoder,
    instances: Sequence[MadeInstance],
    ids: dict[str, int],
) -> None:
    """Write the instances' coordinates as `encoder`'s."""
    keys = _keys(connection, list(ids.values()))
    rows = [
        EmbeddingRow(
            encoder.encoder_id,
            ids[made.sop_instance_uid],
            frame,
            made.patient_key,
            made.modality,
            made.labels,
            coordinates,
            *keys[ids[made.sop_instance_uid]],
            *(made.patient_sex, made.patient_age_years, made.plane),
        )
        for made in instances
        if made.coordinates is not None
        for frame, coordinates in enumerate(made.coordinates, start=1)
    ]
    cursor = connection.connection.cursor()
    copy_embeddings(cursor, partition_name(encoder.encoder_id), rows)
    cursor.close()


def clustered_instances(
    patients: int, slices_each: int, *, seed: int = 1, dimension: int = DIMENSION
) -> list[MadeInstance]:
    """Slices as series have them: near their neighbours, farther from other patients.

    Every other patient is MR. Patients fall into three diseases; the first two have a rare one too.
    """
    random = np.random.default_rng(seed)
    diseases = random.normal(size=(3, dimension))
    made = []
    for patient in range(patients):
        centre = diseases[patient % 3] + 0.6 * random.normal(size=dimension)
        step = 0.05 * random.normal(size=dimension)
        noise = 0.05 * random.normal(size=(slices_each, dimension))
        along = np.arange(slices_each)[:, None] - slices_each / 2
        coordinates = unit(centre + along * step + noise)
        labels = (f"disease {patient % 3}", *(("rare",) if patient < 2 else ()))
        made += [
            MadeInstance(
                f"1.2.826.3.{patient}.{number}",
                patient=patient,
                modality="MR" if patient % 2 else "CT",
                labels=labels,
                coordinates=coordinates[number : number + 1],
            )
            for number in range(slices_each)
        ]
    return made


def expire_leases(engine: Engine) -> None:
    """Let every lease run out now."""
    with engine.begin() as connection:
        connection.execute(text("UPDATE embedding_job SET leased_until = now() - interval '1 s'"))


def register_beside(connection: Connection, description: EncoderDescription) -> ActiveEncoder:
    """Another encoder with partition and index, as a reindex leaves it, but without rows."""
    other = register(connection, description)
    create_partition(connection, other.encoder_id, other.dimension)
    create_index(connection, other.encoder_id, other.dimension)
    return other
