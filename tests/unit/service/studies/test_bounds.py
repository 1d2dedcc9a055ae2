import numpy as np
import pytest
from numpy.typing import NDArray

from service.studies.bounds import Bounds
from service.studies.interaction import distances, interact
from service.studies.varied import varied
from tests.support.encoders import unit


def walk(count: int, seed: int) -> NDArray[np.float32]:
    """Slices as a series has them: each near the one before."""
    random = np.random.default_rng(seed)
    return unit(random.normal(size=8) + 0.2 * random.normal(size=(count, 8)).cumsum(axis=0))


def test_all_slices_are_sent_where_they_are_few() -> None:
    assert sorted(varied(walk(5, 1), 64)) == [0, 1, 2, 3, 4]


def test_equal_slices_are_sent_once() -> None:
    assert len(varied(np.repeat(walk(3, 1), 10, axis=0), 64)) == 3


@pytest.mark.parametrize("seed", range(5))
def test_every_slice_has_one_that_was_sent_near_by(seed: int) -> None:
    slices = walk(200, seed)
    sent = varied(slices, 20)
    assert len(set(sent.tolist())) == 20
    left = distances(slices, slices[sent]).min(axis=1).max()
    chosen = np.random.default_rng(seed).choice(200, 20, replace=False)
    assert left < distances(slices, slices[chosen]).min(axis=1).max()


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("slices_sent", [3, 40])
def test_no_study_scores_less_than_its_bound(seed: int, slices_sent: int) -> None:
    query = walk(30, seed)
    studies = {number: walk(8, 100 * seed + number) for number in range(30)}
    sent = varied(query, slices_sent)
    bounds = Bounds(query, sent)
    for number, place in enumerate(sent):
        everyone = sorted(
            (float(distances(query[[place]], slices[[one]])[0, 0]), unit_)
            for unit_, slices in studies.items()
            for one in range(len(slices))
        )
        listed = everyone[:12]
        least = {unit_: distance for distance, unit_ in reversed(listed)}
        bounds.note(number, least, listed[-1][0])
    scores = {number: interact(query, slices).score for number, slices in studies.items()}
    seen = bounds.seen
    for unit_, least_score in zip(seen, bounds.of(seen), strict=True):
        assert least_score <= scores[unit_] + 1e-9
    for unit_ in scores.keys() - set(seen):
        assert bounds.unseen <= scores[unit_] + 1e-9


def test_lists_that_hold_everything_leave_nothing_unseen() -> None:
    query = walk(3, 1)
    bounds = Bounds(query, varied(query, 3))
    for number in range(3):
        bounds.note(number, {7: 0.5}, float("inf"))
    assert bounds.unseen == float("inf")
    assert bounds.of([7])[0] == pytest.approx(0.5)
