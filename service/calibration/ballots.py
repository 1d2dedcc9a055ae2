"""Many questions whose answer is known, with the votes on each: what a weighing is judged by."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from service.evidence.weighing import Numbers, Weighing, balance_of, weigh

_BINS = 15


@dataclass(frozen=True)
class Vote:
    """One patient's nearest slice; without labels that count it is nobody's vote."""

    distance: float
    labels: tuple[str, ...]


@dataclass(frozen=True)
class Question:
    """A slice of known labels and the votes of other patients on it."""

    patient: str
    labels: tuple[str, ...]
    votes: tuple[Vote, ...]


@dataclass(frozen=True)
class Ballots:
    """n questions with up to k votes about C labels, as arrays.

    `distances` and `balance` are (n, k), infinite and 1 where there is no vote; `holds` (n, k, C)
    says which labels a vote has and `truth` (n, C) which the question has; `patients` (n,) are the
    questions' patients as numbers, `shares` (n,) their weight: every patient weighs the same.
    """

    distances: Numbers
    balance: Numbers
    holds: NDArray[np.float32]
    truth: NDArray[np.bool_]
    patients: NDArray[np.int64]
    shares: Numbers

    def __len__(self) -> int:
        return len(self.distances)

    def of(self, chosen: NDArray[np.bool_]) -> "Ballots":
        """The questions chosen."""
        return Ballots(
            self.distances[chosen],
            self.balance[chosen],
            self.holds[chosen],
            self.truth[chosen],
            self.patients[chosen],
            self.shares[chosen],
        )

    def confidence(self, weighing: Weighing) -> tuple[Numbers, NDArray[np.bool_]]:
        """The largest share of each question, and whether its label is right."""
        weights, _ = weigh(self.distances, self.balance, weighing)
        shares = np.einsum("nk,nkc->nc", weights, self.holds)
        best = shares.argmax(axis=1)
        each = np.arange(len(self))
        return shares[each, best], self.truth[each, best]


def collect(questions: Sequence[Question], patients: Mapping[str, int]) -> Ballots:
    """The questions as arrays; `patients` is how many patients of the gallery have each label."""
    names = sorted({name for q in questions for v in q.votes for name in v.labels})
    number = {name: n for n, name in enumerate(names)}
    shape = (len(questions), max((len(q.votes) for q in questions), default=0))
    distances, balance = np.full(shape, np.inf), np.ones(shape)
    # One label more than there are keeps the arrays whole when nobody votes at all.
    holds = np.zeros((*shape, len(names) + 1), np.float32)
    truth = np.zeros((len(questions), len(names) + 1), np.bool_)
    for n, question in enumerate(questions):
        truth[n, [number[name] for name in question.labels if name in number]] = True
        for k, vote in enumerate(question.votes):
            if vote.labels:
                distances[n, k] = vote.distance
                balance[n, k] = balance_of(vote.labels, patients)
                holds[n, k, [number[name] for name in vote.labels]] = 1.0
    found = np.unique([q.patient for q in questions], return_inverse=True, return_counts=True)
    _, owners, counts = found
    return Ballots(distances, balance, holds, truth, owners, 1.0 / counts[owners])


def calibration_error(
    confidence: Numbers, right: NDArray[np.bool_], shares: Numbers, bins: int = _BINS
) -> float:
    """Expected calibration error: mean gap between confidence and accuracy over bins of confidence.

    The bins are equally wide (Guo et al. 2017, arXiv 1706.04599); a question counts by its share.
    """
    member = np.minimum((confidence * bins).astype(int), bins - 1)
    gaps = np.bincount(member, weights=shares * (right - confidence), minlength=bins)
    return float(np.abs(gaps).sum() / shares.sum())
