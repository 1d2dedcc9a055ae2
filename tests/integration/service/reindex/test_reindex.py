"""A whole change of encoder: filled beside live work, checked, switched, and rolled back."""

import pytest

from service.deletion.deleting import Cause, delete_instances
from service.encoders.activation import activate
from service.encoders.retiring import retire
from service.errors import EncoderBehind, EncoderStateConflict
from service.reindex.planning import begin, cancel
from service.reindex.status import reindex_status
from service.search.similar import Query, similar
from tests.integration.service.reindex.conftest import Gallery


def neighbours(gallery: Gallery, uid: str, k: int = 3) -> tuple[str, int]:
    """Who answered, and how many were found."""
    with gallery.engine.connect() as connection:
        answer = similar(connection, Query(uid, k=k))
    return answer.encoder.name, len(answer.neighbours)


def test_another_encoder_is_filled_checked_and_switched_to(gallery: Gallery) -> None:
    uids = gallery.add(11)
    gallery.work()
    run = begin(gallery.engine, gallery.other.name, batch_size=4)
    assert (run.phase, run.instances) == ("filling", 11)
    assert gallery.states()[gallery.other.name] == "filling"
    assert neighbours(gallery, uids[0]) == (gallery.first.name, 3)

    gallery.work()

    with gallery.engine.connect() as connection:
        status = reindex_status(connection)
    assert status is not None
    assert (status.phase, status.done, status.failed) == ("passed", 11, 0), status
    assert status.gate is not None
    assert status.gate["coverage"]["covered"] == 11
    assert status.gate["recall"]["recall"] == 1.0
    assert gallery.states() == {gallery.first.name: "active", gallery.other.name: "ready"}
    assert gallery.embedded(gallery.other) == sorted(uids) == gallery.embedded(gallery.first)

    done = activate(gallery.engine, gallery.other.name)
    assert (done.encoder, done.previous) == (gallery.other.name, gallery.first.name)
    assert neighbours(gallery, uids[0]) == (gallery.other.name, 3)
    activate(gallery.engine, gallery.first.name)
    assert neighbours(gallery, uids[0]) == (gallery.first.name, 3)


def test_the_index_is_built_after_the_fill(gallery: Gallery) -> None:
    gallery.add(3)
    gallery.work()
    begin(gallery.engine, gallery.other.name, batch_size=4)
    indexes = "SELECT count(*) FROM pg_indexes WHERE indexname = :name"
    name = f"{gallery.other.partition}_hnsw_idx"
    assert gallery.ask(indexes, name=name) == [(0,)]
    gallery.work()
    assert gallery.ask(indexes, name=name) == [(1,)]


def test_what_arrives_meanwhile_ends_in_both_and_what_is_deleted_in_neither(
    gallery: Gallery,
) -> None:
    old = gallery.add(6)
    gallery.work()
    begin(gallery.engine, gallery.other.name, batch_size=2)
    late = gallery.add(3)
    ids = gallery.ask("SELECT instance_id FROM instance WHERE sop_instance_uid = :u", u=old[0])
    with gallery.engine.begin() as connection:
        delete_instances(connection, [int(str(ids[0][0]))], Cause("command", "operator"))
    gallery.work()
    expected = sorted([*old[1:], *late])
    assert gallery.embedded(gallery.first) == expected == gallery.embedded(gallery.other)
    assert gallery.ask("SELECT * FROM reindex_chunk") == []


def test_an_encoder_that_answered_before_goes_on_following(gallery: Gallery) -> None:
    gallery.add(3)
    gallery.work()
    begin(gallery.engine, gallery.other.name, batch_size=4)
    gallery.work()
    activate(gallery.engine, gallery.other.name)
    late = gallery.add(2)
    gallery.work()
    assert set(late) < set(gallery.embedded(gallery.first))
    activate(gallery.engine, gallery.first.name)
    assert neighbours(gallery, late[0], k=4) == (gallery.first.name, 4)


def test_who_is_behind_is_not_activated_unless_forced(gallery: Gallery) -> None:
    gallery.add(3)
    gallery.work()
    begin(gallery.engine, gallery.other.name, batch_size=4)
    gallery.work()
    (late,) = gallery.add(1)
    # Embedded by the active encoder alone, as by a worker that has no time for another.
    gallery.settings = gallery.settings.model_copy(deep=True)
    live_only(gallery)
    with pytest.raises(EncoderBehind, match="1 instances"):
        activate(gallery.engine, gallery.other.name)
    done = activate(gallery.engine, gallery.other.name, force=True)
    assert done.requeued == 1
    states = "SELECT state FROM instance WHERE sop_instance_uid = :uid"
    assert gallery.ask(states, uid=late) == [("pending",)]
    gallery.work()
    assert neighbours(gallery, late) == (gallery.other.name, 3)
    assert gallery.embedded(gallery.first) == gallery.embedded(gallery.other)


def live_only(gallery: Gallery) -> None:
    """Do live work, and none for those that follow."""
    gallery.shifts()._work_live(once=True)


def test_a_cancelled_reindex_goes_on_where_it_was(gallery: Gallery) -> None:
    gallery.add(5)
    gallery.work()
    begin(gallery.engine, gallery.other.name, batch_size=4)
    shifts = gallery.shifts()
    shifts._work_behind()
    shifts._finisher.wait()
    assert len(gallery.embedded(gallery.other)) == 5
    assert cancel_if_running(gallery) in ("registered", "ready")
    late = gallery.add(2)
    gallery.work()
    run = begin(gallery.engine, gallery.other.name, batch_size=4)
    assert run.instances in (0, 2)
    gallery.work()
    assert set(late) < set(gallery.embedded(gallery.other))


def cancel_if_running(gallery: Gallery) -> str:
    try:
        return cancel(gallery.engine).state
    except EncoderStateConflict:
        return gallery.states()[gallery.other.name]


def test_what_is_retired_is_gone_and_can_be_filled_again(gallery: Gallery) -> None:
    gallery.add(3)
    gallery.work()
    begin(gallery.engine, gallery.other.name, batch_size=4)
    gallery.work()
    with pytest.raises(EncoderStateConflict, match="answers queries"):
        retire(gallery.engine, gallery.first.name)
    retire(gallery.engine, gallery.other.name)
    assert gallery.ask("SELECT to_regclass(:name)", name=gallery.other.partition) == [(None,)]
    assert gallery.states()[gallery.other.name] == "retired"
    with pytest.raises(EncoderStateConflict, match="index reindex"):
        activate(gallery.engine, gallery.other.name)
    begin(gallery.engine, gallery.other.name, batch_size=4)
    gallery.work()
    assert gallery.embedded(gallery.other) == gallery.embedded(gallery.first)
