"""The common search in one message to the server: who the slice is, and what is near it.

Looking the slice up by itself, and beginning and ending a transaction, take a third of the time of
a short walk. What does not fit here (a slice that cannot be asked about, an encoder that has just
changed, a walk that was too short) is left to the longer way, which says what is the matter.
"""

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any
from uuid import UUID

from psycopg2.errors import UndefinedTable
from sqlalchemy import Connection
from sqlalchemy.exc import ProgrammingError

from service.db.prepared import fetch_alone
from service.encoders.registry import ActiveEncoder
from service.search.filters import Filters
from service.search.question import Collapse, Page, Question, ask
from service.search.statements import direct_statement
from service.search.target import EmbeddedSlice, Target
from service.search.walking import (
    LITTLE_FARTHER,
    Walk,
    Walked,
    bound_by,
    first_walk,
    judged,
)

_ENCODER = "precuneus active encoder"
_NOBODY = UUID(int=0)


@dataclass(frozen=True)
class Message:
    """What is sent for the first walk from a slice, and the question it is to answer."""

    question: Question
    way: Walk
    statement: str
    values: dict[str, Any]


def message(
    encoder: ActiveEncoder,
    sop_instance_uid: str,
    frame: int,
    filters: Filters,
    *,
    page: Page,
    same_patient: bool,
    collapse: Collapse,
) -> Message:
    """A question near a slice that need not have been looked up.

    Raises:
        InvalidParameter: the page or the filters cannot be asked for.
    """
    any_slice = _from_any(encoder, frame, filters, page, same_patient, collapse)
    return replace(any_slice, values=any_slice.values | {"sop_instance_uid": sop_instance_uid})


@lru_cache(maxsize=256)
def _from_any(
    encoder: ActiveEncoder,
    frame: int,
    filters: Filters,
    page: Page,
    same_patient: bool,
    collapse: Collapse,
) -> Message:
    """The same, but for the slice: most questions differ in nothing else."""
    # The slice's keys are looked up by the statement itself.
    target = Target.of(EmbeddedSlice(0, frame, _NOBODY, 0, 0))
    question = ask(
        encoder, target, filters, page=page, same_patient=same_patient, collapse=collapse
    )
    way = first_walk(question)
    return Message(question, way, direct_statement(question), bound_by(question, way))


def send(connection: Connection, sent: Message) -> Walked | None:
    """What the walk came to; None where the slice must be looked up by itself.

    The connection must not be in a transaction.
    """
    try:
        rows = fetch_alone(connection, sent.statement, sent.values, sent.way.settings)
    except ProgrammingError as error:
        if not isinstance(error.orig, UndefinedTable):
            raise
        # The encoder was retired, and its embeddings are gone.
        connection.info.pop(_ENCODER, None)
        return None
    return judged(rows, sent.question, sent.way) if rows[0].found_self else None


def farther(sent: Message, walked: Walked) -> Message | None:
    """The same with a walk of some more rows, where a few more are likely to do.

    Looking the slice up and weighing the ways against one another takes longer than that.
    """
    if sent.way.rows >= LITTLE_FARTHER.rows or walked.needed > LITTLE_FARTHER.trusted:
        return None
    values = sent.values | {"walk": LITTLE_FARTHER.rows}
    return replace(sent, way=LITTLE_FARTHER, values=values)


def remember(connection: Connection, encoder: ActiveEncoder) -> None:
    """Note which encoder is active, so that the connection's next search may begin with it."""
    connection.info[_ENCODER] = encoder


def remembered(connection: Connection) -> ActiveEncoder | None:
    """The encoder noted last; whether it is active still, the statement asks."""
    encoder: ActiveEncoder | None = connection.info.get(_ENCODER)
    return encoder
