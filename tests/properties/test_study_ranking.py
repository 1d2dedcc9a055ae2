"""Study scores, whatever the slices: what the ranking and the proof of it rest on."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from service.studies.bounds import Bounds
from service.studies.interaction import distances, interact
from service.studies.varied import varied
from tests.support.encoders import unit

Seeds = st.integers(0, 2**32 - 1)
ROUNDING = 1e-6


def slices(seed: int, most: int = 6) -> NDArray[np.float32]:
    random = np.random.default_rng(seed)
    return unit(random.normal(size=(int(random.integers(1, most + 1)), 5)))


@given(Seeds, Seeds, Seeds)
def test_a_score_depends_on_the_slices_and_not_on_their_order(
    one: int, other: int, order: int
) -> None:
    random = np.random.default_rng(order)
    query, others = slices(one), slices(other)
    mixed = interact(random.permutation(query), random.permutation(others))
    assert abs(mixed.score - interact(query, others).score) <= ROUNDING


@given(Seeds, Seeds)
def test_nothing_is_nearer_than_the_study_itself(one: int, other: int) -> None:
    query = slices(one)
    assert interact(query, query).score <= min(ROUNDING, interact(query, slices(other)).score + 1)


@given(Seeds, st.lists(Seeds, min_size=1, max_size=8), st.integers(1, 6), st.integers(1, 20))
def test_whatever_the_lists_held_no_bound_is_above_a_score(
    query_seed: int, seeds: list[int], slices_sent: int, depth: int
) -> None:
    query, studies = slices(query_seed), [slices(seed) for seed in seeds]
    sent = varied(query, slices_sent)
    bounds = Bounds(query, sent)
    for number, place in enumerate(sent):
        everyone = sorted(
            (float(distance), which)
            for which, others in enumerate(studies)
            for distance in distances(query[[place]], others)[0]
        )
        listed = everyone[:depth]
        least = {which: distance for distance, which in reversed(listed)}
        end = float("inf") if len(everyone) < depth else listed[-1][0]
        bounds.note(number, least, end)
    scores = [interact(query, others).score for others in studies]
    for which, least_score in zip(bounds.seen, bounds.of(bounds.seen), strict=True):
        assert least_score <= scores[which] + ROUNDING
    for which in set(range(len(studies))) - set(bounds.seen):
        assert bounds.unseen <= scores[which] + ROUNDING
