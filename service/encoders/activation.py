"""Which encoder answers: switched in one transaction, there and back again.

The encoder that answered before goes on following, so that activating it is the roll-back.

Locks are taken in one order by all who touch them: encoders (an advisory lock), jobs, instances;
workers of followers take encoders, their chunks, instances.
"""

from dataclasses import dataclass

from sqlalchemy import Connection, Engine, text, update

from service.db.deadlocks import despite_deadlocks
from service.db.tables import encoder
from service.encoders.following import follow
from service.encoders.partitions import index_state
from service.encoders.registry import EncoderFacts, change_encoders, find_encoder, get_active
from service.errors import EncoderBehind, EncoderStateConflict

_OF_NEW = "encoder_id = :new AND e.instance_id = i.instance_id"

# What the new one could not embed is not searchable any more, and says so; roll-back undoes it.
_FAIL = text(f"""
    UPDATE instance i SET state = 'failed', reason = f.reason
    FROM reindex_failure f
    WHERE f.encoder_id = :new AND f.instance_id = i.instance_id AND i.state = 'embedded'
      AND NOT EXISTS (SELECT FROM embedding e WHERE e.{_OF_NEW})""")

_RECOVER = text(f"""
    UPDATE instance i SET state = 'embedded', reason = NULL
    FROM reindex_failure f
    WHERE f.encoder_id = :old AND f.instance_id = i.instance_id AND i.state = 'failed'
      AND EXISTS (SELECT FROM embedding e WHERE e.{_OF_NEW})""")

_REQUEUE = text(f"""
    WITH late AS (
        UPDATE instance i SET state = 'pending', settled_at = NULL
        FROM reindex_chunk c
        WHERE c.encoder_id = :new AND i.state = 'embedded'
          AND i.instance_id BETWEEN c.first_instance_id AND c.last_instance_id
          AND NOT EXISTS (SELECT FROM embedding e WHERE e.{_OF_NEW})
        RETURNING i.instance_id)
    INSERT INTO embedding_job (instance_id) SELECT instance_id FROM late
    ON CONFLICT DO NOTHING""")

# What waits for the encoder before and is here already needs no worker, who would write it twice.
# Jobs first, as a deletion locks them first.
_TAKE_UP = text(f"""
    WITH done AS (
        DELETE FROM embedding_job j USING instance i
        WHERE i.instance_id = j.instance_id AND i.state = 'pending'
          AND EXISTS (SELECT FROM embedding e WHERE e.{_OF_NEW})
        RETURNING j.instance_id)
    UPDATE instance i SET state = 'embedded', reason = NULL, settled_at = now()
    FROM done d WHERE i.instance_id = d.instance_id
    RETURNING i.instance_id""")

_BEHIND = text("SELECT coalesce(sum(instances), 0) FROM reindex_chunk WHERE encoder_id = :new")
_CAUGHT_UP = text("DELETE FROM reindex_chunk WHERE encoder_id = :new")
_END_RUN = text("""
    UPDATE reindex SET phase = 'held', finished_at = clock_timestamp()
    WHERE encoder_id = :new AND finished_at IS NULL""")


@dataclass(frozen=True)
class Activation:
    """What a switch did: `failed` instances cannot be searched by the new encoder, `requeued` ones
    not yet, `recovered` ones again."""

    encoder: str
    previous: str
    failed: int
    recovered: int
    requeued: int


def activate(engine: Engine, named: str, *, force: bool = False) -> Activation:
    """Let an encoder answer from the next query on.

    `force` takes one whose gate did not pass, and one that is behind: what it lacks is then queued
    before everything else, and is pending until it is embedded.

    Raises:
        EncoderUnknown, InvalidParameter: `named` names no encoder, or several.
        EncoderStateConflict: it is active, not filled, has no index, or its gate did not pass.
        EncoderBehind: it has still to embed what arrived a moment ago; that heals by itself.
    """
    # Whoever deletes or rejects holds no encoders, and may hold instances in another order.
    return despite_deadlocks(lambda: _activate_once(engine, named, force=force))


def _activate_once(engine: Engine, named: str, *, force: bool) -> Activation:
    with engine.begin() as connection:
        change_encoders(connection)
        chosen, previous = find_encoder(connection, named), get_active(connection)
        _require_fit(connection, chosen, force=force)
        ids = {"new": chosen.encoder_id, "old": previous.encoder_id}
        behind = int(connection.scalar(_BEHIND, ids) or 0)
        if behind and not force:
            raise EncoderBehind(
                f"{chosen.name} has {behind} instances still to embed. A worker does it when no "
                "live object waits; --force makes them wait for it after the switch."
            )
        taken_up = connection.scalars(_TAKE_UP, ids).all()
        failed = connection.execute(_FAIL, ids).rowcount
        recovered = connection.execute(_RECOVER, ids).rowcount
        requeued = connection.execute(_REQUEUE, ids).rowcount if behind else 0
        connection.execute(_CAUGHT_UP, ids)
        connection.execute(_END_RUN, ids)
        _set_state(connection, previous.encoder_id, "ready")
        _set_state(connection, chosen.encoder_id, "active")
        follow(connection, chosen.searched, taken_up)
    return Activation(chosen.name, previous.name, failed, recovered + len(taken_up), requeued)


def _require_fit(connection: Connection, chosen: EncoderFacts, *, force: bool) -> None:
    if chosen.state == "active":
        raise EncoderStateConflict(f"{chosen.name} is the active encoder already.")
    if chosen.state in ("registered", "retired"):
        raise EncoderStateConflict(
            f"{chosen.name} has not embedded the gallery: run `precuneus index reindex --encoder "
            f"{chosen.encoder_id}` first."
        )
    if index_state(connection, chosen.encoder_id) != "valid":
        raise EncoderStateConflict(
            f"The index of {chosen.name} is not built yet; see `precuneus index status`."
        )
    if chosen.state != "ready" and not force:
        raise EncoderStateConflict(
            f"{chosen.name} is {chosen.state}: its gate has not passed. `precuneus encoder show "
            f"{chosen.encoder_id}` says why; --force activates it all the same."
        )


def _set_state(connection: Connection, encoder_id: int, state: str) -> None:
    changed = update(encoder).where(encoder.c.encoder_id == encoder_id).values(state=state)
    connection.execute(changed)
