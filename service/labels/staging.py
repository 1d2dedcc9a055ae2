"""Brings statements into a temporary table by COPY, and finds those that contradict each other.

Memory stays bounded, whatever their number: a block at a time goes over the wire.
"""

from collections.abc import Iterable, Iterator
from io import BytesIO
from itertools import islice

import psycopg2
from sqlalchemy import Connection, text
from sqlalchemy.exc import OperationalError

from service.labels.faults import MAXIMUM_LISTED, Faults, LineFault
from service.labels.provenance import source_of
from service.labels.reading import Line

BLOCK = 10_000
_COLUMNS = (
    "line, sop_instance_uid, study_instance_uid, label, scheme, code, meaning, source, origin, "
    "author, stated_at"
)
_SLOT = "sop_instance_uid, study_instance_uid, source, origin, label"
_FACTS = "scheme, code, meaning, author, stated_at"


def stage(connection: Connection, lines: Iterable[Line]) -> Iterator[int]:
    """Copy statements into the temporary table `said`, which ends with the transaction.

    Yields how many have been copied, block by block.
    """
    connection.execute(text("DROP TABLE IF EXISTS pg_temp.said, pg_temp.statement"))
    connection.execute(
        text("""
            CREATE TEMPORARY TABLE said (
                line bigint, sop_instance_uid text, study_instance_uid text, label text,
                scheme text, code text, meaning text, source text, origin text, author text,
                stated_at timestamptz)
            ON COMMIT DROP""")
    )
    cursor = connection.connection.cursor()
    remaining, count = iter(lines), 0
    while block := list(islice(remaining, BLOCK)):
        statement = f"COPY pg_temp.said ({_COLUMNS}) FROM STDIN"
        try:
            cursor.copy_expert(statement, BytesIO("".join(map(_encoded, block)).encode()))
        except psycopg2.OperationalError as error:
            raise OperationalError(statement, None, error) from None
        count += len(block)
        yield count
    cursor.close()


def _encoded(line: Line) -> str:
    """A row in COPY's text format; checked texts hold no control characters."""
    record = line.record
    concept = record.concept
    source, origin = source_of(record.source)
    values: tuple[str | None, ...] = (
        str(line.number),
        record.sop_instance_uid,
        record.study_instance_uid,
        record.label,
        concept.scheme if concept else None,
        concept.code if concept else None,
        concept.meaning if concept else None,
        source,
        record.origin or origin,
        record.author,
        record.stated_at.isoformat() if record.stated_at else None,
    )
    cells = (r"\N" if value is None else value.replace("\\", "\\\\") for value in values)
    return "\t".join(cells) + "\n"


def find_contradictions(connection: Connection, faults: Faults) -> None:
    """Note lines that say the same of the same subject, but with another code, author or time."""
    compared = f"""
        SELECT line, min(line) OVER slot AS first, ROW({_FACTS}) AS facts,
               first_value(ROW({_FACTS})) OVER (slot ORDER BY line) AS first_facts
        FROM pg_temp.said WINDOW slot AS (PARTITION BY {_SLOT})"""
    rows = connection.execute(
        text(f"""
            SELECT line, first, count(*) OVER () AS all_rows FROM ({compared}) compared
            WHERE facts IS DISTINCT FROM first_facts ORDER BY line LIMIT :limit"""),
        {"limit": MAXIMUM_LISTED},
    ).all()
    fault = "says the same as line {}, but with another code, author or time"
    faults.merge(
        [LineFault(row.line, fault.format(row.first)) for row in rows],
        rows[0].all_rows if rows else 0,
    )


def settle_statements(connection: Connection) -> None:
    """Make the temporary table `statement`: each one once, with the one it repeats, if any.

    `standing` is the label that says the same already. An author or a time that nobody gave is no
    difference, so that a table may be imported again and again.
    """
    connection.execute(
        text(f"""
            CREATE TEMPORARY TABLE statement ON COMMIT DROP AS
            SELECT DISTINCT ON ({_SLOT}) *, NULL::bigint AS standing FROM pg_temp.said
            ORDER BY {_SLOT}, line""")
    )
    connection.execute(text("ANALYZE pg_temp.statement"))
    for uid in ("sop_instance_uid", "study_instance_uid"):
        connection.execute(
            text(f"""
                UPDATE pg_temp.statement s SET standing = l.label_id FROM label l
                WHERE l.{uid} = s.{uid} AND l.ended_at IS NULL
                    AND l.source = s.source AND l.origin IS NOT DISTINCT FROM s.origin
                    AND l.label = s.label
                    AND (l.scheme, l.code, l.meaning)
                        IS NOT DISTINCT FROM (s.scheme, s.code, s.meaning)
                    AND coalesce(s.author = l.author, s.author IS NULL)
                    AND coalesce(s.stated_at = l.stated_at, s.stated_at IS NULL)""")
        )
