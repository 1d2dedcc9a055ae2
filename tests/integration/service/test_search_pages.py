"""Pages of a ranking, and what a search tells of itself."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from sqlalchemy import Engine, text

from service.encoders.registry import ActiveEncoder
from service.errors import InvalidParameter, StaleCursor
from service.search.filters import Filters
from service.search.nearest import nearest
from service.search.similar import MAXIMUM_K, Answer, Query, similar
from service.search.target import Target, find_slice
from tests.support.encoders import DIMENSION, made_encoder, unit
from tests.support.galleries import (
    MadeInstance,
    clustered_instances,
    fill,
    register_beside,
    write_embeddings,
)


def ask(engine: Engine, query: Query) -> Answer:
    with engine.connect() as connection:
        return similar(connection, query)


def uids(answer: Answer) -> list[str]:
    return [n.sop_instance_uid for n in answer.neighbours]


def along(*distances: float) -> NDArray[np.float32]:
    """Unit vectors that lie so far from the first axis, a patient each."""
    angles = 2 * np.arcsin(np.array(distances) / 2)
    made = np.zeros((len(distances), DIMENSION))
    made[:, 0], made[:, 1] = np.cos(angles), np.sin(angles)
    return unit(made)


def in_a_row(distances: list[float], first: int) -> list[MadeInstance]:
    return [
        MadeInstance(f"1.6.{first + n}", patient=first + n, coordinates=c[None])
        for n, c in enumerate(along(*distances))
    ]


def test_what_arrives_between_two_pages_neither_doubles_nor_loses(
    engine: Engine, encoder: ActiveEncoder
) -> None:
    fill(engine, in_a_row([n / 50 for n in range(31)], 100), encoder)
    query = Query("1.6.100", k=10)
    first = ask(engine, query)
    assert uids(first) == [f"1.6.{n}" for n in range(101, 111)]
    # One before where the first page ended, one as far as its last, and one behind.
    fill(engine, in_a_row([0.101, 0.2, 0.201], 200), encoder)
    second = ask(engine, replace(query, cursor=first.next_cursor))
    assert uids(second) == ["1.6.201", "1.6.202", *[f"1.6.{n}" for n in range(111, 119)]]
    assert [n.rank for n in second.neighbours] == list(range(11, 21))
    with engine.begin() as connection:
        connection.execute(text("DELETE FROM embedding"))
    third = ask_again(engine, replace(query, cursor=second.next_cursor))
    assert third == "1.6.100 has no frame 1; its frames are 1 to 1."


def ask_again(engine: Engine, query: Query) -> str:
    with pytest.raises(InvalidParameter) as caught:
        ask(engine, query)
    return str(caught.value)


def test_pages_end_with_the_gallery_and_with_the_ranks(
    engine: Engine, encoder: ActiveEncoder
) -> None:
    fill(engine, clustered_instances(30, 20), encoder)
    query = Query("1.2.826.3.0.0", k=240)
    answers = [ask(engine, query)]
    while answers[-1].next_cursor is not None:
        answers.append(ask(engine, replace(query, cursor=answers[-1].next_cursor)))
    assert [len(answer.neighbours) for answer in answers] == [240, 240, 20]
    assert len({uid for answer in answers for uid in uids(answer)}) == MAXIMUM_K
    few = replace(query, filters=Filters(label=("rare",)))
    last = ask(engine, few)
    assert (len(last.neighbours), last.next_cursor) == (20, None)


def test_a_page_is_never_of_another_encoder(engine: Engine, encoder: ActiveEncoder) -> None:
    made = clustered_instances(5, 5)
    ids = fill(engine, made, encoder)
    first = ask(engine, Query(made[0].sop_instance_uid, k=3))
    with engine.begin() as connection:
        other = register_beside(connection, made_encoder(2))
        for state, now in (("active", "ready"), ("registered", "active")):
            switch = "UPDATE encoder SET state = :now WHERE state = :state"
            connection.execute(text(switch), {"state": state, "now": now})
        write_embeddings(connection, other, made, ids)
    with pytest.raises(StaleCursor):
        ask(engine, Query(made[0].sop_instance_uid, k=3, cursor=first.next_cursor))


def test_coordinates_from_elsewhere_find_what_a_slice_finds(
    engine: Engine, encoder: ActiveEncoder
) -> None:
    made = clustered_instances(60, 20)
    fill(engine, made, encoder)
    coordinates = made[77].coordinates
    assert coordinates is not None
    with engine.connect() as connection:
        _, embedded = find_slice(connection, made[77].sop_instance_uid, 1)
        itself = (embedded.instance_id, embedded.frame)
        target = Target(
            coordinates=coordinates[0], patient_key=embedded.patient_key, without=(itself,)
        )
        for same_patient in (False, True):
            ways = [
                nearest(
                    connection, encoder, one, Filters(), k=10, offset=5, same_patient=same_patient
                )
                for one in (Target.of(embedded), target)
            ]
            assert ways[0].neighbours == ways[1].neighbours
            assert [n.rank for n in ways[0].neighbours] == list(range(6, 16))
        with pytest.raises(ValueError, match="coordinates"):
            nearest(connection, encoder, Target(coordinates=coordinates[0][:5]), Filters(), k=1)


def test_an_explanation_tells_what_was_done(engine: Engine, encoder: ActiveEncoder) -> None:
    fill(engine, clustered_instances(60, 20), encoder)
    query = Query("1.2.826.3.8.3", k=5, explain=True)
    assert ask(engine, replace(query, explain=False)).explanation is None
    answer, told = ask(engine, query), ask(engine, query).explanation
    assert answer.method == "hnsw"
    assert told is not None
    assert (told.rows, told.rows_passing, told.rows_scanned) == (1200, 1180, 64)
    assert [step.name for step in told.steps] == ["walk of 64 rows"]
    assert all(step.ms > 0 for step in told.steps)
    rare = ask(engine, replace(query, filters=Filters(label=("rare",))))
    assert rare.method == "exact"
    assert rare.explanation is not None
    assert rare.explanation.rows_passing == 40
    assert [step.name for step in rare.explanation.steps][-1] == "exact"


def test_rows_deleted_a_moment_ago_leave_no_gap(engine: Engine, encoder: ActiveEncoder) -> None:
    """The index holds them until it is vacuumed, and a walk meets them first."""
    fill(engine, clustered_instances(60, 20), encoder)
    with engine.begin() as connection:
        connection.execute(
            text(
                "DELETE FROM embedding e USING instance i WHERE i.instance_id = e.instance_id"
                " AND i.sop_instance_uid !~ '^1.2.826.3.(0|1|2|3|4).'"
            )
        )
    query = Query("1.2.826.3.0.0", k=30)
    found, right = ask(engine, query), ask(engine, replace(query, exact=True))
    assert uids(found) == uids(right)
    assert len(found.neighbours) == 30
