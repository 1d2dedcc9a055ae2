"""What holds for votes and weights whatever the neighbours are."""

from random import Random
from uuid import UUID

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from service.calibration.ballots import Question, Vote, calibration_error, collect
from service.calibration.novelty import conformal_threshold
from service.calibration.quantiles import quantiles_of
from service.evidence.votes import VOTERS, nearest_of_each
from service.evidence.weighing import Weighing, balance_of, weigh
from service.search.found import Neighbour

distances = st.lists(st.floats(0, 2), min_size=1, max_size=30)
weighings = st.builds(Weighing, st.floats(0.001, 2), st.floats(0.01, 2))
labels = st.lists(st.sampled_from("abc"), min_size=1, max_size=2, unique=True).map(tuple)
votes = st.lists(st.builds(Vote, st.floats(0, 2), labels), min_size=1, max_size=VOTERS)


def neighbours(of_patients: list[tuple[int, float]]) -> list[Neighbour]:
    return [
        Neighbour(n, f"1.{n}", 1, "1", "1", "MR", distance, [], n, UUID(int=patient), 1, 1)
        for n, (patient, distance) in enumerate(of_patients)
    ]


@given(distances, weighings, st.data())
def test_weights_and_what_is_withheld_sum_to_one(
    found: list[float], weighing: Weighing, data: st.DataObject
) -> None:
    counts = st.lists(st.floats(0.01, 100), min_size=len(found), max_size=len(found))
    weights, withheld = weigh(np.array(found), np.array(data.draw(counts)), weighing)
    assert np.isclose(weights.sum() + withheld, 1.0)
    assert (weights >= 0).all()
    assert withheld >= 0


@given(distances, weighings)
def test_a_nearer_vote_never_weighs_less(found: list[float], weighing: Weighing) -> None:
    weights, _ = weigh(np.array(sorted(found)), np.ones(len(found)), weighing)
    assert (np.diff(weights) <= 1e-12).all()


@given(distances, weighings, st.floats(0.01, 1))
def test_farther_neighbours_leave_more_withheld(
    found: list[float], weighing: Weighing, farther: float
) -> None:
    ones = np.ones(len(found))
    _, before = weigh(np.array(found), ones, weighing)
    _, after = weigh(np.array(found) + farther, ones, weighing)
    assert after >= before - 1e-12


@given(st.lists(st.tuples(st.integers(1, 8), st.floats(0, 2)), max_size=60), st.randoms())
def test_each_patient_has_one_vote_in_whatever_order_slices_come(
    of_patients: list[tuple[int, float]], random: Random
) -> None:
    found = neighbours(of_patients)
    kept = nearest_of_each(found)
    assert len({n.patient_key for n in kept}) == len(kept) == len({p for p, _ in of_patients})
    for one in kept:
        rivals = [n.distance for n in found if n.patient_key == one.patient_key]
        assert one.distance == min(rivals)
    shuffled = list(found)
    random.shuffle(shuffled)
    assert nearest_of_each(shuffled) == kept


@given(st.floats(0, 0.1))
def test_a_hundred_slices_of_a_patient_are_one_vote(distance: float) -> None:
    many = [(1, distance + n / 1000) for n in range(100)]
    kept = nearest_of_each(neighbours([*many, (2, 0.3), (3, 0.4)]))
    assert [n.distance for n in kept] == [distance, 0.3, 0.4]


@given(st.lists(st.builds(Question, st.sampled_from("pqrs"), labels, votes.map(tuple)), min_size=1))
def test_questions_weigh_the_same_by_patient_and_shares_never_exceed_one(
    questions: list[Question],
) -> None:
    ballots = collect(questions, {"a": 3, "b": 50})
    for patient in np.unique(ballots.patients):
        assert np.isclose(ballots.shares[ballots.patients == patient].sum(), 1.0)
    confidence, right = ballots.confidence(Weighing(0.05, 0.3))
    assert ((confidence >= 0) & (confidence <= 1 + 1e-6)).all()
    assert 0 <= calibration_error(confidence, right, ballots.shares) <= 1


@given(st.dictionaries(st.sampled_from("abcd"), st.integers(1, 1000), min_size=1))
def test_a_rarer_label_never_counts_less(patients: dict[str, int]) -> None:
    names = sorted(patients, key=lambda name: patients[name])
    counted = [balance_of((name,), patients) for name in names]
    assert counted == sorted(counted, reverse=True)


@given(st.lists(st.floats(0, 1), min_size=20, max_size=200), st.sampled_from([0.05, 0.1, 0.3]))
def test_no_more_of_the_scores_exceed_their_threshold_than_asked_for(
    scores: list[float], alarms: float
) -> None:
    threshold = conformal_threshold(np.array(scores), alarms)
    assert np.mean(np.array(scores) > threshold) <= alarms


@given(st.integers(2, 40), st.integers(0, 100), st.floats(0, 2), st.floats(0, 2))
def test_percentiles_rise_with_distance(count: int, seed: int, one: float, other: float) -> None:
    points = np.random.default_rng(seed).normal(size=(count, 5)).astype(np.float32)
    quantiles = quantiles_of(points)
    near, far = sorted((one, other))
    assert 0 <= quantiles.percentile(near) <= quantiles.percentile(far) <= 100
    assert quantiles.percentile(100.0) == 100
