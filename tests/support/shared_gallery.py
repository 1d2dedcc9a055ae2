"""The real labelled slices beside the repository, as the shipped encoder sees them.

Decoding, preprocessing and network are the worker's own. Nothing is written: the coordinates live
as long as the test run, and a run embeds at most once (`shared_gallery` in tests/conftest.py).
"""

import csv
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import NAMESPACE_OID, UUID, uuid5

import numpy as np
from numpy.typing import NDArray

from service.decoding import Refusal, prepare_opening
from service.encoders.registry import EncoderDescription
from tests.support.galleries import MadeInstance

_AT_ONCE = 32


@dataclass(frozen=True)
class SharedSlice:
    """One line of slices.csv; `patient_id` may be a guess at one series, `fold` is by patient."""

    path: Path
    sop_instance_uid: str
    study_instance_uid: str
    series_instance_uid: str
    patient_id: str
    modality: str
    label: str
    fold: int

    @property
    def patient_key(self) -> UUID:
        """A key that stands for `patient_id`."""
        return uuid5(NAMESPACE_OID, self.patient_id)


@dataclass(frozen=True)
class SharedInstance(MadeInstance):
    """A listed slice for `tests.support.galleries.fill`, under its own UIDs."""

    of: SharedSlice | None = None

    @property
    def study_instance_uid(self) -> str:
        """As in the list."""
        assert self.of is not None
        return self.of.study_instance_uid

    @property
    def series_instance_uid(self) -> str:
        """As in the list."""
        assert self.of is not None
        return self.of.series_instance_uid

    @property
    def patient_key(self) -> UUID:
        """One for each group of the list."""
        assert self.of is not None
        return self.of.patient_key


@dataclass(frozen=True)
class SharedGallery:
    """Slices in the list's order, and their coordinates, float32 (N, D) of unit length."""

    slices: tuple[SharedSlice, ...]
    coordinates: NDArray[np.float32]
    encoder: EncoderDescription

    def of(self, *, modality: str | None = None, folds: Collection[int] = ()) -> "SharedGallery":
        """The part of one modality, of some folds, or both."""
        chosen = [
            number
            for number, one in enumerate(self.slices)
            if modality in (None, one.modality) and (not folds or one.fold in folds)
        ]
        slices = tuple(self.slices[number] for number in chosen)
        return SharedGallery(slices, self.coordinates[chosen], self.encoder)

    def instances(self) -> list[SharedInstance]:
        """The slices as rows of a made-up gallery, with their labels."""
        return [
            SharedInstance(
                sop_instance_uid=one.sop_instance_uid,
                modality=one.modality,
                labels=(one.label,),
                coordinates=self.coordinates[number : number + 1],
                of=one,
            )
            for number, one in enumerate(self.slices)
        ]


def read_slices(shared_data: Path) -> tuple[SharedSlice, ...]:
    """The lines of the list that lies beside the repository."""
    with (shared_data / "slices.csv").open(newline="") as file:
        return tuple(
            SharedSlice(
                path=shared_data / row["file"],
                sop_instance_uid=row["sop_instance_uid"],
                study_instance_uid=row["study_instance_uid"],
                series_instance_uid=row["series_instance_uid"],
                patient_id=row["patient_id"],
                modality=row["modality"],
                label=row["label"],
                fold=int(row["fold"]),
            )
            for row in csv.DictReader(file)
        )


def embed_shared(shared_data: Path, encoder: str = "dev") -> SharedGallery:
    """All listed slices, embedded now: a minute and a half on one idle core."""
    from model.checkpoint import checkpoint_named, load
    from model.embedder import Embedder

    embedder = Embedder(load(checkpoint_named(encoder)))
    slices = read_slices(shared_data)

    def pictures() -> Iterator[NDArray[np.float32]]:
        for start in range(0, len(slices), _AT_ONCE):
            opened = [
                prepare_opening(one.path, embedder.preprocess_config)
                for one in slices[start : start + _AT_ONCE]
            ]
            yield np.concatenate(
                [one.first.pictures for one in opened if not isinstance(one, Refusal)]
            )

    coordinates = embedder.coordinates_of(pictures())
    assert len(coordinates) == len(slices), "a listed slice does not decode"
    described = EncoderDescription(
        digest=embedder.digest,
        name=embedder.name,
        preprocessing=str(embedder.preprocess_config.version),
        basis=embedder.basis,
        metrics={},
    )
    return SharedGallery(slices, coordinates, described)
