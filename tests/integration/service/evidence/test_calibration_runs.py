"""Calibrating beside everything else: deletions, another calibration, the end of the node."""

from itertools import count
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, text

from service.calibration import store
from service.calibration.asking import ask_gallery
from service.calibration.ballots import Question
from service.calibration.calibrate import Known
from service.calibration.figures import Calibration
from service.calibration.run import calibrate_gallery, calibrate_if_due
from service.encoders.registry import ActiveEncoder
from service.settings import Settings
from tests.integration.service.evidence.conftest import calibrated
from tests.support.evidence import labelled_gallery


def test_what_goes_meanwhile_is_there_until_it_is_done(
    settings: Settings, engine: Engine, encoder: ActiveEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    labelled_gallery(engine, encoder)

    def ask_after_a_deletion(*args: Any, **named: Any) -> list[Question]:
        with engine.begin() as connection:
            connection.execute(text("DELETE FROM label"))
            connection.execute(text("DELETE FROM instance"))
        return ask_gallery(*args, **named)

    monkeypatch.setattr("service.calibration.calibrate.ask_gallery", ask_after_a_deletion)
    found = calibrate_if_due(engine, settings)
    assert found is not None
    assert found.evidence is not None
    assert found.evidence.patients == 60


def test_two_at_once_are_both_kept_one_after_the_other(
    settings: Settings, engine: Engine, encoder: ActiveEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    labelled_gallery(engine, encoder)
    calibrated(engine, encoder)

    def ask_after_another(*args: Any, **named: Any) -> list[Question]:
        calibrated(engine, encoder)
        return ask_gallery(*args, **named)

    monkeypatch.setattr("service.calibration.calibrate.ask_gallery", ask_after_another)
    with monkeypatch.context() as usual:
        usual.setattr("tests.integration.service.evidence.conftest.calibrate", without_asking)
        _, found = calibrate_gallery(engine, settings)
    with engine.connect() as connection:
        kept = store.load(connection, encoder)
    assert kept is not None
    assert kept.computed_at == found.computed_at


def without_asking(connection: Connection, encoder: ActiveEncoder, known: Known) -> Calibration:
    """A calibration in no time."""
    return Calibration(patients=0, slices=0)


def test_a_stop_ends_it_with_nothing_kept(
    settings: Settings, engine: Engine, encoder: ActiveEncoder
) -> None:
    labelled_gallery(engine, encoder)
    questions = count(1)
    assert calibrate_if_due(engine, settings, lambda: next(questions) > 3) is None
    # Three were asked; the fourth look ended it, and the fifth kept it from being kept.
    assert next(questions) == 6
    with engine.connect() as connection:
        assert store.load(connection, encoder) is None
