"""What the query benchmark says about its samples."""

import numpy as np

from benchmarks.query.answers import find_truth
from benchmarks.query.clients import Crowd, crowd
from benchmarks.query.found import ALL, OTHERS, Case, Searched, Searching
from benchmarks.query.gallery import Gallery
from benchmarks.query.recipe import load
from benchmarks.query.results import results
from benchmarks.query.rivals import Library
from benchmarks.query.searchers import EXACT, REST, SEARCH, SQL, Searcher
from benchmarks.query.slices import SLICES_PER_PATIENT, make_up
from service.encoders.registry import ActiveEncoder

SLICES = make_up(1200, load())
QUERIES = np.array([0, 600])


def searcher(name: str, ms: float) -> Searcher:
    """One that took so long, and found the query's own patient: wrong where that is left out."""
    own = {q: list(range(q + 1, q + 11)) for q in QUERIES.tolist()}
    return Searcher(name, lambda _query: [], latencies=[ms / 1000] * 3, answers=own)


def case(name: str, *searchers: Searcher) -> Case:
    truth = find_truth(SLICES, QUERIES, None, other_patients=name == OTHERS)
    return Case(name, searchers, truth, {"hnsw": 2})


def searched(size: int, sql_ms: float, rest_ms: float) -> Searched:
    encoder = ActiveEncoder(1, "0", "made", 225)
    return Searched(
        size=size,
        gallery=Gallery(encoder, 2.0, 4.0, 1000 * size, 2000 * size, 500 * size),
        cases=(
            case(
                OTHERS,
                searcher(SQL, sql_ms),
                searcher(SEARCH, 1.25 * sql_ms),
                searcher(REST, rest_ms),
                searcher("hnswlib 0, ef 10", 0.5),
                searcher(EXACT, 9.0),
                searcher("NumPy, 4,096 dimensions", 50.0),
            ),
            case(ALL, searcher(SQL, sql_ms)),
        ),
        filtered=(case("modality=MR", searcher(SQL, 3.0)),),
        crowds=(Crowd(REST, 8, (0.01, 0.02), 400.0),),
        libraries=(Library("hnswlib 0", lambda _v, _k: [], lambda _w: None, 3.0, 1500 * size),),
    )


def told() -> str:
    searching = Searching("0.8.6", "made", (searched(1200, 2.0, 3.0), searched(12_000, 4.0, 7.5)))
    return " ".join(results(searching).notes)


def test_the_medians_are_compared() -> None:
    assert "4.0 times that of hnswlib" in told()
    assert "1/25.0 of that of NumPy, 4,096 dimensions" in told()
    assert "REST, HNSW: the median at 12,000 slices is 2.50 times that at 1,200." in told()
    assert "the median of the whole search in Python is 5.0 times that of hnswlib" in told()
    assert "HTTP, JSON and the route add 0.5 ms" in told()


def test_load_and_size_are_told() -> None:
    assert "1,200 slices: loading took 2.0 s (600 slices a second)" in told()
    assert "3,500 bytes a slice in the database: 1,000 its coordinates' row, 2,000" in told()


def test_rows_that_should_not_be_there_are_counted() -> None:
    # Five searchers with two answers of ten rows of the query's patient, and the filtered one.
    own = 10 * len(QUERIES)
    assert SLICES_PER_PATIENT > 10
    section = results(Searching("0.8.6", "made", (searched(1200, 2.0, 3.0),)))
    (note,) = (note for note in section.notes if "left out or outside" in note)
    assert note.endswith(f"in all answers: {5 * own + 0}.")


def test_every_table_has_a_row_for_each_search() -> None:
    section = results(Searching("0.8.6", "made", (searched(1200, 2.0, 3.0),)))
    assert [len(table.rows) for table in section.tables] == [6, 1, 1, 1, 2]
    for table in section.tables:
        assert all(len(row) == len(table.columns) for row in table.rows)


def test_several_clients_share_the_queries() -> None:
    asked: list[int] = []

    def ask(query: int) -> list[int]:
        asked.append(query)
        return []

    found = crowd("any", [ask, ask, ask], range(10))
    assert sorted(asked) == list(range(10))
    assert (found.clients, len(found.latencies)) == (3, 10)
