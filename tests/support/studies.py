"""Galleries of made-up studies with several series, for study search."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tests.support.encoders import DIMENSION, unit
from tests.support.galleries import MadeInstance

Slices = NDArray[np.float32]


@dataclass(frozen=True)
class StudyInstance(MadeInstance):
    """An instance whose study and series are said: one patient may have several studies."""

    study: str = ""
    series: str = ""

    @property
    def study_instance_uid(self) -> str:
        """As said."""
        return self.study

    @property
    def series_instance_uid(self) -> str:
        """As said, within the study."""
        return f"{self.study}.{self.series}"


def made_study(
    number: int,
    *series: Slices,
    patient: int | None = None,
    labels: Sequence[str] = (),
    modality: str = "MR",
) -> list[StudyInstance]:
    """Study 1.9.`number`, with series 1, 2, … of the coordinates given, (slices, D) each."""
    uid = f"1.9.{number}"
    return [
        StudyInstance(
            f"{uid}.{which}.{place}",
            patient=number if patient is None else patient,
            modality=modality,
            labels=tuple(labels),
            coordinates=coordinates[None],
            study=uid,
            series=str(which),
        )
        for which, slices in enumerate(series, start=1)
        for place, coordinates in enumerate(slices)
    ]


def clustered_studies(
    count: int, *, seed: int = 1, slices: int = 6, dimension: int = DIMENSION
) -> list[StudyInstance]:
    """Studies of two series each, that run through their own part of one of four clusters."""
    random = np.random.default_rng(seed)
    clusters = random.normal(size=(4, dimension))
    made: list[StudyInstance] = []
    for number in range(count):
        centre = clusters[number % 4] + 0.5 * random.normal(size=dimension)
        step = 0.1 * random.normal(size=dimension)
        lengths = random.integers(2, slices + 1, 2)
        series = [
            unit(
                centre
                + 0.3 * random.normal(size=dimension)
                + np.arange(length)[:, None] * step
                + 0.05 * random.normal(size=(length, dimension))
            )
            for length in lengths
        ]
        made += made_study(number, *series, labels=(f"cluster {number % 4}",))
    return made


def slices_of(made: Sequence[MadeInstance], study_instance_uid: str) -> Slices:
    """The coordinates of a study, (n, D)."""
    found = [m.coordinates for m in made if m.study_instance_uid == study_instance_uid]
    return np.concatenate([coordinates for coordinates in found if coordinates is not None])
