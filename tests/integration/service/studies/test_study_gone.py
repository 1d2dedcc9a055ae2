"""Answers about studies of which something is deleted while they are made."""

from typing import Any

import pytest
from sqlalchemy import Engine, event, text

from service.encoders.registry import ActiveEncoder
from service.studies.answer import Query
from service.studies.similar import similar_studies
from tests.support.galleries import fill
from tests.support.studies import clustered_studies

QUERY = "1.9.0"
DELETION = text("""
    DELETE FROM instance i USING series s, study t
    WHERE s.series_id = i.series_id AND t.study_id = s.study_id AND t.study_instance_uid = :uid""")


@pytest.mark.parametrize("uid", [QUERY, "1.9.4"])
def test_an_answer_is_that_of_the_moment_it_was_asked_at(
    engine: Engine, encoder: ActiveEncoder, uid: str
) -> None:
    fill(engine, clustered_studies(10), encoder)
    query = Query(QUERY, k=9, collapse="none")
    with engine.connect() as connection:
        expected = similar_studies(connection, query).studies
    deleted = []
    with engine.connect() as connection:

        @event.listens_for(connection, "before_cursor_execute")
        def delete(_connection: Any, _cursor: Any, statement: str, *_others: Any) -> None:
            if "FROM study WHERE study_id = ANY" in statement:
                with engine.begin() as other:
                    deleted.append(other.execute(DELETION, {"uid": uid}).rowcount)

        assert similar_studies(connection, query).studies == expected
    assert deleted[0] > 0
    assert uid == QUERY or uid in {study.study_instance_uid for study in expected}
