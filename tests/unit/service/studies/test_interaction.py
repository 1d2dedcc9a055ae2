import numpy as np
import pytest
from numpy.typing import NDArray

from service.studies.interaction import distances, interact, score_at_least
from tests.support.encoders import unit


def some(count: int, seed: int) -> NDArray[np.float32]:
    return unit(np.random.default_rng(seed).normal(size=(count, 8)))


def test_each_slice_finds_its_nearest_and_the_longer_way_counts() -> None:
    query, others = some(5, 1), some(7, 2)
    found = interact(query, others)
    between = np.array([[np.linalg.norm(q - o) for o in others] for q in query])
    assert found.place.tolist() == between.argmin(axis=1).tolist()
    assert found.distance == pytest.approx(between.min(axis=1), abs=1e-6)
    assert found.back == pytest.approx(between.min(axis=0), abs=1e-6)
    there, back = between.min(axis=1).mean(), between.min(axis=0).mean()
    assert found.score == pytest.approx(max(there, back), abs=1e-6)


def test_the_order_of_slices_does_not_matter() -> None:
    query, others = some(6, 3), some(9, 4)
    random = np.random.default_rng(5)
    for _ in range(5):
        mixed = interact(random.permutation(query), random.permutation(others))
        assert mixed.score == pytest.approx(interact(query, others).score, abs=1e-9)


def test_a_study_is_nowhere_nearer_than_to_itself() -> None:
    query = some(6, 3)
    assert interact(query, query).score == pytest.approx(0, abs=1e-6)
    assert interact(query, query).place.tolist() == list(range(6))


@pytest.mark.parametrize(("count", "others"), [(1, 1), (1, 5), (5, 1), (3, 4)])
def test_any_two_numbers_of_slices_interact(count: int, others: int) -> None:
    found = interact(some(count, 1), some(others, 2))
    assert (found.place.shape, found.distance.shape) == ((count,), (count,))
    assert found.back.shape == (others,)
    assert 0 <= found.score <= 2


def test_near_slices_do_not_drown_in_rounding() -> None:
    query = some(1, 1)
    near = query.copy()
    near[0, 0] += np.float32(1e-4)
    assert distances(query, near)[0, 0] == pytest.approx(1e-4, rel=1e-2)


def test_lower_distances_never_bound_a_score_from_above() -> None:
    random = np.random.default_rng(7)
    for _ in range(50):
        found = interact(some(4, int(random.integers(1e6))), some(6, int(random.integers(1e6))))
        lower = found.distance * random.uniform(size=4)
        assert score_at_least(lower) <= found.score
