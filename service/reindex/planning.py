"""Begins and cancels a reindex: what is to be embedded is cut into chunks, once and for all.

What arrives later is noted chunk by chunk as it is embedded (`service.encoders.following`).
"""

from sqlalchemy import Connection, Engine, delete, insert, text, update

from service.db.reindex_tables import reindex, reindex_chunk
from service.db.tables import encoder
from service.encoders.files import has_weights
from service.encoders.partitions import (
    create_partition,
    partition_exists,
    partition_name,
    patiently,
)
from service.encoders.registry import (
    EncoderFacts,
    change_encoders,
    find_encoder,
    get_active,
    list_encoders,
)
from service.errors import EncoderStateConflict
from service.reindex.runs import Run, find_run, run_under_way

_PLAN = """
    INSERT INTO reindex_chunk (encoder_id, first_instance_id, last_instance_id, instances, planned)
    SELECT :encoder_id, min(instance_id), max(instance_id), count(*), true
    FROM (
        SELECT instance_id, (row_number() OVER (ORDER BY instance_id) - 1) / :size AS number
        FROM instance i
        WHERE state = 'embedded' AND NOT EXISTS (
            SELECT FROM {partition} e WHERE e.instance_id = i.instance_id)) numbered
    GROUP BY number
    ON CONFLICT (encoder_id, first_instance_id, last_instance_id) DO UPDATE SET planned = true"""


def begin(engine: Engine, named: str, batch_size: int) -> Run:
    """Have an encoder embed what it lacks of the gallery; the run under way where it does so now.

    Raises:
        EncoderUnknown, InvalidParameter: `named` names no encoder, or several.
        EncoderStateConflict: it is active, its weights are not kept, or another is being filled.
        Unavailable: no encoder is active, so that there is nothing to embed anew.
    """

    def prepare(connection: Connection) -> Run | None:
        change_encoders(connection)
        facts, running = _fillable(connection, named)
        if running is None and not partition_exists(connection, facts.encoder_id):
            create_partition(connection, facts.encoder_id, facts.dimension)
        return running

    running = patiently(engine, prepare)
    if running is not None:
        return running
    with engine.begin() as connection:
        change_encoders(connection)
        facts, running = _fillable(connection, named)
        return running or _plan(connection, facts, batch_size)


def _fillable(connection: Connection, named: str) -> tuple[EncoderFacts, Run | None]:
    get_active(connection)
    facts = find_encoder(connection, named)
    running = run_under_way(connection)
    if running is not None and running.encoder_id == facts.encoder_id:
        return facts, running
    if running is not None:
        (other,) = [e for e in list_encoders(connection) if e.encoder_id == running.encoder_id]
        raise EncoderStateConflict(
            f"A reindex by {other.name} is under way: wait for it, or cancel it with "
            "`precuneus index reindex --cancel`."
        )
    if facts.state == "active":
        raise EncoderStateConflict(f"{facts.name} is the active encoder: it has everything.")
    if not has_weights(connection, facts.encoder_id):
        raise EncoderStateConflict(
            f"The weights of {facts.name} are not in the database: give its file to "
            "`precuneus encoder register` once more."
        )
    return facts, None


def _plan(connection: Connection, facts: EncoderFacts, batch_size: int) -> Run:
    connection.exec_driver_sql("SET LOCAL statement_timeout = 0")
    forget_failures = "DELETE FROM reindex_failure WHERE encoder_id = :encoder_id"
    connection.execute(text(forget_failures), {"encoder_id": facts.encoder_id})
    statement = text(_PLAN.format(partition=partition_name(facts.encoder_id)))
    connection.execute(statement, {"encoder_id": facts.encoder_id, "size": batch_size})
    planned = connection.scalar(text(_PLANNED), {"encoder_id": facts.encoder_id})
    _set_state(connection, facts.encoder_id, "filling")
    values = {"encoder_id": facts.encoder_id, "instances": planned or 0}
    begun = connection.execute(insert(reindex).values(values).returning(reindex.c.reindex_id))
    return find_run(connection, begun.scalar_one())


_PLANNED = """
    SELECT sum(instances) FROM reindex_chunk WHERE encoder_id = :encoder_id AND planned"""


def cancel(engine: Engine) -> EncoderFacts:
    """End the reindex under way; what it has embedded is kept for another one of that encoder.

    Raises:
        EncoderStateConflict: none is under way.
    """
    with engine.begin() as connection:
        change_encoders(connection)
        running = run_under_way(connection)
        if running is None:
            raise EncoderStateConflict("No reindex is under way.")
        connection.execute(
            update(reindex)
            .where(reindex.c.reindex_id == running.reindex_id)
            .values(phase="cancelled", finished_at=text("clock_timestamp()"))
        )
        of_encoder = reindex_chunk.c.encoder_id == running.encoder_id
        connection.execute(delete(reindex_chunk).where(of_encoder))
        _set_state(connection, running.encoder_id, "registered")
        table = {"table": partition_name(running.encoder_id)}
        connection.execute(text(_CANCEL_BUILD), table)
        return find_encoder(connection, str(running.encoder_id))


_CANCEL_BUILD = """
    SELECT pg_cancel_backend(pid) FROM pg_stat_progress_create_index
    WHERE datname = current_database() AND relid = to_regclass(:table)"""


def _set_state(connection: Connection, encoder_id: int, state: str) -> None:
    changed = update(encoder).where(encoder.c.encoder_id == encoder_id).values(state=state)
    connection.execute(changed)
