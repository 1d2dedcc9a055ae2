"""The common search in one message to the server: who the slice is, and what is near it.

Looking the slice up by itself, and beginning and ending a transaction, take a third of the time of
a short walk. What does not fit here (a slice that cannot be asked about, an encoder that has just
changed, a walk that was too short) is left to the longer way, which says what is the matter.
"""

from uuid import UUID

from psycopg2.errors import UndefinedTable
from sqlalchemy import Connection
from sqlalchemy.exc import ProgrammingError

from service.db.prepared import fetch_alone
from service.encoders.registry import ActiveEncoder
from service.search.filters import Filters
from service.search.question import Collapse, Page, ask
from service.search.statements import direct_statement
from service.search.target import EmbeddedSlice, Target
from service.search.walking import Walked, bound_by, first_walk, judged

_ENCODER = "precuneus active encoder"
_NOBODY = UUID(int=0)


def remember(connection: Connection, encoder: ActiveEncoder) -> None:
    """Note which encoder is active, so that the connection's next search may begin with it."""
    connection.info[_ENCODER] = encoder


def walk_directly(
    connection: Connection,
    sop_instance_uid: str,
    frame: int,
    filters: Filters,
    *,
    page: Page,
    same_patient: bool,
    collapse: Collapse,
) -> tuple[ActiveEncoder, Walked] | None:
    """The first walk from a slice; None where the slice must be looked up by itself.

    Raises:
        InvalidParameter: the page or the filters cannot be asked for.
    """
    encoder: ActiveEncoder | None = connection.info.get(_ENCODER)
    if encoder is None or connection.in_transaction():
        return None
    # Its keys are looked up by the statement itself.
    target = Target.of(EmbeddedSlice(0, frame, _NOBODY, 0, 0))
    question = ask(
        encoder, target, filters, page=page, same_patient=same_patient, collapse=collapse
    )
    way = first_walk(question)
    values = bound_by(question, way) | {"sop_instance_uid": sop_instance_uid}
    try:
        rows = fetch_alone(connection, direct_statement(question), values, way.settings)
    except ProgrammingError as error:
        if not isinstance(error.orig, UndefinedTable):
            raise
        # The encoder was retired, and its embeddings are gone.
        del connection.info[_ENCODER]
        return None
    return (encoder, judged(rows, question, way)) if rows[0].found_self else None
