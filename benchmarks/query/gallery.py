"""Fills a gallery with made-up slices, all by COPY into the service's own tables.

The index is dropped before and built after, as for any big load, by what `index rebuild` does: a
draw that leaves slices out of reach is built again. A slice's
instance_id and series_id are its numbers and its series' plus one, so that an answer's rows are
slices at once.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from io import StringIO
from time import perf_counter
from typing import Any

from sqlalchemy import Connection, Engine, text

from benchmarks.installation import Installation
from benchmarks.query.slices import SLICES_PER_SERIES, MadeUpSlices, maker_of
from service.db.vectors import EmbeddingRow, copy_embeddings
from service.encoders.partitions import index_name
from service.encoders.registry import ActiveEncoder, EncoderDescription, get_active, register
from service.verifying.rebuilding import rebuild

_CT, _MR = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.4"
_EXPLICIT_VR_LITTLE_ENDIAN = "1.2.840.10008.1.2.1"
_AT_ONCE = 10_000
_IDENTITIES = (("study", "study_id"), ("series", "series_id"), ("instance", "instance_id"))

Done = Callable[[int], object]


@dataclass(frozen=True)
class Gallery:
    """A filled gallery; times are None where it was filled by an earlier run.

    `index_s` is of one build with its check. `table_bytes` and `index_bytes` are the embeddings'
    and their HNSW index's; `other_bytes` is all else that a slice has in the database.
    """

    encoder: ActiveEncoder
    load_s: float | None
    index_s: float | None
    table_bytes: int
    index_bytes: int
    other_bytes: int


def sop_instance_uid(slice_: int) -> str:
    """The UID of a slice, of the length that UIDs made from UUIDs have."""
    return f"2.25.{10**38 + slice_}"


def number_of(uid: str) -> int:
    """The number of the slice that has a UID."""
    return int(uid.removeprefix("2.25.")) - 10**38


def fill(
    installation: Installation, slices: MadeUpSlices, description: EncoderDescription, done: Done
) -> Gallery:
    """Load the slices into an empty gallery, build the index, and gather statistics.

    `done` hears how many slices are loaded.
    """
    engine = installation.engine
    with engine.begin() as connection:
        encoder = register(connection, description)
    started = perf_counter()
    with engine.begin() as connection:
        connection.exec_driver_sql("SET LOCAL statement_timeout = 0")
        connection.exec_driver_sql(f"DROP INDEX {index_name(encoder.encoder_id)}")
        _load(connection, encoder, slices, done)
    loaded = perf_counter()
    built = rebuild(engine, installation.settings)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("SET statement_timeout = 0")
        connection.exec_driver_sql("VACUUM (ANALYZE)")
    return measure_gallery(engine, loaded - started, built.seconds / built.builds)


def measure_gallery(
    engine: Engine, load_s: float | None = None, index_s: float | None = None
) -> Gallery:
    """What the gallery takes, as the server says."""
    with engine.connect() as connection:
        encoder = get_active(connection)
        table, index, whole = connection.execute(
            text(
                "SELECT pg_table_size(:table), pg_relation_size(:index),"
                " pg_total_relation_size(:table) + pg_total_relation_size('instance')"
                " + pg_total_relation_size('series') + pg_total_relation_size('study')"
            ),
            {"table": encoder.partition, "index": index_name(encoder.encoder_id)},
        ).one()
    return Gallery(encoder, load_s, index_s, table, index, whole - table - index)


def _load(connection: Connection, encoder: ActiveEncoder, slices: MadeUpSlices, done: Done) -> None:
    cursor = connection.connection.cursor()
    all_series = range(slices.series(len(slices) - 1) + 1)
    _copy(cursor, "study (study_id, study_instance_uid, study_date)", map(_study, all_series))
    _copy(
        cursor,
        "series (series_id, study_id, series_instance_uid, modality, body_part_examined,"
        " manufacturer)",
        (_series(slices, number) for number in all_series),
    )
    for start in range(0, len(slices), _AT_ONCE):
        numbers = range(start, min(start + _AT_ONCE, len(slices)))
        _copy(
            cursor,
            "instance (instance_id, series_id, sop_instance_uid, sop_class_uid,"
            " transfer_syntax_uid, patient_key, patient_sex, patient_age_years, rows, columns,"
            " frames, state, file_name, file_size, sha256, source)",
            (_instance(slices, number) for number in numbers),
        )
        rows = (_embedding(encoder, slices, number) for number in numbers)
        copy_embeddings(cursor, encoder.partition, rows)
        done(numbers.stop)
    for table, column in _IDENTITIES:
        cursor.execute(
            f"SELECT setval(pg_get_serial_sequence('{table}', '{column}'), max({column}))"
            f" FROM {table}"
        )
    cursor.close()


def _copy(cursor: Any, table: str, rows: Iterable[tuple[object, ...]]) -> None:
    """COPY as text; no value here has a tab, a backslash or a line break."""
    lines: Iterator[str] = ("\t".join(map(str, row)) + "\n" for row in rows)
    cursor.copy_expert(f"COPY {table} FROM STDIN", StringIO("".join(lines)))


def _study(number: int) -> tuple[object, ...]:
    return number + 1, f"2.25.{2 * 10**38 + number}", f"20{number % 25:02}-06-01"


def _series(slices: MadeUpSlices, number: int) -> tuple[object, ...]:
    first = number * SLICES_PER_SERIES
    modality = slices.disease(first).modality
    uid = f"2.25.{3 * 10**38 + number}"
    return number + 1, number + 1, uid, modality, "HEAD", maker_of(slices.patient(first))


def _sex(patient: int) -> str:
    return "FM"[patient % 2]


def _age(patient: int) -> int:
    return 20 + patient % 70


def _instance(slices: MadeUpSlices, number: int) -> tuple[object, ...]:
    uid, patient = sop_instance_uid(number), slices.patient(number)
    return (
        number + 1,
        slices.series(number) + 1,
        uid,
        _CT if slices.disease(number).modality == "CT" else _MR,
        _EXPLICIT_VR_LITTLE_ENDIAN,
        slices.patient_key(number),
        _sex(patient),
        _age(patient),
        512,
        512,
        1,
        "embedded",
        f"{uid}.dcm",
        524_288,
        "\\\\x" + hashlib.sha256(uid.encode()).hexdigest(),
        "benchmark",
    )


def _embedding(encoder: ActiveEncoder, slices: MadeUpSlices, number: int) -> EmbeddingRow:
    disease, patient = slices.disease(number), slices.patient(number)
    series = slices.series(number) + 1
    return EmbeddingRow(
        encoder.encoder_id,
        number + 1,
        1,
        slices.patient_key(number),
        disease.modality,
        (disease.label,),
        slices.coordinates[number],
        series_id=series,
        study_id=series,
        patient_sex=_sex(patient),
        patient_age_years=_age(patient),
        plane="AXIAL",
    )


def pgvector_version(connection: Connection) -> str:
    """The version of the extension."""
    statement = "SELECT extversion FROM pg_extension WHERE extname = 'vector'"
    return str(connection.execute(text(statement)).scalar_one())
