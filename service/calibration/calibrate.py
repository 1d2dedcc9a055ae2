"""Calibrates an encoder on the gallery's own patients, in well under a minute at any size.

Its patients may be those that the encoder was trained on, who say too much for it: such patients
are left out where the weights name them, and where they may be unknown, the calibration that the
encoder brought along bounds what is concluded here.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from functools import partial
from uuid import UUID

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection

from model.checkpoint_info import hash_group
from service.calibration.asking import ask_gallery
from service.calibration.ballots import Ballots, Question, collect
from service.calibration.brought import Brought
from service.calibration.figures import ALL, Calibration, EvidenceFigures, NoveltyFigures
from service.calibration.novelty import cross_threshold, fit_subspace
from service.calibration.quantiles import Quantiles, quantiles_of
from service.calibration.sampling import DrawnSlices, LabelledSlice, draw_labelled, draw_slices
from service.calibration.temperature import Fit, cross_fit, measure
from service.encoders.registry import ActiveEncoder
from service.evidence.provenance import patients_by_label

_QUESTIONED_PATIENTS = 500
_FEWEST_LABELLED = 40
_FEWEST_OF_A_MODALITY = 20
_MOST_COMPARED = 1500
_BUDGET_S = 30.0


@dataclass(frozen=True)
class Known:
    """What is known of the encoder beyond its rows.

    `seen` are the hashes of patients it was trained on, as `hash_group` makes them of a gallery's
    keys; `is_complete` says that no other patient of this gallery can be among those it saw.
    """

    brought: Brought | None = None
    seen: Collection[str] = ()
    is_complete: bool = False

    def has_seen(self, patient: UUID) -> bool:
        """Whether the encoder was trained on this patient of the gallery."""
        return bool(self.seen) and hash_group(patient.hex) in self.seen


def calibrate(
    connection: Connection,
    encoder: ActiveEncoder,
    known: Known,
    *,
    false_alarms: float = 0.05,
    budget_s: float = _BUDGET_S,
    is_stopped: Callable[[], bool] = lambda: False,
) -> Calibration:
    """All figures that this gallery allows, and in words why others are missing.

    Once `is_stopped`, it ends soon, and what it found is worth nothing.
    """
    drawn = draw_slices(connection, encoder)
    patients = len(set(drawn.patients))
    found = Calibration(
        patients=patients,
        slices=len(drawn.patients),
        labels=patients_by_label(connection, encoder),
        distances=_distances(drawn),
        novelty=_novelty(drawn, known, false_alarms),
        subspace=fit_subspace(drawn.coordinates) if patients > 1 else None,
    )
    if found.novelty is None:
        remark = f"Too few patients ({patients}) to say from where on nothing is similar."
        found = replace(found, remarks=(remark,))
    ask = partial(ask_gallery, connection, encoder, budget_s=budget_s, is_stopped=is_stopped)
    labelled = draw_labelled(connection, encoder, _QUESTIONED_PATIENTS)
    evidence, remarks = _evidence(labelled, ask, known, found)
    return replace(found, evidence=evidence, remarks=(*found.remarks, *remarks))


def _distances(drawn: DrawnSlices) -> dict[str, Quantiles]:
    """Within each modality that has patients enough, and over all."""
    found = {}
    modalities = np.array(drawn.modalities)
    for name in (ALL, *sorted(set(drawn.modalities) - {ALL})):
        of_it = drawn.first if name == ALL else drawn.first & (modalities == name)
        rows = np.flatnonzero(of_it)[:_MOST_COMPARED]
        if len(rows) >= _FEWEST_OF_A_MODALITY:
            found[name] = quantiles_of(drawn.coordinates[rows])
    return found


def _novelty(drawn: DrawnSlices, known: Known, false_alarms: float) -> NoveltyFigures | None:
    strangers = np.array([not known.has_seen(patient) for patient in drawn.patients], np.bool_)
    numbers = _numbered([p for p, kept in zip(drawn.patients, strangers, strict=True) if kept])
    threshold = cross_threshold(
        drawn.coordinates[strangers], numbers, drawn.first[strangers], false_alarms
    )
    if threshold is None:
        return None
    brought = None if known.is_complete else known.brought
    if brought is not None and brought.threshold > threshold:
        count = brought.evidence.patients
        return NoveltyFigures(brought.threshold, brought.false_alarms, count, "encoder")
    return NoveltyFigures(threshold, false_alarms, len(set(numbers.tolist())), "gallery")


def _numbered(patients: list[UUID]) -> NDArray[np.int64]:
    number: dict[UUID, int] = {}
    return np.array([number.setdefault(p, len(number)) for p in patients], np.int64)


def _evidence(
    drawn: Sequence[LabelledSlice],
    ask: Callable[[Sequence[LabelledSlice]], list[Question]],
    known: Known,
    found: Calibration,
) -> tuple[EvidenceFigures | None, tuple[str, ...]]:
    """The figures of evidence, or words that say why there are none."""
    if not found.labels:
        return None, ("No patient of this gallery has a label that counts.",)
    strangers = [labelled for labelled in drawn if not known.has_seen(labelled.slice.patient_key)]
    patients = len({labelled.slice.patient_key for labelled in strangers})
    if patients < _FEWEST_LABELLED or len(found.labels) < 2:
        if known.brought is not None and len(found.labels) > 1:
            return known.brought.evidence, ()
        return None, (_too_few(patients, len(drawn) > len(strangers), len(found.labels)),)
    questions = ask(strangers)
    if len({question.patient for question in questions}) < _FEWEST_LABELLED:
        return None, ("The gallery answered too few questions for shares in its time.",)
    return _judge(collect(questions, found.labels), known), ()


def _too_few(patients: int, has_seen: bool, labels: int) -> str:
    of_whom = " that the encoder was not trained on" if has_seen else ""
    return (
        f"Shares need {_FEWEST_LABELLED} patients with labels that count{of_whom}, and two labels; "
        f"there are {patients} with {labels}."
    )


def _judge(ballots: Ballots, known: Known) -> EvidenceFigures:
    """The gallery's own weighing, or the encoder's where that may be needed and is less sure."""
    own, brought = cross_fit(ballots), known.brought
    if brought is not None and not known.is_complete:
        theirs = measure(ballots, brought.evidence.weighing)
        if theirs.confidence < own.confidence:
            return brought.evidence
    return figures_of(own, "gallery", _PROTOCOL)


def figures_of(fit: Fit, origin: str, protocol: str) -> EvidenceFigures:
    """A fit as figures of evidence."""
    return EvidenceFigures(
        weighing=fit.weighing,
        ece=fit.ece,
        accuracy=fit.accuracy,
        questions=fit.questions,
        patients=fit.patients,
        origin="gallery" if origin == "gallery" else "encoder",
        protocol=protocol,
    )


_PROTOCOL = (
    "One slice of each patient and label of this gallery asked the other patients; the weights "
    "were fitted to one half of the patients and judged on the other, both ways, in five splits; "
    "every patient weighs the same; 15 bins."
)
