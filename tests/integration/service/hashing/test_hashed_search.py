"""Searches by codes: true distances, all rows that filters leave, and pages."""

from uuid import UUID

import pytest
from sqlalchemy import Connection, Engine

from service.encoders.registry import ActiveEncoder
from service.errors import InvalidParameter
from service.hashing.search import hashed_nearest
from service.search.filters import EVERYTHING, Filters
from service.search.found import Found
from service.search.nearest import nearest
from service.search.similar import Query, similar
from service.search.target import Target, find_slice
from tests.integration.service.hashing.conftest import MADE
from tests.support.galleries import MadeInstance


def search(connection: Connection, made: MadeInstance, **options: object) -> Found:
    encoder, embedded = find_slice(connection, made.sop_instance_uid, 1)
    filters = options.pop("filters", EVERYTHING)
    return hashed_nearest(
        connection,
        encoder,
        Target.of(embedded),
        filters,  # type: ignore[arg-type]
        k=options.pop("k", 10),  # type: ignore[arg-type]
        **options,  # type: ignore[arg-type]
    )


def test_all_candidates_compared_is_the_exact_search(engine: Engine, coded: ActiveEncoder) -> None:
    with engine.connect() as connection:
        for made in MADE[::9]:
            encoder, embedded = find_slice(connection, made.sop_instance_uid, 1)
            target = Target.of(embedded)
            true = nearest(connection, encoder, target, EVERYTHING, k=10, exact=True)
            found = search(connection, made, candidates=len(MADE))
            assert found.method == "hash"
            assert found.neighbours == true.neighbours
            page = search(connection, made, candidates=len(MADE), k=4, offset=3)
            assert page.neighbours == true.neighbours[3:7]


def test_few_candidates_still_give_rows_by_their_true_distance(
    engine: Engine, coded: ActiveEncoder
) -> None:
    with engine.connect() as connection:
        found = search(connection, MADE[0], candidates=12).neighbours
    assert len(found) == 10
    distances = [neighbour.distance for neighbour in found]
    assert distances == sorted(distances)
    assert all(neighbour.patient_key != MADE[0].patient_key for neighbour in found)


def test_filters_act_and_too_few_rows_are_looked_for_exactly(
    engine: Engine, coded: ActiveEncoder
) -> None:
    with engine.connect() as connection:
        found = search(connection, MADE[0], filters=Filters(modality=("MR",)))
        assert {neighbour.modality for neighbour in found.neighbours} == {"MR"}
        assert len(found.neighbours) == 10
        rare = search(connection, MADE[0], filters=Filters(label=("rare",)), same_patient=True)
    # Two patients have it, one of them the query's own.
    assert (rare.method, len(rare.neighbours)) == ("hash", 10)
    assert {UUID(int=1), UUID(int=2)} == {n.patient_key for n in rare.neighbours}
    with engine.connect() as connection:
        all_of_it = search(connection, MADE[0], filters=Filters(label=("rare",)), k=20)
    assert (all_of_it.method, len(all_of_it.neighbours)) == ("exact", 6)


def test_coordinates_from_elsewhere_are_coded_too(engine: Engine, coded: ActiveEncoder) -> None:
    coordinates = MADE[7].coordinates
    assert coordinates is not None
    with engine.connect() as connection:
        target = Target(coordinates=coordinates[0])
        found = hashed_nearest(connection, coded, target, EVERYTHING, k=1)
    (nearest_one,) = found.neighbours
    assert nearest_one.sop_instance_uid == MADE[7].sop_instance_uid
    assert nearest_one.distance == pytest.approx(0, abs=1e-3)


def test_pages_go_on_where_they_ended(engine: Engine, coded: ActiveEncoder) -> None:
    uid = MADE[0].sop_instance_uid
    with engine.connect() as connection:
        whole = similar(connection, Query(uid, k=9, by_codes=True))
        first = similar(connection, Query(uid, k=4, by_codes=True))
        second = similar(connection, Query(uid, k=5, by_codes=True, cursor=first.next_cursor))
    assert {whole.method, first.method, second.method} == {"hash"}
    assert [*first.neighbours, *second.neighbours] == whole.neighbours
    assert [neighbour.rank for neighbour in second.neighbours] == [5, 6, 7, 8, 9]


def test_what_codes_cannot_do_is_refused(engine: Engine, coded: ActiveEncoder) -> None:
    uid = MADE[0].sop_instance_uid
    with engine.connect() as connection:
        for query in (
            Query(uid, by_codes=True, exact=True),
            Query(uid, by_codes=True, collapse="series"),
        ):
            with pytest.raises(InvalidParameter, match="by codes"):
                similar(connection, query)
