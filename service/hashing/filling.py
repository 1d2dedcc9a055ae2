"""Gives an encoder's embeddings their codes, and the codes their index; searches go on meanwhile.

It goes by batches, each a transaction of its own: broken off, it is simply begun again.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, Engine, text

from model.checkpoint import load
from model.errors import ModelError
from service.encoders.files import choose_checkpoint, configured_checkpoint
from service.encoders.partitions import patiently
from service.encoders.registry import ActiveEncoder, get_active
from service.errors import EncoderMismatch, InvalidParameter
from service.hashing.planes import BITS, FITTED, LEARNT, Planes, fit_planes, planes_of
from service.hashing.tables import (
    CodeState,
    CodeTable,
    code_state,
    create_code_index,
    create_codes,
    drop_codes,
    has_codes,
)
from service.settings import Settings

_BATCH = 2000
_SAMPLE = 20_000

Tell = Callable[[str, int, int], object]


def make_codes(
    engine: Engine,
    settings: Settings,
    bits: int,
    tell: Tell = lambda _step, _done, _total: None,
    *,
    learnt: bool = False,
) -> CodeState:
    """Have the active encoder's embeddings coded in so many bits, and searched by codes.

    `learnt` takes the encoder's own hash head instead of planes fitted to the gallery. Other codes
    are replaced; those begun with this length and origin are gone on with.

    Raises:
        InvalidParameter: there are no codes of that length, or nothing to make them with.
        Unavailable: no encoder is active.
    """
    if bits not in BITS:
        raise InvalidParameter(f"Codes have {', '.join(map(str, BITS))} bits, not {bits}.")
    with engine.connect() as connection:
        encoder = get_active(connection)
        state = code_state(connection, encoder.encoder_id)
        planes, origin = None, LEARNT if learnt else FITTED
        if state is None or (state.bits, state.origin) != (bits, origin):
            make = _own_planes if learnt else _fitted_planes
            planes = make(connection, settings, encoder, bits)
    table = CodeTable(encoder.encoder_id)
    if planes is not None:
        patiently(engine, _anew(table, planes))
    _fill(engine, table, tell)
    _build_index(engine, table, tell)
    with engine.connect() as connection:
        done = code_state(connection, encoder.encoder_id)
    if done is None:
        raise InvalidParameter("Somebody dropped the codes meanwhile.")
    return done


def _anew(table: CodeTable, planes: Planes) -> Callable[[Connection], None]:
    def make(connection: Connection) -> None:
        drop_codes(connection, table.encoder_id)
        create_codes(connection, table, planes)

    return make


def drop_active_codes(engine: Engine) -> None:
    """Forget the active encoder's codes; searches go by its embeddings.

    Raises:
        Unavailable: no encoder is active.
    """
    with engine.connect() as connection:
        encoder_id = get_active(connection).encoder_id
    patiently(engine, lambda connection: drop_codes(connection, encoder_id))


def _own_planes(
    connection: Connection, settings: Settings, encoder: ActiveEncoder, bits: int
) -> Planes:
    """Those of the encoder's hash head."""
    try:
        configured = configured_checkpoint(settings.encoder)
        checkpoint = load(choose_checkpoint(connection, settings.state_dir, configured))
    except (ModelError, EncoderMismatch) as error:
        raise InvalidParameter(f"The encoder's hash head is not at hand: {error}") from None
    own = planes_of(checkpoint, bits) if checkpoint.digest == encoder.digest else None
    if own is None:
        raise InvalidParameter(
            f"{encoder.name} has no hash head of {bits} bits: leave --learnt out, or train one "
            "(docs/training.md)."
        )
    return own


def _fitted_planes(
    connection: Connection, _settings: Settings, encoder: ActiveEncoder, bits: int
) -> Planes:
    sample = _sample(connection, encoder)
    if len(sample) == 0:
        raise InvalidParameter("The gallery is empty: there is nothing to fit codes to yet.")
    return fit_planes(sample, bits)


def _sample(connection: Connection, encoder: ActiveEncoder) -> NDArray[np.float32]:
    """Coordinates of some slices from all over the gallery, (N, D)."""
    rows = connection.scalars(
        text(f"""
            SELECT coordinates::real[] FROM {encoder.partition} TABLESAMPLE BERNOULLI (
                (SELECT least(100, 100.0 * {_SAMPLE} / greatest(count(*), 1))
                 FROM {encoder.partition})) REPEATABLE (1)""")
    )
    return np.asarray(list(rows), np.float32).reshape(-1, encoder.dimension)


def _fill(engine: Engine, table: CodeTable, tell: Tell) -> None:
    """Code what was embedded before the trigger was there, in the order of instances."""
    with engine.connect() as connection:
        total = connection.scalar(text(f"SELECT count(*) FROM {table.partition}")) or 0
    after, done = 0, 0
    while True:
        with engine.begin() as connection:
            # Shared with deletions' locks: a slice that goes meanwhile must not leave its code.
            last, count = connection.execute(
                text(f"""
                    WITH next AS MATERIALIZED (
                        SELECT instance_id, frame, coordinates FROM {table.partition}
                        WHERE instance_id > :after AND instance_id <= (
                            SELECT max(instance_id) FROM (
                                SELECT instance_id FROM {table.partition}
                                WHERE instance_id > :after ORDER BY instance_id LIMIT {_BATCH}) b)
                        FOR KEY SHARE),
                    coded AS (
                        INSERT INTO {table.codes}
                        SELECT n.instance_id, n.frame, {table.code_of}(n.coordinates) FROM next n
                        WHERE NOT EXISTS (SELECT FROM {table.codes} c WHERE
                            c.instance_id = n.instance_id AND c.frame = n.frame)
                        ON CONFLICT DO NOTHING)
                    SELECT max(instance_id), count(*) FROM next"""),
                {"after": after},
            ).one()
        if not count:
            return
        after, done = last, done + count
        tell("codes", done, max(done, total))


def _build_index(engine: Engine, table: CodeTable, tell: Tell) -> None:
    """Build the index over the codes, unless it is there; what a broken-off build left goes."""
    tell("index", 0, 1)
    with engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
        connection.detach()
        for limit in ("statement_timeout", "lock_timeout"):
            connection.exec_driver_sql(f"SET {limit} = 0")
        if not has_codes(connection, table.encoder_id):
            connection.exec_driver_sql(f"DROP INDEX IF EXISTS {table.index}")
            create_code_index(connection, table)
        connection.exec_driver_sql(f"ANALYZE {table.codes}")
    tell("index", 1, 1)
