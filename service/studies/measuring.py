"""How often the first study found has the query's label, against a vote of single slices.

Numbers only: it ranks by the very functions that answers are ranked by (docs/studies.md).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from service.studies.interaction import distances, interact


@dataclass(frozen=True, eq=False)
class LabelledStudy:
    """A study, or what stands for one: its slices' coordinates (n, D) and a label of each."""

    name: str
    coordinates: NDArray[np.float32]
    labels: tuple[str, ...]

    @property
    def label(self) -> str:
        """The label of most slices; of several such, the first by name."""
        return min(set(self.labels), key=lambda label: (-self.labels.count(label), label))


@dataclass(frozen=True)
class StudyFigures:
    """Shares of right answers (0 to 1) over all queries.

    `first_study`: the nearest study's label. `vote_1`, `vote_5`: the label of most of the 1 or 5
    nearest slices of each slice of the query, all slices of the gallery being candidates; a tie
    goes to the label whose slices are nearer on average. `single_slice` is over slices, not
    studies: the nearest slice's label. `mean_average_precision` is of the whole ranking of studies.
    """

    studies: int
    gallery: int
    first_study: float
    vote_1: float
    vote_5: float
    single_slice: float
    mean_average_precision: float


def measure(queries: Sequence[LabelledStudy], gallery: Sequence[LabelledStudy]) -> StudyFigures:
    """Ask `gallery` about each of `queries`; a study of the same name is left out of its answer."""
    found = [_judge(query, [one for one in gallery if one.name != query.name]) for query in queries]
    means = np.array([judged[:4] for judged in found], np.float64).mean(axis=0)
    slices = np.concatenate([judged[4] for judged in found])
    return StudyFigures(
        studies=len(queries),
        gallery=len(gallery),
        first_study=float(means[0]),
        vote_1=float(means[1]),
        vote_5=float(means[2]),
        single_slice=float(slices.mean()),
        mean_average_precision=float(means[3]),
    )


def _judge(
    query: LabelledStudy, gallery: Sequence[LabelledStudy]
) -> tuple[bool, bool, bool, float, NDArray[np.bool_]]:
    scores = [interact(query.coordinates, one.coordinates).score for one in gallery]
    right = np.array([one.label == query.label for one in gallery])[np.argsort(scores)]
    between = distances(query.coordinates, np.concatenate([one.coordinates for one in gallery]))
    labels = np.array([label for one in gallery for label in one.labels])
    nearest = labels[between.argmin(axis=1)]
    precision = np.cumsum(right) / np.arange(1, len(right) + 1)
    return (
        bool(right[0]),
        vote(between, labels, 1) == query.label,
        vote(between, labels, 5) == query.label,
        float(precision[right].mean()) if right.any() else 0.0,
        nearest == np.array(query.labels),
    )


def vote(between: NDArray[np.float64], labels: NDArray[np.str_], k: int) -> str:
    """The label of most of the k nearest of each query slice: `between` (n, m), `labels` (m,)."""
    places = np.argsort(between, axis=1, kind="stable")[:, :k]
    voters, far = labels[places].ravel(), np.take_along_axis(between, places, axis=1).ravel()
    ballots = [
        (-int((voters == label).sum()), float(far[voters == label].mean()), str(label))
        for label in np.unique(voters)
    ]
    return min(ballots)[2]
