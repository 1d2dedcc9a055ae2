"""Rolling back while instances wait for the encoder that answered: each is embedded once."""

from sqlalchemy import text

from service.encoders.activation import activate
from service.queue import retry
from service.reindex.planning import begin
from tests.integration.service.reindex.conftest import Gallery


def test_what_waits_for_the_new_encoder_is_there_at_once_after_a_roll_back(
    gallery: Gallery,
) -> None:
    gallery.add(3)
    gallery.work()
    begin(gallery.engine, gallery.other.name, batch_size=4)
    gallery.work()
    (late,) = gallery.add(1)
    gallery.shifts()._work_live(once=True)
    assert activate(gallery.engine, gallery.other.name, force=True).requeued == 1
    activate(gallery.engine, gallery.first.name)

    gallery.work()
    states = "SELECT state FROM instance WHERE sop_instance_uid = :uid"
    assert gallery.ask(states, uid=late) == [("embedded",)]
    assert gallery.ask("SELECT * FROM embedding_job") == []
    gallery.work()
    assert late in gallery.embedded(gallery.first)
    assert gallery.embedded(gallery.first) == gallery.embedded(gallery.other)


def test_what_is_retried_for_the_new_encoder_is_recovered_by_a_roll_back(gallery: Gallery) -> None:
    uids = gallery.add(3)
    gallery.work()
    begin(gallery.engine, gallery.other.name, batch_size=4)
    gallery.work()
    activate(gallery.engine, gallery.other.name)
    with gallery.engine.begin() as connection:
        connection.execute(text(f"DELETE FROM {gallery.other.partition}"))
        connection.execute(text("UPDATE instance SET state = 'failed', reason = 'no picture'"))
        assert retry(connection) == 3
    assert activate(gallery.engine, gallery.first.name).recovered == 3
    gallery.work()
    assert gallery.embedded(gallery.first) == sorted(uids) == gallery.embedded(gallery.other)
