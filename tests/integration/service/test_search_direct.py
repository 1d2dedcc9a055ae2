"""Searches of a connection that knows which encoder was active: one message, the same answers."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from sqlalchemy import Connection, Engine, event, text

from service.encoders.partitions import drop_partition
from service.encoders.registry import ActiveEncoder
from service.errors import InstancePending, InstanceUnknown, InvalidParameter, NotSearchable
from service.search.direct import remember, remembered
from service.search.filters import Filters
from service.search.similar import Answer, Query, similar
from tests.support.encoders import made_encoder
from tests.support.galleries import (
    clustered_instances,
    fill,
    register_beside,
    write_embeddings,
)

QUERY = Query("1.2.826.3.0.0", k=4)
UNKNOWN = QUERY.sop_instance_uid + ".9"


@pytest.fixture
def connection(engine: Engine, encoder: ActiveEncoder) -> Iterator[Connection]:
    """One that has searched already."""
    fill(engine, clustered_instances(12, 20), encoder)
    with engine.connect() as connected:
        ask(connected, QUERY)
        assert remembered(connected) == encoder
        yield connected


def ask(connection: Connection, query: Query) -> Answer:
    answer = similar(connection, query)
    connection.rollback()
    return answer


def statements(connection: Connection) -> list[str]:
    """What SQLAlchemy sends from now on; the one message goes past it."""
    sent: list[str] = []

    @event.listens_for(connection, "before_cursor_execute")
    def note(_connection: object, _cursor: object, statement: str, *_others: object) -> None:
        sent.append(statement)

    return sent


@pytest.mark.parametrize(
    "query",
    [
        QUERY,
        replace(QUERY, k=9),
        replace(QUERY, same_patient=True),
        replace(QUERY, filters=Filters(modality=("CT", "MR"))),
        replace(QUERY, same_patient=True, collapse="series"),
    ],
)
def test_one_message_answers_as_the_longer_way_does(connection: Connection, query: Query) -> None:
    sent = statements(connection)
    answer = ask(connection, query)
    assert not sent
    connection.execute(text("SELECT 1"))  # In a transaction it goes the longer way.
    assert ask(connection, query) == answer
    assert len(sent) > 1
    assert answer.method == "hnsw"
    assert ask(connection, replace(query, exact=True)).neighbours == answer.neighbours


def test_its_cursor_leads_on(connection: Connection) -> None:
    first = ask(connection, QUERY)
    more = ask(connection, replace(QUERY, cursor=first.next_cursor))
    both = ask(connection, replace(QUERY, k=8))
    assert [*first.neighbours, *more.neighbours] == both.neighbours


def test_what_cannot_be_asked_about_is_said_as_ever(connection: Connection) -> None:
    with pytest.raises(InstanceUnknown):
        ask(connection, replace(QUERY, sop_instance_uid=UNKNOWN))
    connection.rollback()
    with pytest.raises(InvalidParameter, match="has no frame 7"):
        ask(connection, replace(QUERY, frame=7))
    connection.rollback()
    for state, error in (("pending", InstancePending), ("unsupported", NotSearchable)):
        connection.execute(
            text("UPDATE instance SET state = :state WHERE sop_instance_uid = :uid"),
            {"state": state, "uid": QUERY.sop_instance_uid},
        )
        connection.commit()
        with pytest.raises(error):
            ask(connection, QUERY)
        connection.rollback()


def test_what_a_short_walk_cannot_vouch_for_is_looked_for_farther(connection: Connection) -> None:
    far = replace(QUERY, k=30, filters=Filters(label=("rare",)))
    assert ask(connection, far) == replace(ask(connection, replace(far, exact=True)), query=far)


def test_a_little_farther_is_another_message(engine: Engine, encoder: ActiveEncoder) -> None:
    # Of the first walk's 64 rows, 48 of them trusted, 45 are the patient's own.
    fill(engine, clustered_instances(12, 45), encoder)
    query = Query("1.2.826.3.0.22", k=8)
    with engine.connect() as connection:
        ask(connection, QUERY)
        sent = statements(connection)
        answer = ask(connection, query)
        assert not sent
        assert answer.method == "hnsw"
        assert answer.neighbours == ask(connection, replace(query, exact=True)).neighbours


def test_another_encoder_answers_from_the_next_search_on(
    connection: Connection, engine: Engine, encoder: ActiveEncoder
) -> None:
    with engine.begin() as other:
        second = register_beside(other, made_encoder(2))
        uids = text("SELECT sop_instance_uid, instance_id FROM instance")
        ids = {row.sop_instance_uid: row.instance_id for row in other.execute(uids)}
        write_embeddings(other, second, clustered_instances(12, 20), ids)
        for state, changed in (("ready", encoder), ("active", second)):
            other.execute(
                text("UPDATE encoder SET state = :state WHERE encoder_id = :id"),
                {"state": state, "id": changed.encoder_id},
            )
    assert ask(connection, QUERY).encoder == second == remembered(connection)


def test_and_where_the_other_was_retired(
    connection: Connection, engine: Engine, encoder: ActiveEncoder
) -> None:
    gone = ActiveEncoder(encoder.encoder_id + 77, "0" * 64, "gone", encoder.dimension)
    with engine.begin() as other:
        drop_partition(other, gone.encoder_id)
    remember(connection, gone)
    assert ask(connection, QUERY).encoder == encoder
    assert remembered(connection) == encoder


def test_a_transaction_is_not_broken_into(connection: Connection) -> None:
    assert connection.scalar(text("SELECT 1")) == 1
    sent = statements(connection)
    assert similar(connection, QUERY).neighbours
    assert sent
    assert connection.in_transaction()
