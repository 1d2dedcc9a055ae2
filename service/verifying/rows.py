"""Compares rows with rows: instances, their vectors and jobs, tombstones; all of it in SQL.

Each look is one statement, so it sees one state of the gallery however busy that is.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Engine, text

from service.encoders.registry import ActiveEncoder
from service.verifying import faults
from service.verifying.faults import MOST_EXAMPLES, Fault, Kind

_TOLERANCE = 1e-3
# What an embedding row copies so that a filter can act inside the search, and from where.
COPIES = {
    "patient_key": "i.patient_key",
    "modality": "s.modality",
    "series_id": "i.series_id",
    "study_id": "s.study_id",
    "patient_sex": "i.patient_sex",
    "patient_age_years": "i.patient_age_years",
}


@dataclass(frozen=True)
class _Look:
    """`rows` is SQL for one row a fault, `subject`, and where it tells more, `detail`."""

    kind: Kind
    rows: str


_WITHOUT_ENCODER = (
    _Look(
        faults.JOB_MISSING,
        """SELECT i.sop_instance_uid AS subject FROM instance i
           LEFT JOIN embedding_job j USING (instance_id)
           WHERE i.state = 'pending' AND j.instance_id IS NULL""",
    ),
    _Look(
        faults.JOB_LEFT,
        """SELECT i.sop_instance_uid AS subject FROM embedding_job j JOIN instance i
           USING (instance_id) WHERE i.state <> 'pending'""",
    ),
    _Look(
        faults.DELETED_HERE,
        """SELECT DISTINCT i.sop_instance_uid AS subject FROM tombstone t
           JOIN instance i USING (sop_instance_uid)
           WHERE t.cause <> '113001' AND t.sent_again_at IS NULL""",
    ),
    _Look(
        faults.EMPTY,
        """SELECT series_instance_uid AS subject FROM series s
           WHERE NOT EXISTS (SELECT FROM instance i WHERE i.series_id = s.series_id)
           UNION ALL
           SELECT study_instance_uid FROM study t
           WHERE NOT EXISTS (SELECT FROM series s WHERE s.study_id = t.study_id)""",
    ),
    _Look(
        faults.VECTORS_LEFT,
        """SELECT DISTINCT i.sop_instance_uid AS subject FROM instance i
           JOIN embedding e USING (instance_id) WHERE i.state = 'unsupported'""",
    ),
)


def _of_encoder(partition: str) -> Iterator[_Look]:
    yield _Look(
        faults.VECTORS_MISSING,
        f"""SELECT i.sop_instance_uid AS subject FROM instance i
            LEFT JOIN (SELECT instance_id, count(*) AS number, min(frame) AS low, max(frame) AS high
                       FROM {partition} GROUP BY instance_id) e USING (instance_id)
            WHERE i.state = 'embedded'
                AND (e.number, e.low, e.high) IS DISTINCT FROM (i.frames::bigint, 1, i.frames)""",
    )
    yield _Look(
        faults.VECTORS_LEFT,
        f"""SELECT DISTINCT i.sop_instance_uid AS subject FROM {partition} e
            JOIN instance i USING (instance_id) WHERE i.state IN ('pending', 'failed')""",
    )
    wrong = ", ".join(
        f"CASE WHEN e.{name} IS DISTINCT FROM {source} THEN '{name}' END"
        for name, source in COPIES.items()
    )
    yield _Look(
        faults.COPIES_WRONG,
        f"""SELECT i.sop_instance_uid AS subject, concat_ws(', ', {wrong}) AS detail
            FROM {partition} e JOIN instance i USING (instance_id)
            JOIN series s ON s.series_id = i.series_id
            WHERE {differing()}""",
    )
    yield _Look(
        faults.LENGTH_WRONG,
        f"""SELECT DISTINCT i.sop_instance_uid AS subject FROM {partition} e
            JOIN instance i USING (instance_id)
            WHERE NOT abs(vector_norm(e.coordinates) - 1) <= {_TOLERANCE}""",
    )


def differing() -> str:
    """SQL: whether a copy in `e` is another than what it copies from instance `i` and series `s`.

    One comparison of rows, since every slice of the gallery goes through it.
    """
    copies = ", ".join(f"e.{name}" for name in COPIES)
    return f"({copies}) IS DISTINCT FROM ({', '.join(COPIES.values())})"


def looks(encoder: ActiveEncoder | None) -> list[_Look]:
    """What is looked at, with the vectors of an encoder where there is one."""
    return [*_WITHOUT_ENCODER, *(_of_encoder(encoder.partition) if encoder else ())]


def find_row_faults(
    engine: Engine, encoder: ActiveEncoder | None, advance: Callable[[], object] = lambda: None
) -> list[Fault]:
    """The faults among rows, each kind once for what it was found by.

    Raises:
        SQLAlchemyError: the database failed.
    """
    found = []
    for look in looks(encoder):
        with engine.connect() as connection:
            fault = _faults_of(connection, look)
        if fault is not None:
            found.append(fault)
        advance()
    return found


def _faults_of(connection: Connection, look: _Look) -> Fault | None:
    connection.exec_driver_sql("SET LOCAL statement_timeout = 0")
    some = f"SELECT DISTINCT subject FROM fault ORDER BY 1 LIMIT {MOST_EXAMPLES}"
    statement = f"""
        WITH fault AS MATERIALIZED (SELECT f.subject, to_jsonb(f) ->> 'detail' AS detail
                                    FROM ({look.rows}) f)
        SELECT count(*), (SELECT array_agg(subject) FROM ({some}) s),
               (SELECT string_agg(DISTINCT detail, '; ') FROM fault)
        FROM fault"""
    count, examples, detail = connection.execute(text(statement)).one()
    return Fault.of(look.kind, count, examples, detail or "") if count else None


def count_rows(connection: Connection, encoder: ActiveEncoder | None) -> tuple[int, int]:
    """How many instances and, of the encoder, slices there are."""

    def count(table: str) -> int:
        found: Any = connection.execute(text(f"SELECT count(*) FROM {table}")).scalar_one()
        return int(found)

    return count("instance"), count(encoder.partition) if encoder else 0
