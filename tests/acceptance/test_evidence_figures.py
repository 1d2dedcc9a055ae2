"""The figures that docs/evidence.md promises, on real slices that the encoder has not seen.

The gallery is folds 1 to 3, which the encoder `dev` was trained on; fold 4 asks.
"""

import numpy as np
import pytest
from sqlalchemy import Engine

from service.calibration.ballots import calibration_error
from service.calibration.brought import read_brought
from service.calibration.calibrate import Known, calibrate
from service.calibration.checking import EvidenceCheck, check_evidence
from service.calibration.run import known_of
from service.calibration.store import save
from service.encoders.registry import ActiveEncoder, register
from service.evidence.evidence import Evidence, evidence_of
from service.search.target import Target
from service.settings import Settings
from tests.acceptance.conftest import Embedded
from tests.support.encoders import made_encoder
from tests.support.evidence import say
from tests.support.galleries import MadeInstance, fill

pytestmark = pytest.mark.timeout(900)
DEV = "msnet-0858f9dae7a5"


@pytest.fixture(scope="module")
def checked(embedded: Embedded) -> EvidenceCheck:
    asks = embedded.asks
    queries, gallery = embedded.slices.chosen(asks), embedded.slices.chosen(~asks)
    return check_evidence(queries, gallery, embedded.not_heads)


def test_shares_are_calibrated_on_patients_of_whom_nothing_was_fitted(
    checked: EvidenceCheck,
) -> None:
    assert (checked.shares.questions, checked.shares.patients) == (826, 140)
    assert checked.shares.ece <= 0.05
    # What the encoder's own patients make one believe is why nothing is fitted to them alone.
    assert checked.own_shares.ece > checked.shares.ece


def test_what_is_no_head_is_unlike_the_gallery(checked: EvidenceCheck) -> None:
    assert checked.alarms.caught is not None
    assert checked.alarms.caught >= 0.8
    assert checked.alarms.false_alarms <= 0.06


def test_the_encoder_brings_these_figures_along(checked: EvidenceCheck, settings: Settings) -> None:
    brought = read_brought(DEV, settings.state_dir)
    assert brought is not None
    assert brought.evidence.weighing == checked.shares.weighing
    assert brought.evidence.ece == pytest.approx(checked.shares.ece, abs=0.005)
    assert brought.threshold == pytest.approx(checked.alarms.threshold, abs=0.003)


def test_a_gallery_of_the_encoders_own_patients_is_not_fooled_by_them(
    embedded: Embedded, engine: Engine, settings: Settings
) -> None:
    """From end to end in PostgreSQL: calibrated by itself, asked about strangers."""
    encoder, known = _fill(embedded, engine), known_of(DEV, settings.state_dir)
    with engine.begin() as connection:
        naive = calibrate(connection, encoder, Known())
        found = calibrate(connection, encoder, known)
        save(connection, encoder, found)
        asks = np.flatnonzero(embedded.asks)[::2]
        answers = [
            evidence_of(connection, encoder, Target(coordinates=embedded.slices.coordinates[row]))
            for row in asks
        ]
        others = [
            evidence_of(connection, encoder, Target(coordinates=coordinates))
            for coordinates in embedded.not_heads
        ]
    assert naive.evidence is not None
    assert naive.evidence.ece < 0.01
    assert found.evidence is not None
    assert found.evidence.origin == "encoder"
    alarms = [answer.similarity.nothing_similar for answer in answers]
    assert np.mean([bool(alarm) for alarm in alarms]) <= 0.07
    assert np.mean([bool(other.similarity.nothing_similar) for other in others]) >= 0.8
    told = [(answer, embedded.rows[row].label) for answer, row in zip(answers, asks, strict=True)]
    assert _error_of([(answer, label) for answer, label in told if answer.shares]) <= 0.05


def _error_of(told: list[tuple[Evidence, str]]) -> float:
    confidence = np.array([answer.shares[0].share for answer, _ in told])
    right = np.array([answer.shares[0].label == label for answer, label in told])
    return calibration_error(confidence, right, np.ones(len(told)))


def _fill(embedded: Embedded, engine: Engine) -> ActiveEncoder:
    patients = {name: n for n, name in enumerate(sorted(set(embedded.slices.patients)))}
    made = [
        MadeInstance(
            row.sop_instance_uid,
            patient=patients[row.patient_id],
            modality=row.modality,
            labels=(row.label,),
            coordinates=embedded.slices.coordinates[number][None],
        )
        for number, row in enumerate(embedded.rows)
        if not embedded.asks[number]
    ]
    dimension = embedded.slices.coordinates.shape[1]
    with engine.begin() as connection:
        encoder = register(connection, made_encoder(dimension=dimension))
    fill(engine, made, encoder)
    say(engine, made)
    return encoder
