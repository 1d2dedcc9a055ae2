"""Fills a gallery with made-up slices, by the service's own tables and binary COPY.

The index is dropped before and built after, as for any big load; it is the same index.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from time import perf_counter
from typing import Any

from sqlalchemy import Connection, Engine, Table, insert, text

from benchmarks.query.slices import MadeUpSlices, make_up_basis
from service.db.tables import instance, series, study
from service.db.vectors import EmbeddingRow, copy_embeddings
from service.encoders import ActiveEncoder, EncoderDescription, register

_CT_IMAGE_STORAGE = "1.2.840.10008.5.1.4.1.1.2"
_EXPLICIT_VR_LITTLE_ENDIAN = "1.2.840.10008.1.2.1"


@dataclass(frozen=True)
class Gallery:
    """A filled gallery; `uids` are the SOP Instance UIDs in the slices' order."""

    encoder: ActiveEncoder
    uids: list[str]
    load_s: float
    index_s: float


def fill(engine: Engine, slices: MadeUpSlices) -> Gallery:
    """Load the slices into an empty gallery, build the index, and gather statistics."""
    encoder = _register_encoder(engine, slices.coordinates.shape[1])
    started = perf_counter()
    with engine.begin() as connection:
        connection.exec_driver_sql("SET LOCAL statement_timeout = 0")
        definition = _drop_index(connection, encoder)
        uids = _load(connection, encoder, slices)
        loaded = perf_counter()
        connection.exec_driver_sql("SET LOCAL maintenance_work_mem = '512MB'")
        connection.exec_driver_sql(definition)
        indexed = perf_counter()
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("VACUUM (ANALYZE)")
    return Gallery(encoder, uids, loaded - started, indexed - loaded)


def _register_encoder(engine: Engine, dimension: int) -> ActiveEncoder:
    """A made-up encoder with a random orthonormal basis, active."""
    description = EncoderDescription(
        digest="0" * 64,
        name="made-up",
        preprocessing="none",
        basis=make_up_basis(dimension),
        metrics={},
    )
    with engine.begin() as connection:
        return register(connection, description)


def _drop_index(connection: Connection, encoder: ActiveEncoder) -> str:
    """Drop the encoder's HNSW index; returns the statement that makes it again."""
    found = (
        "SELECT indexname, indexdef FROM pg_indexes WHERE tablename = :table AND indexdef ~ :kind"
    )
    parameters = {"table": encoder.partition, "kind": "hnsw"}
    name, definition = connection.execute(text(found), parameters).one()
    connection.exec_driver_sql(f"DROP INDEX {name}")
    return str(definition)


def _load(connection: Connection, encoder: ActiveEncoder, slices: MadeUpSlices) -> list[str]:
    numbers = range(len(slices))
    all_series = range(slices.series(len(slices) - 1) + 1)
    study_ids = _insert(
        connection, study, "study_id", ({"study_instance_uid": f"2.25.1{n}"} for n in all_series)
    )
    series_ids = _insert(
        connection,
        series,
        "series_id",
        (
            {"study_id": study_ids[n], "series_instance_uid": f"2.25.2{n}", "modality": "CT"}
            for n in all_series
        ),
    )
    uids = [f"2.25.3{n}" for n in numbers]
    rows = (
        _instance(uids[n], series_ids[slices.series(n)], slices.patient_key(n)) for n in numbers
    )
    instance_ids = _insert(connection, instance, "instance_id", rows)
    keys = [(series_ids[slices.series(n)], study_ids[slices.series(n)]) for n in numbers]
    _copy(connection, encoder, slices, instance_ids, keys)
    return uids


def _insert(
    connection: Connection, table: Table, key: str, rows: Iterable[dict[str, Any]]
) -> list[int]:
    """Insert rows; their keys, in the rows' order."""
    statement = insert(table).returning(table.c[key], sort_by_parameter_order=True)
    return list(connection.scalars(statement, list(rows)))


def _instance(sop_instance_uid: str, series_id: int, patient_key: object) -> dict[str, Any]:
    return {
        "series_id": series_id,
        "sop_instance_uid": sop_instance_uid,
        "sop_class_uid": _CT_IMAGE_STORAGE,
        "transfer_syntax_uid": _EXPLICIT_VR_LITTLE_ENDIAN,
        "patient_key": patient_key,
        "rows": 512,
        "columns": 512,
        "frames": 1,
        "state": "embedded",
        "file_name": sop_instance_uid,
        "file_size": 0,
        "sha256": hashlib.sha256(sop_instance_uid.encode()).digest(),
        "source": "benchmark",
    }


def _copy(
    connection: Connection,
    encoder: ActiveEncoder,
    slices: MadeUpSlices,
    instance_ids: list[int],
    keys: list[tuple[int, int]],
) -> None:
    rows = (
        EmbeddingRow(
            encoder.encoder_id,
            instance_id,
            1,
            slices.patient_key(number),
            "CT",
            (),
            slices.coordinates[number],
            *keys[number],
        )
        for number, instance_id in enumerate(instance_ids)
    )
    cursor = connection.connection.cursor()
    copy_embeddings(cursor, encoder.partition, rows)
    cursor.close()


def pgvector_version(connection: Connection) -> str:
    """The version of the extension."""
    statement = "SELECT extversion FROM pg_extension WHERE extname = 'vector'"
    return str(connection.execute(text(statement)).scalar_one())
