"""A slice that is deleted while it is searched near: said so, and passed over in samples."""

from collections.abc import Iterator

import pytest
from sqlalchemy import Connection, Engine, text

from service.encoders.registry import ActiveEncoder
from service.errors import InstanceUnknown
from service.evidence.evidence import evidence_of
from service.search.filters import EVERYTHING
from service.search.found import Position
from service.search.nearest import nearest
from service.search.question import Collapse
from service.search.target import EmbeddedSlice, Target, find_slice
from service.verifying.recall import measure_recall
from tests.support.galleries import clustered_instances, fill


@pytest.fixture
def connection(engine: Engine, encoder: ActiveEncoder) -> Iterator[Connection]:
    """Of a gallery of forty patients with three slices each."""
    fill(engine, clustered_instances(40, 3), encoder)
    with engine.connect() as found:
        yield found


@pytest.fixture
def deleted(connection: Connection) -> EmbeddedSlice:
    """A slice that was there a moment ago."""
    uid = str(connection.scalar(text("SELECT min(sop_instance_uid) FROM instance")))
    _, found = find_slice(connection, uid, 1)
    connection.execute(text("DELETE FROM instance WHERE sop_instance_uid = :uid"), {"uid": uid})
    return found


@pytest.mark.parametrize("collapse", ["none", "series", "patient"])
@pytest.mark.parametrize("exact", [False, True])
@pytest.mark.parametrize("after", [None, Position(1, 0.1, "1.2", 1)])
def test_nothing_is_near_a_slice_that_is_gone(
    connection: Connection,
    encoder: ActiveEncoder,
    deleted: EmbeddedSlice,
    collapse: Collapse,
    exact: bool,
    after: Position | None,
) -> None:
    target = Target.of(deleted)
    with pytest.raises(InstanceUnknown, match="deleted"):
        nearest(
            connection,
            encoder,
            target,
            EVERYTHING,
            k=5,
            collapse=collapse,
            exact=exact,
            after=after,
        )


def test_there_is_no_evidence_about_it(
    connection: Connection, encoder: ActiveEncoder, deleted: EmbeddedSlice
) -> None:
    with pytest.raises(InstanceUnknown):
        evidence_of(connection, encoder, Target.of(deleted))


def test_recall_is_measured_on_the_others(connection: Connection, encoder: ActiveEncoder) -> None:
    kept = "(SELECT min(instance_id) FROM instance)"

    def delete() -> None:
        connection.execute(
            text(
                f"DELETE FROM instance WHERE patient_key <> ("
                f"SELECT patient_key FROM instance WHERE instance_id = {kept})"
            )
        )

    found = measure_recall(connection, encoder, 20, delete)
    assert found is not None
    assert found.queries < 3
