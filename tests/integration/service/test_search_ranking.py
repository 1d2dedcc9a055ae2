"""Answers of the search against NumPy on the exported 4,096-d embeddings."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sqlalchemy import Connection, Engine, create_engine, event, text

from service.db import prepared
from service.encoders.registry import ActiveEncoder, register
from service.export import export_gallery
from service.search.filters import Filters
from service.search.similar import Answer, Query, similar
from tests.support.databases import fresh_database
from tests.support.encoders import made_encoder
from tests.support.galleries import clustered_instances, fill

PATIENTS, SLICES_EACH = 150, 20
K = 10


@dataclass(frozen=True, repr=False)
class Gallery:
    """A gallery of 3,000 slices, and the same as arrays."""

    engine: Engine
    encoder: ActiveEncoder
    uids: list[str]
    patients: NDArray[np.int64]
    modalities: NDArray[np.str_]
    rare: NDArray[np.bool_]
    embeddings: NDArray[np.float64]
    squares: NDArray[np.float64]

    def ask(self, query: Query) -> Answer:
        with self.engine.connect() as connection:
            return similar(connection, query)

    def distances(self, number: int) -> NDArray[np.float64]:
        """From one slice to all, from unit vectors of 4,096 numbers."""
        products = self.embeddings @ self.embeddings[number]
        squares = self.squares + self.squares[number] - 2 * products
        return np.asarray(np.sqrt(np.maximum(squares, 0)))


@pytest.fixture(scope="module")
def gallery(cluster_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gallery]:
    with fresh_database(cluster_url) as url:
        engine = create_engine(url)
        made = clustered_instances(PATIENTS, SLICES_EACH)
        with engine.begin() as connection:
            encoder = register(connection, made_encoder())
        fill(engine, made, encoder)
        file = tmp_path_factory.mktemp("export") / "gallery.npz"
        assert export_gallery(engine, file) == len(made)
        with np.load(file, allow_pickle=False) as archive:
            assert archive["sop_instance_uid"].tolist() == [m.sop_instance_uid for m in made]
            embeddings = archive["embedding"].astype(np.float64)
        yield Gallery(
            engine=engine,
            encoder=encoder,
            uids=[m.sop_instance_uid for m in made],
            patients=np.array([m.patient for m in made]),
            modalities=np.array([m.modality for m in made]),
            rare=np.array(["rare" in m.labels for m in made]),
            embeddings=embeddings,
            squares=np.einsum("ij,ij->i", embeddings, embeddings),
        )
        engine.dispose()


def lost(gallery: Gallery, answer: Answer, allowed: NDArray[np.bool_], number: int) -> int:
    """How many of the nearest of the allowed slices the answer lacks; all it says must be true."""
    distances = gallery.distances(number)
    expected = np.sort(distances[allowed])[: answer.query.k]
    numbers = [gallery.uids.index(n.sop_instance_uid) for n in answer.neighbours]
    assert allowed[numbers].all()
    assert len(set(numbers)) == len(numbers) == len(expected)
    found = np.array([n.distance for n in answer.neighbours])
    np.testing.assert_allclose(found, distances[numbers], atol=1e-4)
    assert (np.diff(found) >= 0).all()
    assert [n.rank for n in answer.neighbours] == list(range(1, len(expected) + 1))
    # Ranks may change places only where distances are equal to six decimals.
    return int((distances[numbers] > expected[-1:].max(initial=0) + 1e-6).sum())


def queries(count: int) -> list[int]:
    return sorted(np.random.default_rng(7).choice(PATIENTS * SLICES_EACH, count, False).tolist())


def worst(method: str, asked: int) -> int:
    """Neighbours that may be lost of those asked for: a random graph now and then loses one."""
    return asked // 100 if method == "hnsw" else 0


@pytest.mark.parametrize("method", ["hnsw", "exact"])
def test_the_ranking_is_numpys(gallery: Gallery, method: str) -> None:
    missing, otherwise = 0, 0
    for number in queries(100):
        answer = gallery.ask(Query(gallery.uids[number], k=K, exact=method == "exact"))
        assert answer.complete
        otherwise += answer.method != method
        missing += lost(gallery, answer, gallery.patients != gallery.patients[number], number)
    assert missing <= worst(method, 100 * K)
    # Where a short walk does not suffice, comparing 3,000 slices takes less than a longer one.
    assert otherwise <= (10 if method == "hnsw" else 0)


def test_the_patients_own_slices_come_when_asked_for(gallery: Gallery) -> None:
    missing = 0
    for number in queries(20):
        answer = gallery.ask(Query(gallery.uids[number], k=K, same_patient=True))
        # The nearest slices are the neighbours in the series, which is why they are left out.
        nearest = gallery.uids.index(answer.neighbours[0].sop_instance_uid)
        assert gallery.patients[nearest] == gallery.patients[number]
        missing += lost(gallery, answer, np.arange(len(gallery.uids)) != number, number)
    assert missing <= worst("hnsw", 20 * K)


@pytest.mark.parametrize("exact", [False, True])
@pytest.mark.parametrize("modality", ["CT", "MR"])
def test_a_modality_is_kept_to_and_loses_nothing(
    gallery: Gallery, modality: str, exact: bool
) -> None:
    missing = 0
    for number in queries(30):
        answer = gallery.ask(
            Query(gallery.uids[number], k=K, filters=Filters(modality=(modality,)), exact=exact)
        )
        assert answer.method == "exact" or not exact
        assert {n.modality for n in answer.neighbours} == {modality}
        others = gallery.patients != gallery.patients[number]
        missing += lost(gallery, answer, others & (gallery.modalities == modality), number)
    assert missing <= (0 if exact else worst("hnsw", 30 * K))


def test_a_rare_label_is_found_completely(gallery: Gallery) -> None:
    for number in queries(10):
        answer = gallery.ask(
            Query(gallery.uids[number], k=2 * SLICES_EACH, filters=Filters(label=("rare",)))
        )
        others = gallery.patients != gallery.patients[number]
        assert answer.complete
        assert all("rare" in n.labels for n in answer.neighbours)
        assert lost(gallery, answer, others & gallery.rare, number) == 0


def test_filters_that_leave_fewer_than_k_are_answered_exactly(gallery: Gallery) -> None:
    query = Query(gallery.uids[0], k=500, filters=Filters(label=("rare",)))
    answer = gallery.ask(query)
    assert (answer.method, answer.complete) == ("exact", True)
    assert len(answer.neighbours) == SLICES_EACH
    assert {n.modality for n in answer.neighbours} == {"MR"}
    # The other patient with that label has MR alone, and the query's own does not count.
    none = gallery.ask(replace(query, filters=Filters(modality=("CT",), label=("rare",))))
    assert (none.method, none.complete, none.neighbours) == ("exact", True, [])


def test_nothing_fits_an_unknown_label(gallery: Gallery) -> None:
    answer = gallery.ask(Query(gallery.uids[0], filters=Filters(label=("no'such;label--",))))
    assert (answer.method, answer.complete, answer.neighbours) == ("exact", True, [])


@pytest.mark.parametrize("k", [1, 200, 500])
def test_few_and_many_neighbours(gallery: Gallery, k: int) -> None:
    for number in queries(5):
        answer = gallery.ask(Query(gallery.uids[number], k=k))
        assert len(answer.neighbours) == k
        others = gallery.patients != gallery.patients[number]
        assert lost(gallery, answer, others, number) <= worst(answer.method, k)


def plans(gallery: Gallery, query: Query, monkeypatch: pytest.MonkeyPatch) -> str:
    """The plan of each statement of a search, asked for in the moment before it runs."""
    found: list[str] = []

    def explain(connection: Connection, sql: str, bound: dict[str, Any]) -> Sequence[Any]:
        settings, walks, name = sql.partition("EXECUTE ")
        if walks and "hnsw" in settings:
            with connection.connection.cursor() as own:
                own.execute(f"{settings} EXPLAIN EXECUTE {name}", bound)
                found.extend(row[0] for row in own.fetchall())
        return fetch(connection, sql, bound)

    def explain_scan(
        _connection: Connection, cursor: Any, statement: str, parameters: Any, *_others: object
    ) -> None:
        settings, scans, search = statement.partition("WITH scanned")
        if scans:
            with cursor.connection.cursor() as own:
                own.execute(f"{settings} EXPLAIN {scans}{search}", parameters)
                found.extend(row[0] for row in own.fetchall())

    fetch = prepared._fetch
    monkeypatch.setattr(prepared, "_fetch", explain)
    event.listen(gallery.engine, "before_cursor_execute", explain_scan)
    try:
        gallery.ask(query)
    finally:
        event.remove(gallery.engine, "before_cursor_execute", explain_scan)
    return "\n".join(found)


@pytest.mark.parametrize(
    "query",
    [
        Query(""),
        Query("", same_patient=True),
        Query("", filters=Filters(label=("disease 0", "disease 1", "disease 2"))),
    ],
)
def test_the_approximate_way_walks_the_index(
    gallery: Gallery, query: Query, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = plans(gallery, replace(query, sop_instance_uid=gallery.uids[1500]), monkeypatch)
    assert f"Index Scan using {gallery.encoder.partition}_hnsw_idx" in found
    assert f"Seq Scan on {gallery.encoder.partition}" not in found


def test_the_exact_way_reads_every_row(gallery: Gallery, monkeypatch: pytest.MonkeyPatch) -> None:
    found = plans(gallery, Query(gallery.uids[1500], exact=True), monkeypatch)
    assert "hnsw" not in found
    assert f"Seq Scan on {gallery.encoder.partition}" in found


def test_a_search_changes_nothing_for_the_next_user_of_the_connection(gallery: Gallery) -> None:
    with gallery.engine.connect() as connection:
        similar(connection, Query(gallery.uids[0]))
        for setting in ("enable_seqscan", "enable_bitmapscan"):
            assert connection.execute(text(f"SHOW {setting}")).scalar_one() == "on"
        connection.rollback()
        assert connection.execute(text("SHOW hnsw.iterative_scan")).scalar_one() == "off"
