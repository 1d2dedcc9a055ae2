"""Encoders that follow the active one: what it has embedded is theirs to embed, too.

So a new encoder has what arrives while it fills, and an old one can answer again at once. What is
left to do is noted in the transaction that makes it due; `service.reindex` does it.
"""

from collections.abc import Sequence

from sqlalchemy import Connection, func, literal, select
from sqlalchemy.dialects.postgresql import insert as insert_or_hold

from service.db.reindex_tables import reindex_chunk
from service.db.tables import encoder
from service.encoders.registry import FOLLOWED, ActiveEncoder, hold_encoders
from service.errors import EncoderChanged


def require_active(connection: Connection, embedded_by: ActiveEncoder) -> None:
    """Hold off an activation until the transaction ends, and see that none has come before.

    Raises:
        EncoderChanged: another encoder is active; what this one found must not be written.
    """
    hold_encoders(connection)
    if _state(connection, embedded_by) != "active":
        raise EncoderChanged(f"{embedded_by.name} is not the active encoder any more.")


def require_followed(connection: Connection, embedded_by: ActiveEncoder) -> None:
    """The same for an encoder that may be active or follow.

    Raises:
        EncoderChanged: its reindex was cancelled, or it was retired.
    """
    hold_encoders(connection)
    if _state(connection, embedded_by) not in (*FOLLOWED, "active"):
        raise EncoderChanged(f"{embedded_by.name} embeds nothing any more.")


def _state(connection: Connection, embedded_by: ActiveEncoder) -> str | None:
    found = select(encoder.c.state).where(encoder.c.encoder_id == embedded_by.encoder_id)
    return connection.scalar(found)


def follow(connection: Connection, leader: ActiveEncoder, instance_ids: Sequence[int]) -> None:
    """Note that the other encoders have these instances to embed; the caller holds encoders.

    Call it before the instances' rows are locked: followers lock their notes first, too.
    """
    if not instance_ids:
        return
    ids = func.unnest(list(instance_ids)).table_valued("instance_id").render_derived()
    number = ids.c.instance_id
    chunks = (
        select(encoder.c.encoder_id, number, number, literal(1), literal(False))
        .select_from(encoder)
        .join(ids, literal(True))
        .where(encoder.c.state.in_(FOLLOWED), encoder.c.encoder_id != leader.encoder_id)
        .order_by(encoder.c.encoder_id, number)
    )
    columns = ["encoder_id", "first_instance_id", "last_instance_id", "instances", "planned"]
    due = insert_or_hold(reindex_chunk).from_select(columns, chunks)
    # One that is there already is held, or its worker might drop it before the caller commits.
    unchanged = {"instances": reindex_chunk.c.instances}
    noted = due.on_conflict_do_update(constraint=reindex_chunk.primary_key, set_=unchanged)
    connection.execute(noted)
