"""Fits how votes are weighed to questions of known answer, and measures it on other patients'."""

from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

from service.calibration.ballots import Ballots, calibration_error
from service.evidence.weighing import Numbers, Weighing

# Distances lie between 0 and 2; nearest ones of other patients mostly between 0.02 and 0.4.
_TEMPERATURES = np.geomspace(0.005, 1.0, 18)
_SEATS = np.linspace(0.05, 1.2, 24)
_SPLITS = 5


@dataclass(frozen=True)
class Fit:
    """A weighing and how it does on patients it was not fitted to.

    `ece` is the expected calibration error, `accuracy` how often the label of the largest share is
    right, `confidence` the mean of the largest share; every patient weighs the same.
    """

    weighing: Weighing
    ece: float
    accuracy: float
    confidence: float
    questions: int
    patients: int


def fit(ballots: Ballots) -> Weighing:
    """The weighing whose largest share best foretells whether its label is right (log loss)."""
    candidates = [Weighing(float(t), float(s)) for t, s in product(_TEMPERATURES, _SEATS)]
    return min(candidates, key=lambda weighing: _loss(ballots, weighing))


def _loss(ballots: Ballots, weighing: Weighing) -> float:
    confidence, right = ballots.confidence(weighing)
    # No number of patients, however unanimous, shows a chance of error to be nil.
    least = 1.0 / (len(ballots) + 2)
    told = np.clip(np.where(right, confidence, 1.0 - confidence), least, 1.0 - least)
    return float(-(ballots.shares * np.log(told)).sum() / ballots.shares.sum())


def cross_fit(ballots: Ballots) -> Fit:
    """A weighing fitted to all questions, measured by halves: fitted to one, judged on the other.

    The halves share no patient, and both take both parts, in five splits.
    """
    outcomes = [
        _outcome(ballots, *_held_out(ballots, np.random.default_rng(seed)))
        for seed in range(_SPLITS)
    ]
    ece, accuracy, confidence = (float(part) for part in np.mean(outcomes, axis=0))
    patients = len(np.unique(ballots.patients))
    return Fit(fit(ballots), ece, accuracy, confidence, len(ballots), patients)


def measure(ballots: Ballots, weighing: Weighing) -> Fit:
    """How a given weighing does on these questions."""
    found = _outcome(ballots, *ballots.confidence(weighing))
    return Fit(weighing, *found, len(ballots), len(np.unique(ballots.patients)))


def _held_out(ballots: Ballots, random: np.random.Generator) -> tuple[Numbers, NDArray[np.bool_]]:
    in_first = halves(ballots.patients, random)
    confidence, right = np.zeros(len(ballots)), np.zeros(len(ballots), np.bool_)
    for chosen in (in_first, ~in_first):
        weighing = fit(ballots.of(chosen))
        confidence[~chosen], right[~chosen] = ballots.of(~chosen).confidence(weighing)
    return confidence, right


def halves(patients: NDArray[np.int64], random: np.random.Generator) -> NDArray[np.bool_]:
    """Which rows fall into the first half, by patients, numbered from 0."""
    count = int(patients.max(initial=-1)) + 1
    first = np.zeros(count, np.bool_)
    first[random.permutation(count)[: count // 2]] = True
    return first[patients]


def _outcome(
    ballots: Ballots, confidence: Numbers, right: NDArray[np.bool_]
) -> tuple[float, float, float]:
    share = ballots.shares / ballots.shares.sum()
    ece = calibration_error(confidence, right, ballots.shares)
    return ece, float((share * right).sum()), float((share * confidence).sum())
