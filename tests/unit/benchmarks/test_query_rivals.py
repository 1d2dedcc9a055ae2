"""hnswlib and usearch on made-up slices, and what is said of them."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks.errors import BenchmarkError
from benchmarks.query.answers import find_truth
from benchmarks.query.recipe import load
from benchmarks.query.rivals import LEAST_RECALL, Library, libraries, tuned
from benchmarks.query.slices import MadeUpSlices, make_up


@pytest.fixture(scope="module")
def slices() -> MadeUpSlices:
    return make_up(2000, load())


@pytest.fixture(scope="module")
def found(slices: MadeUpSlices, tmp_path_factory: pytest.TempPathFactory) -> list[Library]:
    found = list(libraries(slices, tmp_path_factory.mktemp("libraries")))
    if not found:
        pytest.skip("neither hnswlib nor usearch is installed (the extra `bench`)")
    return found


@pytest.mark.parametrize("other_patients", [True, False])
def test_a_library_is_tuned_to_the_recall_demanded(
    slices: MadeUpSlices, found: list[Library], other_patients: bool
) -> None:
    queries = np.arange(0, 2000, 25)
    truth = find_truth(slices, queries, None, other_patients=other_patients)
    for library in found:
        rival = tuned(library, slices, queries, truth)
        answers = {query: rival(query) for query in queries.tolist()}
        assert truth.recall(answers) >= LEAST_RECALL
        assert truth.wrong(answers) == 0


def test_an_index_that_was_kept_is_loaded(slices: MadeUpSlices, tmp_path: Path) -> None:
    first = list(libraries(slices, tmp_path))
    again = list(libraries(slices, tmp_path))
    assert [one.build_s for one in again] == [one.build_s for one in first]
    for one, other in zip(first, again, strict=True):
        assert one.find(slices.coordinates[5], 5) == other.find(slices.coordinates[5], 5)


def test_a_library_that_finds_nothing_is_told(slices: MadeUpSlices) -> None:
    blind = Library("blind", lambda _vector, _count: [], lambda _width: None, 0.0, 0)
    queries = np.arange(10)
    truth = find_truth(slices, queries, None, other_patients=True)
    with pytest.raises(BenchmarkError, match="blind stays below"):
        tuned(blind, slices, queries, truth)
