import numpy as np
import pytest

from service.calibration.ballots import Ballots, Question, Vote, calibration_error, collect
from service.calibration.checking import check_evidence
from service.calibration.listed import Slices, ask, patients_by_label
from service.calibration.novelty import (
    Subspace,
    conformal_threshold,
    cross_threshold,
    fit_subspace,
)
from service.calibration.temperature import cross_fit, fit, measure
from service.errors import InvalidParameter
from service.evidence.weighing import Weighing, balance_of, weigh

PATIENTS = 200


def test_weights_by_hand() -> None:
    """Two votes at 0.1 and 0.3, a seat at 0.2, and a temperature of 0.02."""
    weights, withheld = weigh(np.array([0.1, 0.3]), np.ones(2), Weighing(0.02, 0.2))
    parts = np.exp([-0.5, -4.5, -2.0])
    np.testing.assert_allclose([*weights, withheld], parts / parts.sum())


def test_a_missing_vote_weighs_nothing() -> None:
    weights, withheld = weigh(np.array([np.inf, 0.2]), np.ones(2), Weighing(0.02, 0.2))
    assert weights.tolist() == pytest.approx([0.0, 0.5])
    assert withheld == pytest.approx(0.5)


def test_a_vote_counts_by_how_rare_its_labels_are() -> None:
    patients = {"rare": 10, "frequent": 90}
    assert balance_of(("rare",), patients) == pytest.approx(60 / 20)
    assert balance_of(("frequent",), patients) == pytest.approx(60 / 100)
    assert balance_of(("rare", "frequent"), patients) == pytest.approx((3 + 0.6) / 2)
    assert balance_of(("unheard of",), patients) == pytest.approx(60 / 10)


def test_the_calibration_error_by_hand() -> None:
    """Three of confidence 0.9, of which two are right, and one of 0.3 that is wrong."""
    confidence = np.array([0.9, 0.9, 0.9, 0.3])
    right = np.array([True, True, False, False])
    expected = 0.75 * abs(2 / 3 - 0.9) + 0.25 * 0.3
    assert calibration_error(confidence, right, np.ones(4)) == pytest.approx(expected)
    # The wrong one of the three belongs to a patient of two slices.
    shares = np.array([1, 1, 0.5, 1])
    expected = (abs(2 - 2.5 * 0.9) + 0.3) / 3.5
    assert calibration_error(confidence, right, shares) == pytest.approx(expected)


def doubtful(seed: int = 1) -> Ballots:
    """Unanimous near votes that are wrong one time in ten, far ones one time in two."""
    random = np.random.default_rng(seed)
    questions = []
    for patient in range(PATIENTS):
        distance, chance = (0.1, 0.9) if patient % 2 else (0.4, 0.5)
        truth = "a" if random.random() < chance else "b"
        votes = tuple(Vote(distance + 0.001 * n, ("a",)) for n in range(5))
        questions.append(Question(str(patient), (truth,), votes))
    return collect(questions, {"a": 100, "b": 100})


def test_the_fit_believes_near_votes_as_far_as_they_are_right() -> None:
    ballots = doubtful()
    found = cross_fit(ballots)
    assert (found.questions, found.patients) == (PATIENTS, PATIENTS)
    assert found.ece < 0.08
    confidence, right = ballots.confidence(found.weighing)
    for distance in (0.1, 0.4):
        chosen = ballots.distances[:, 0] == distance
        assert confidence[chosen].mean() == pytest.approx(right[chosen].mean(), abs=0.08)
    # Unanimity alone would be sure of all of them.
    assert measure(ballots, Weighing(0.01, 2.0)).ece > 0.25


def test_what_is_judged_was_not_fitted_to() -> None:
    """Labels at random: whatever a fit learns of one half is worth nothing on the other."""
    random = np.random.default_rng(3)
    questions = [
        Question(str(n), (random.choice(["a", "b"]),), (Vote(random.random(), ("a",)),))
        for n in range(60)
    ]
    ballots = collect(questions, {"a": 30, "b": 30})
    assert cross_fit(ballots).ece > measure(ballots, fit(ballots)).ece


def test_a_question_whose_label_nobody_has_is_never_right() -> None:
    ballots = collect([Question("p", ("unheard of",), (Vote(0.1, ("a",)),))], {"a": 3})
    _, right = ballots.confidence(Weighing(0.1, 0.3))
    assert right.tolist() == [False]


def test_off_the_subspace_is_what_its_directions_do_not_reach() -> None:
    subspace = Subspace(np.array([1, 0, 0], np.float32), np.array([[0, 1, 0]], np.float32))
    points = np.array([[1, 5, 0], [1, 5, 2], [4, 0, 4]], np.float32)
    np.testing.assert_allclose(subspace.off(points), [0, 2, 5])


def test_the_subspace_holds_what_slices_vary_in() -> None:
    random = np.random.default_rng(1)
    points = np.zeros((300, 20))
    points[:, :3] = random.normal(size=(300, 3))
    points += 1e-3 * random.normal(size=points.shape)
    found = fit_subspace(points.astype(np.float32))
    assert found.directions.shape == (3, 20)
    np.testing.assert_allclose(found.directions @ found.directions.T, np.eye(3), atol=1e-5)


def test_the_threshold_is_a_rank_and_needs_enough_scores() -> None:
    scores = np.arange(1, 100, dtype=float)
    assert conformal_threshold(scores, 0.05) == 95
    assert conformal_threshold(np.arange(19, dtype=float), 0.05) == 18
    assert conformal_threshold(np.arange(18, dtype=float), 0.05) == np.inf


def test_a_threshold_keeps_its_promise_to_new_patients() -> None:
    random = np.random.default_rng(1)

    def patients(count: int) -> np.ndarray:
        points = np.concatenate(
            [random.normal(size=(count, 4)), 0.05 * random.normal(size=(count, 16))], axis=1
        )
        return points.astype(np.float32)

    some = patients(600)
    threshold = cross_threshold(some, np.arange(600), np.ones(600, bool), 0.05)
    assert threshold is not None
    alarms = np.mean(fit_subspace(some).off(patients(4000)) > threshold)
    assert 0.02 < alarms < 0.08
    assert cross_threshold(some[:39], np.arange(39), np.ones(39, bool), 0.05) is None
    # Forty patients cannot tell one alarm in a thousand.
    assert cross_threshold(some[:40], np.arange(40), np.ones(40, bool), 0.001) is None


def slices(count: int, first: int, labels: int = 2, seed: int = 0) -> Slices:
    """Patients of two slices each, near the centre of their label."""
    random = np.random.default_rng(seed)
    numbers = np.repeat(np.arange(first, first + count), 2)
    centres = np.eye(labels, 12)[numbers % labels]
    points = centres + 0.2 * random.normal(size=centres.shape)
    return Slices(
        points.astype(np.float32),
        [f"label {n % labels}" for n in numbers],
        [str(n) for n in numbers],
    )


def test_listed_slices_are_asked_as_a_gallery_is() -> None:
    everything = slices(8, 0)
    assert patients_by_label(everything) == {"label 0": 4, "label 1": 4}
    for row, question in enumerate(ask(everything, everything)):
        assert len(question.votes) == 7
        away = np.linalg.norm(everything.coordinates - everything.coordinates[row], axis=1)
        own = np.array(everything.patients) == everything.patients[row]
        assert question.votes[0].distance == pytest.approx(away[~own].min(), abs=1e-5)
        distances = [vote.distance for vote in question.votes]
        assert distances == sorted(distances)
    assert len(ask(everything, everything, voters=3)[0].votes) == 3


def test_figures_of_listed_slices() -> None:
    odd = np.full((5, 12), 3.0, np.float32)
    found = check_evidence(slices(60, 100, seed=1), slices(60, 0), odd)
    assert (found.shares.questions, found.shares.patients) == (120, 60)
    assert found.shares.ece < 0.15
    assert found.alarms.caught == 1.0
    assert found.alarms.false_alarms < 0.15
    brought = found.brought("measured here")
    assert (brought.evidence.origin, brought.evidence.protocol) == ("encoder", "measured here")
    assert brought.threshold == found.alarms.threshold


def test_too_few_patients_give_no_figures() -> None:
    with pytest.raises(InvalidParameter, match="queries have 39 patients"):
        check_evidence(slices(39, 100), slices(60, 0), None)
    with pytest.raises(InvalidParameter, match="gallery have 10"):
        check_evidence(slices(60, 100), slices(10, 0), None)
