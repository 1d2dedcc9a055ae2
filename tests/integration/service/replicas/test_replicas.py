"""Searches on a real standby: recent enough, never without a deletion, and never failing."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from time import sleep

import pytest
from sqlalchemy import Connection, Engine, create_engine, text

from service.db.replicas import Readers
from service.encoders.registry import ActiveEncoder
from service.errors import InstanceUnknown
from service.search.similar import Query, similar
from tests.support.galleries import MadeInstance, clustered_instances, fill
from tests.support.standbys import Pair
from tests.support.waiting import eventually


def readers(pair: Pair, maximum_staleness_s: float = 10.0) -> Readers:
    return Readers(pair.primary, [pair.standby], maximum_staleness_s)


def is_standby(connection: Connection) -> bool:
    return bool(connection.scalar(text("SELECT pg_is_in_recovery()")))


def neighbours(uid: str) -> Callable[[Connection], list[str]]:
    query = Query(uid, k=500, same_patient=True)
    return lambda connection: [n.sop_instance_uid for n in similar(connection, query).neighbours]


def delete(engine: Engine, uid: str) -> None:
    with engine.begin() as connection:
        connection.execute(text("DELETE FROM instance WHERE sop_instance_uid = :uid"), {"uid": uid})


def test_searches_run_on_the_standby(
    pair: Pair, encoder: ActiveEncoder, slices: list[MadeInstance]
) -> None:
    searches = readers(pair)
    assert searches.run(is_standby)
    found = searches.run(neighbours(slices[0].sop_instance_uid))
    assert len(found) == len(slices) - 1


def test_what_is_deleted_is_gone_from_the_very_next_search(
    pair: Pair, encoder: ActiveEncoder, slices: list[MadeInstance]
) -> None:
    searches, gone = readers(pair), slices[1].sop_instance_uid
    search = neighbours(slices[0].sop_instance_uid)
    assert gone in searches.run(search)
    with pair.paused():
        delete(pair.primary, gone)
        assert not searches.run(is_standby)
        assert gone not in searches.run(search)
    eventually(lambda: searches.run(is_standby), "the standby answers again")
    assert gone not in searches.run(search)


def test_another_encoder_is_active_in_the_very_next_search(
    pair: Pair, encoder: ActiveEncoder
) -> None:
    searches = readers(pair)
    with pair.paused(), pair.primary.begin() as connection:
        connection.execute(text("UPDATE encoder SET state = 'held'"))
        connection.commit()
        assert not searches.run(is_standby)


def test_two_deletions_at_once_do_not_wait_for_each_other(
    pair: Pair, encoder: ActiveEncoder, slices: list[MadeInstance]
) -> None:
    searches = readers(pair)
    first, second = (slice_.sop_instance_uid for slice_ in slices[:2])
    statement = text("DELETE FROM instance WHERE sop_instance_uid = :uid")
    with pair.primary.connect() as one, pair.primary.connect() as other:
        other.execute(text("SET lock_timeout = '5s'"))
        one.execute(statement, {"uid": first})
        other.execute(statement, {"uid": second})
        other.commit()
        pair.caught_up()
        with pair.paused():
            assert searches.run(is_standby)
            one.commit()
            assert not searches.run(is_standby)


def test_many_deletions_leave_few_rows_and_the_count_right(
    pair: Pair, encoder: ActiveEncoder
) -> None:
    counted = text("SELECT sum(times), count(*) FROM search_change")
    with pair.primary.connect() as connection:
        before, _ = connection.execute(counted).one()
        for _ in range(250):
            connection.execute(text("DELETE FROM instance WHERE false"))
            connection.commit()
        after, rows = connection.execute(counted).one()
    assert after == before + 250
    assert rows < 220


def test_new_slices_may_wait_but_not_longer_than_is_allowed(
    pair: Pair, encoder: ActiveEncoder
) -> None:
    patient, hasty = readers(pair, 60.0), readers(pair, 0.3)
    assert patient.run(is_standby)
    assert hasty.run(is_standby)
    with pair.paused():
        # Between two notes of the primary's position there are some tenths of a second.
        sleep(0.3)
        with pair.primary.begin() as connection:
            connection.execute(text("UPDATE study SET study_date = now()"))
        assert patient.run(is_standby)
        eventually(lambda: not hasty.run(is_standby), "too old a standby is left out")


def test_a_slice_that_has_just_arrived_is_found_at_once(
    pair: Pair, encoder: ActiveEncoder, slices: list[MadeInstance]
) -> None:
    searches = readers(pair)
    (new,) = clustered_instances(patients=1, slices_each=1, seed=7)
    uid = "1.2.826.9.9"
    assert searches.run(is_standby)
    with pair.paused():
        fill(pair.primary, [type(new)(uid, patient=99, coordinates=new.coordinates)], encoder)
        assert len(searches.run(neighbours(uid))) == len(slices)
    with pytest.raises(InstanceUnknown):
        searches.run(neighbours("1.2.3.4"))


def test_a_server_that_is_no_standby_is_not_asked(pair: Pair, encoder: ActiveEncoder) -> None:
    stranger = create_engine(pair.primary.url)
    searches = Readers(pair.primary, [stranger], 10.0)
    assert searches.run(lambda connection: connection.engine) is pair.primary
    searches.close()


def test_no_search_fails_nor_shows_what_was_deleted_while_standbys_come_and_go(
    pair: Pair, encoder: ActiveEncoder, slices: list[MadeInstance]
) -> None:
    searches, search = readers(pair), neighbours(slices[0].sop_instance_uid)
    gone: list[str] = []
    ended = Event()

    def keep_searching() -> int:
        asked = 0
        while not ended.is_set():
            before = list(gone)
            assert not set(before) & set(searches.run(search))
            asked += 1
        return asked

    with ThreadPoolExecutor(3) as threads:
        running = [threads.submit(keep_searching) for _ in range(3)]
        try:
            for number, slice_ in enumerate(slices[10:40]):
                delete(pair.primary, slice_.sop_instance_uid)
                gone.append(slice_.sop_instance_uid)
                if number == 10:
                    pair.standby_cluster.stop()
                if number == 20:
                    pair.standby_cluster.ensure_running()
        finally:
            ended.set()
        assert all(search.result() > 0 for search in running)
    assert searches.run(lambda connection: True)
