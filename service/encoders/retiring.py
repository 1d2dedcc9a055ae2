"""Retires an encoder: its embeddings and its index go, its row and weights stay for history."""

from sqlalchemy import Connection, Engine, text, update

from service.db.tables import encoder
from service.encoders.partitions import drop_partition, patiently
from service.encoders.registry import EncoderFacts, change_encoders, find_encoder
from service.errors import EncoderStateConflict
from service.hashing.tables import drop_codes


def retire(engine: Engine, named: str) -> EncoderFacts:
    """Drop an encoder's partition; a reindex can fill it anew.

    Raises:
        EncoderUnknown, InvalidParameter: `named` names no encoder, or several.
        EncoderStateConflict: it answers queries, or is being filled.
        Unavailable: the tables were in use all the time.
    """

    def drop(connection: Connection) -> EncoderFacts:
        change_encoders(connection)
        facts = find_encoder(connection, named)
        if facts.state == "active":
            raise EncoderStateConflict(f"{facts.name} answers queries: activate another first.")
        if facts.state == "filling":
            raise EncoderStateConflict(
                f"{facts.name} is being filled: `precuneus index reindex --cancel` ends that."
            )
        connection.execute(
            update(encoder).where(encoder.c.encoder_id == facts.encoder_id).values(state="retired")
        )
        for table in ("reindex_chunk", "reindex_failure"):
            forget = text(f"DELETE FROM {table} WHERE encoder_id = :encoder_id")
            connection.execute(forget, {"encoder_id": facts.encoder_id})
        drop_codes(connection, facts.encoder_id)
        drop_partition(connection, facts.encoder_id)
        return find_encoder(connection, str(facts.encoder_id))

    return patiently(engine, drop)
