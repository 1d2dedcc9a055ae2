"""An encoder's codes in the database: a table beside its partition that keeps itself up to date.

Made and dropped at run time, as partitions are. A trigger computes the code of every new embedding
and forgets it with it, so no writer of embeddings has to know of codes.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import Connection, text

from service.db.vectors import format_vector
from service.encoders.partitions import HNSW_EF_CONSTRUCTION, partition_name
from service.tuning.building import HNSW_M

if TYPE_CHECKING:
    # Its imports are heavy, and searches need none of them.
    from service.hashing.planes import Planes


@dataclass(frozen=True)
class CodeTable:
    """The names of what belongs to an encoder's codes; safe to put into SQL."""

    encoder_id: int

    @property
    def partition(self) -> str:
        """The embeddings that are coded."""
        return partition_name(self.encoder_id)

    @property
    def codes(self) -> str:
        """The table of codes, by instance and frame."""
        return f"{self.partition}_code"

    @property
    def planes(self) -> str:
        """The table of hyperplanes, one a bit."""
        return f"{self.partition}_plane"

    @property
    def code_of(self) -> str:
        """The function from coordinates to their code."""
        return f"{self.partition}_code_of"

    @property
    def keep(self) -> str:
        """The trigger, and its function."""
        return f"{self.partition}_keep_code"

    @property
    def index(self) -> str:
        """The index over the codes."""
        return f"{self.codes}_hnsw_idx"


def create_codes(connection: Connection, table: CodeTable, planes: "Planes") -> None:
    """Make an encoder's tables, empty, and have its codes kept from now on.

    The lock on the partition is brief, and taken with the caller's patience.
    """
    bits = planes.bits
    _store(connection, table, planes)
    connection.exec_driver_sql(
        f"CREATE TABLE {table.codes} (instance_id bigint NOT NULL, frame integer NOT NULL,"
        f" code bit({bits}) NOT NULL, PRIMARY KEY (instance_id, frame))"
    )
    # <#> is the negative inner product.
    connection.exec_driver_sql(f"""
        CREATE FUNCTION {table.code_of}(vector) RETURNS bit({bits})
        LANGUAGE sql STABLE STRICT PARALLEL SAFE AS $$
            SELECT CAST(string_agg(CASE WHEN p.bias - (p.weight <#> $1) > 0 THEN '1' ELSE '0' END,
                                   '' ORDER BY p.bit) AS bit({bits}))
            FROM {table.planes} p $$""")
    connection.exec_driver_sql(f"""
        CREATE FUNCTION {table.keep}() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF TG_OP <> 'INSERT' THEN
                DELETE FROM {table.codes}
                WHERE instance_id = OLD.instance_id AND frame = OLD.frame;
            END IF;
            IF TG_OP <> 'DELETE' THEN
                INSERT INTO {table.codes}
                VALUES (NEW.instance_id, NEW.frame, {table.code_of}(NEW.coordinates))
                ON CONFLICT (instance_id, frame) DO UPDATE SET code = EXCLUDED.code;
            END IF;
            RETURN NULL;
        END $$""")
    connection.exec_driver_sql(
        f"CREATE TRIGGER {table.keep} AFTER INSERT OR DELETE OR UPDATE OF instance_id, frame,"
        f" coordinates ON {table.partition} FOR EACH ROW EXECUTE FUNCTION {table.keep}()"
    )


def _store(connection: Connection, table: CodeTable, planes: "Planes") -> None:
    connection.exec_driver_sql(
        f"CREATE TABLE {table.planes} (bit integer PRIMARY KEY,"
        f" weight vector({planes.weight.shape[1]}) NOT NULL, bias real NOT NULL,"
        " origin text NOT NULL)"
    )
    both = enumerate(zip(planes.weight, planes.bias.tolist(), strict=True))
    rows = [
        {"bit": bit, "weight": format_vector(weight), "bias": bias, "origin": planes.origin}
        for bit, (weight, bias) in both
    ]
    statement = "VALUES (:bit, CAST(:weight AS vector), :bias, :origin)"
    connection.execute(text(f"INSERT INTO {table.planes} {statement}"), rows)


def create_code_index(connection: Connection, table: CodeTable) -> None:
    """Build the index over the codes; outside a transaction, so that nobody waits for it."""
    connection.exec_driver_sql(
        f"CREATE INDEX CONCURRENTLY {table.index} ON {table.codes} USING hnsw"
        f" (code bit_hamming_ops) WITH (m = {HNSW_M}, ef_construction = {HNSW_EF_CONSTRUCTION})"
    )


def drop_codes(connection: Connection, encoder_id: int) -> None:
    """Drop all that belongs to an encoder's codes, if there is anything; its embeddings stay."""
    table = CodeTable(encoder_id)
    if connection.scalar(_REGCLASS, {"name": table.partition}) is not None:
        connection.exec_driver_sql(f"DROP TRIGGER IF EXISTS {table.keep} ON {table.partition}")
    connection.exec_driver_sql(f"DROP FUNCTION IF EXISTS {table.keep}()")
    connection.exec_driver_sql(f"DROP FUNCTION IF EXISTS {table.code_of}(vector)")
    connection.exec_driver_sql(f"DROP TABLE IF EXISTS {table.codes}, {table.planes}")


_REGCLASS = text("SELECT to_regclass(:name)")


@dataclass(frozen=True)
class CodeState:
    """How far an encoder's codes are: `bits` of each, and how many there are of how many slices.

    `indexed` tells whether the index over them can be used.
    """

    bits: int
    origin: str
    codes: int
    slices: int
    indexed: bool
    bytes: int
    index_bytes: int

    @property
    def is_ready(self) -> bool:
        """Whether searches can go by codes."""
        return self.indexed and self.codes >= self.slices


def has_codes(connection: Connection, encoder_id: int) -> bool:
    """Whether searches with this encoder can go by codes: the index is there, and usable."""
    return bool(connection.scalar(_VALID, {"index": CodeTable(encoder_id).index}))


_VALID = text("SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass(:index)")


def code_state(connection: Connection, encoder_id: int) -> CodeState | None:
    """An encoder's codes, counted; None where there are none."""
    table = CodeTable(encoder_id)
    if connection.scalar(_REGCLASS, {"name": table.codes}) is None:
        return None
    row = connection.execute(
        text(f"""
            SELECT (SELECT count(*) FROM {table.planes}), (SELECT min(origin) FROM {table.planes}),
                   (SELECT count(*) FROM {table.codes}), (SELECT count(*) FROM {table.partition}),
                   pg_table_size(CAST(:codes AS regclass)),
                   coalesce(pg_relation_size(to_regclass(:index)), 0)"""),
        {"codes": table.codes, "index": table.index},
    ).one()
    bits, origin, codes, slices, size, index_size = row
    indexed = has_codes(connection, encoder_id)
    return CodeState(bits, origin, codes, slices, indexed, size, index_size)
