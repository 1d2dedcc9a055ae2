from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from sqlalchemy import Engine, create_engine, text

from service.encoders.registry import ActiveEncoder, register
from service.errors import (
    InstancePending,
    InstanceUnknown,
    InvalidParameter,
    NotSearchable,
    ServiceError,
    Unavailable,
)
from service.search.similar import MAXIMUM_K, Answer, Query, similar
from tests.support.databases import fresh_database
from tests.support.encoders import DIMENSION, made_encoder, unit
from tests.support.galleries import MadeInstance, fill, register_beside, write_embeddings


def directions(count: int, seed: int = 1) -> NDArray[np.float32]:
    return unit(np.random.default_rng(seed).normal(size=(count, DIMENSION)))


def one_each(count: int) -> list[MadeInstance]:
    """As many patients with a slice each."""
    return [
        MadeInstance(f"1.2.{n}", patient=n, coordinates=coordinates[None])
        for n, coordinates in enumerate(directions(count))
    ]


def ask(engine: Engine, query: Query) -> Answer:
    with engine.connect() as connection:
        return similar(connection, query)


def uids(answer: Answer) -> list[str]:
    return [n.sop_instance_uid for n in answer.neighbours]


@pytest.mark.parametrize("exact", [False, True])
def test_more_neighbours_than_the_gallery_has(
    engine: Engine, encoder: ActiveEncoder, exact: bool
) -> None:
    fill(engine, one_each(30), encoder)
    answer = ask(engine, Query("1.2.3", k=MAXIMUM_K, exact=exact))
    assert (answer.method, answer.complete) == ("exact", True)
    assert sorted(uids(answer)) == sorted(f"1.2.{n}" for n in range(30) if n != 3)


@pytest.mark.parametrize("exact", [False, True])
def test_a_gallery_of_one_slice(engine: Engine, encoder: ActiveEncoder, exact: bool) -> None:
    fill(engine, one_each(1), encoder)
    answer = ask(engine, Query("1.2.0", exact=exact, same_patient=True))
    assert (answer.method, answer.complete, answer.neighbours) == ("exact", True, [])


def test_a_neighbour_tells_where_it_belongs(engine: Engine, encoder: ActiveEncoder) -> None:
    query, other = one_each(2)
    other = replace(other, modality="MR", labels=("bleed", "glioma"))
    fill(engine, [query, other], encoder)
    answer = ask(engine, Query(query.sop_instance_uid, k=1))
    assert answer.method == "exact"  # a walk is sure of half of what it sees
    assert answer.encoder == encoder
    (neighbour,) = answer.neighbours
    assert query.coordinates is not None
    assert other.coordinates is not None
    expected = float(np.linalg.norm(query.coordinates - other.coordinates))
    assert neighbour.distance == pytest.approx(expected, abs=1e-6)
    assert (neighbour.rank, neighbour.frame, neighbour.modality) == (1, 1, "MR")
    assert neighbour.series_instance_uid == other.series_instance_uid
    assert neighbour.study_instance_uid == other.study_instance_uid
    assert neighbour.labels == ["bleed", "glioma"]


@pytest.mark.parametrize("exact", [False, True])
def test_identical_slices_are_all_found(
    engine: Engine, encoder: ActiveEncoder, exact: bool
) -> None:
    """A phantom scanned in many studies: HNSW keeps ten equal vectors in one element."""
    same = directions(1, seed=7)
    twins = [MadeInstance(f"1.3.{n}", patient=n, coordinates=same) for n in range(40)]
    fill(engine, [*twins, *[replace(m, patient=99) for m in one_each(40)]], encoder)
    answer = ask(engine, Query("1.3.7", k=39, exact=exact))
    assert sorted(uids(answer)) == sorted(f"1.3.{n}" for n in range(40) if n != 7)
    assert all(n.distance == pytest.approx(0, abs=1e-6) for n in answer.neighbours)
    # Equal distances are put in the order of the UIDs, so that two answers agree.
    assert uids(answer) == sorted(uids(answer))


@pytest.mark.parametrize("exact", [False, True])
def test_a_frame_of_a_multi_frame_object_is_a_query_of_its_own(
    engine: Engine, encoder: ActiveEncoder, exact: bool
) -> None:
    coordinates = directions(3)
    volume = MadeInstance("1.4", patient=500, coordinates=coordinates)
    near = [
        MadeInstance(f"1.4.{n}", patient=n, coordinates=unit(c + 0.01 * directions(1, 9)))
        for n, c in enumerate(coordinates, start=1)
    ]
    fill(engine, [volume, *near], encoder)
    for frame in (1, 2, 3):
        answer = ask(engine, Query("1.4", frame=frame, k=1, exact=exact))
        assert uids(answer) == [f"1.4.{frame}"]
    # A frame is found as such, and the query's own other frames only when its patient may be.
    assert [n.frame for n in ask(engine, Query("1.4.2", k=1, exact=exact)).neighbours] == [2]
    own = ask(engine, Query("1.4", frame=2, k=10, same_patient=True, exact=exact))
    assert {(n.sop_instance_uid, n.frame) for n in own.neighbours} == {
        ("1.4", 1),
        ("1.4", 3),
        *((f"1.4.{n}", 1) for n in (1, 2, 3)),
    }


@pytest.fixture(scope="module")
def each_state(cluster_url: str) -> Iterator[Engine]:
    """A gallery with one instance of each state."""
    made = [
        MadeInstance("1.5.1", state="pending"),
        MadeInstance("1.5.2", state="unsupported", reason="not an image"),
        MadeInstance("1.5.3", state="failed", reason="the decoder crashed on it"),
        MadeInstance("1.5.4", coordinates=directions(1)),
    ]
    with fresh_database(cluster_url) as url:
        engine = create_engine(url)
        with engine.begin() as connection:
            encoder = register(connection, made_encoder())
        fill(engine, made, encoder)
        yield engine
        engine.dispose()


@pytest.mark.parametrize(
    ("query", "error", "words"),
    [
        (Query("9.9"), InstanceUnknown, "no instance 9.9"),
        (Query(""), InstanceUnknown, "no instance"),
        (Query("1.5.1"), InstancePending, "not embedded yet"),
        (Query("1.5.2"), NotSearchable, "unsupported: not an image"),
        (Query("1.5.3"), NotSearchable, "failed: the decoder crashed on it"),
        (Query("1.5.4", frame=2), InvalidParameter, "frames are 1 to 1"),
        (Query("1.5.4", frame=0), InvalidParameter, "no frame 0"),
        (Query("1.5.4", frame=-1), InvalidParameter, "no frame -1"),
        (Query("1.5.4", k=0), InvalidParameter, "between 1 and 500"),
        (Query("1.5.4", k=MAXIMUM_K + 1), InvalidParameter, "between 1 and 500"),
    ],
)
def test_what_cannot_be_answered_says_why(
    each_state: Engine, query: Query, error: type[ServiceError], words: str
) -> None:
    with pytest.raises(error, match=words):
        ask(each_state, query)


def test_without_an_encoder_nothing_can_be_answered(engine: Engine) -> None:
    fill(engine, [MadeInstance("1.5.1")])
    with pytest.raises(Unavailable, match="worker"):
        ask(engine, Query("1.5.1"))


@pytest.mark.parametrize("exact", [False, True])
def test_another_encoders_embeddings_never_mix_in(
    engine: Engine, encoder: ActiveEncoder, exact: bool
) -> None:
    made = one_each(60)
    ids = fill(engine, made, encoder)
    # In the other encoder's space everything lies upon the query, so a mixture would show at once.
    same = [replace(m, coordinates=directions(1, 5)) for m in made]
    with engine.begin() as connection:
        other = register_beside(connection, made_encoder(2))
        assert other.encoder_id != encoder.encoder_id
        write_embeddings(connection, other, same, ids)
    answer = ask(engine, Query("1.2.0", k=50, exact=exact))
    assert answer.encoder == encoder
    assert len(uids(answer)) == len(set(uids(answer))) == 50
    assert min(n.distance for n in answer.neighbours) > 0.1
    vectors = directions(60).astype(np.float64)
    expected = np.sort(np.linalg.norm(vectors[1:] - vectors[0], axis=1))[:50]
    found = [n.distance for n in answer.neighbours]
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_an_encoder_of_another_length_keeps_to_itself(
    engine: Engine, encoder: ActiveEncoder
) -> None:
    made = one_each(5)
    ids = fill(engine, made, encoder)
    with engine.begin() as connection:
        other = register_beside(connection, made_encoder(3, dimension=7))
        longer = np.eye(7, dtype=np.float32)
        rows = [replace(m, coordinates=longer[n : n + 1]) for n, m in enumerate(made)]
        write_embeddings(connection, other, rows, ids)
    assert len(ask(engine, Query("1.2.0", k=4)).neighbours) == 4
    with engine.begin() as connection:
        connection.execute(text("UPDATE encoder SET state = 'ready' WHERE state = 'active'"))
        connection.execute(
            text("UPDATE encoder SET state = 'active' WHERE encoder_id = :id"),
            {"id": other.encoder_id},
        )
    answer = ask(engine, Query("1.2.0", k=4))
    assert answer.encoder == other
    assert [n.distance for n in answer.neighbours] == pytest.approx([2**0.5] * 4, abs=1e-6)
