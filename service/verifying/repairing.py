"""Mends among rows what the gallery itself knows better; files and indexes are others' to mend.

Every repair is a transaction of its own and does nothing where nothing is wrong.
"""

from collections.abc import Callable

from sqlalchemy import Connection, Engine, text

from service.encoders.following import require_active
from service.encoders.registry import ActiveEncoder
from service.verifying import faults
from service.verifying.rows import COPIES, differing, looks

_Repair = Callable[[Connection, ActiveEncoder | None, str], int]


def repair(engine: Engine, encoder: ActiveEncoder | None) -> dict[str, int]:
    """Mend what can be; how many instances, slices or jobs, by kind of fault.

    Raises:
        EncoderChanged: another encoder answers by now; what was mended before that, is.
        SQLAlchemyError: the database failed; what was mended before it did, is.
    """
    mended: dict[str, int] = {}
    for look in looks(encoder):
        mend = _REPAIRS.get(look.kind.name)
        if mend is None:
            continue
        with engine.begin() as connection:
            if encoder is not None:
                # What is queued is embedded by the active one, which may have it.
                require_active(connection, encoder)
            connection.exec_driver_sql("SET LOCAL statement_timeout = 0")
            count = mend(connection, encoder, look.rows)
        if count:
            mended[look.kind.name] = mended.get(look.kind.name, 0) + count
    return mended


def _queue_again(connection: Connection, encoder: ActiveEncoder | None, rows: str) -> int:
    """Forget the instances' vectors and have them embedded anew."""
    ids = list(
        connection.scalars(
            text(f"""
                UPDATE instance SET state = 'pending', reason = NULL, settled_at = NULL
                WHERE state = 'embedded' AND sop_instance_uid IN (SELECT f.subject FROM ({rows}) f)
                RETURNING instance_id""")
        )
    )
    if encoder is not None:
        forget = text(f"DELETE FROM {encoder.partition} WHERE instance_id = ANY (:ids)")
        connection.execute(forget, {"ids": ids})
    connection.execute(
        text("""
            INSERT INTO embedding_job (instance_id) SELECT unnest(CAST(:ids AS bigint[]))
            ON CONFLICT DO NOTHING"""),
        {"ids": ids},
    )
    return len(ids)


def _queue(connection: Connection, _encoder: ActiveEncoder | None, rows: str) -> int:
    return connection.execute(
        text(f"""
            INSERT INTO embedding_job (instance_id) SELECT instance_id FROM instance
            WHERE sop_instance_uid IN (SELECT f.subject FROM ({rows}) f) ON CONFLICT DO NOTHING""")
    ).rowcount


def _drop_jobs(connection: Connection, _encoder: ActiveEncoder | None, _rows: str) -> int:
    return connection.execute(
        text("""
            DELETE FROM embedding_job j USING instance i
            WHERE i.instance_id = j.instance_id AND i.state <> 'pending'""")
    ).rowcount


def _hide(connection: Connection, encoder: ActiveEncoder | None, rows: str) -> int:
    """Of all encoders what must not be found at all, and of this one what is to be embedded."""
    table = encoder.partition if encoder and encoder.partition in rows else "embedding"
    return connection.execute(
        text(f"""
            DELETE FROM {table} e USING instance i WHERE i.instance_id = e.instance_id
                AND i.sop_instance_uid IN (SELECT f.subject FROM ({rows}) f)""")
    ).rowcount


def _copy(connection: Connection, encoder: ActiveEncoder | None, _rows: str) -> int:
    if encoder is None:
        return 0
    return connection.execute(
        text(f"""
            UPDATE {encoder.partition} e SET {_ASSIGNED} FROM instance i
            JOIN series s ON s.series_id = i.series_id
            WHERE e.instance_id = i.instance_id AND {differing()}""")
    ).rowcount


_ASSIGNED = ", ".join(f"{name} = {source}" for name, source in COPIES.items())


def _drop_empty(connection: Connection, _encoder: ActiveEncoder | None, _rows: str) -> int:
    """Locked first, so that an instance registered meanwhile is seen by the deletion."""
    dropped = 0
    for table, child in (("series", "instance"), ("study", "series")):
        empty = f"NOT EXISTS (SELECT FROM {child} c WHERE c.{table}_id = t.{table}_id)"
        connection.execute(text(f"SELECT FROM {table} t WHERE {empty} FOR UPDATE"))
        dropped += connection.execute(text(f"DELETE FROM {table} t WHERE {empty}")).rowcount
    return dropped


_REPAIRS: dict[str, _Repair] = {
    faults.VECTORS_MISSING.name: _queue_again,
    faults.LENGTH_WRONG.name: _queue_again,
    faults.VECTORS_LEFT.name: _hide,
    faults.COPIES_WRONG.name: _copy,
    faults.JOB_MISSING.name: _queue,
    faults.JOB_LEFT.name: _drop_jobs,
    faults.EMPTY.name: _drop_empty,
}
