"""Expected figures of a random order, against every order there is."""

from itertools import permutations

import numpy as np
import pytest

from model.evaluation.chance import chance
from model.evaluation.measures import MEASURES, measure


@pytest.mark.parametrize(
    "grades", [[1], [0, 1], [0, 0, 1, 2], [1, 1, 2, 2, 0], [0, 0, 0, 2, 1, 1, 0]]
)
def test_the_expectation_is_the_mean_over_all_orders(grades: list[int]) -> None:
    orders = np.array(list(permutations(grades)), np.int8)
    relevant, twos = sum(grade > 0 for grade in grades), grades.count(2)

    found = chance(np.array([relevant]), np.array([twos]), np.array([len(grades)]))

    assert found[0] == pytest.approx(measure(orders).mean(axis=0))


def test_a_gallery_larger_than_every_cut() -> None:
    random = np.random.default_rng(1)
    grades = np.r_[np.full(30, 2), np.full(90, 1), np.zeros(180)].astype(np.int8)
    orders = random.permuted(np.tile(grades, (4000, 1)), axis=1)

    found = dict(
        zip(MEASURES, chance(np.array([120]), np.array([30]), np.array([300]))[0], strict=True)
    )

    drawn = dict(zip(MEASURES, measure(orders).mean(axis=0), strict=True))
    assert found == pytest.approx(drawn, abs=0.02)
    assert found["precision_at_10"] == pytest.approx(0.4)
    assert found["recall_at_100"] == pytest.approx(1 / 3)
