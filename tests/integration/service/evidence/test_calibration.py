"""Calibrating a real gallery: what is drawn, what an encoder's own patients are worth, when."""

import json
from pathlib import Path

import httpx
import numpy as np
import pytest
from sqlalchemy import Engine, text

from model.checkpoint_info import hash_group
from service.calibration import store
from service.calibration.brought import Brought, read_brought, write_brought
from service.calibration.calibrate import Known, calibrate
from service.calibration.figures import EvidenceFigures
from service.calibration.run import calibrate_if_due, known_of
from service.calibration.sampling import draw_labelled, draw_slices
from service.encoders.registry import ActiveEncoder
from service.errors import ConfigurationError
from service.evidence.weighing import Weighing
from service.housekeeping.keeper import Housekeeping
from service.settings import Settings
from tests.integration.service.evidence.conftest import Calibrated, calibrated
from tests.support.commands import Shell
from tests.support.evidence import labelled_gallery, say
from tests.support.galleries import MadeInstance, clustered_instances, fill
from tests.support.waiting import eventually

CAREFUL = EvidenceFigures(Weighing(0.3, 0.1), 0.02, 0.9, 800, 140, "encoder", "elsewhere")


def test_what_is_kept_comes_back_as_it_was(gallery: Calibrated) -> None:
    with gallery.engine.connect() as connection:
        kept = store.load(connection, gallery.encoder)
    assert kept is not None
    assert kept.subspace is not None
    assert gallery.calibration.subspace is not None
    np.testing.assert_array_equal(kept.subspace.mean, gallery.calibration.subspace.mean)
    np.testing.assert_array_equal(kept.subspace.directions, gallery.calibration.subspace.directions)
    for name in ("patients", "slices", "labels", "distances", "novelty", "evidence", "remarks"):
        assert getattr(kept, name) == getattr(gallery.calibration, name)


def test_the_same_gallery_gives_the_same_figures(gallery: Calibrated) -> None:
    with gallery.engine.begin() as connection:
        again = calibrate(connection, gallery.encoder, Known())
    assert again.evidence == gallery.calibration.evidence
    assert again.novelty == gallery.calibration.novelty
    assert again.distances == gallery.calibration.distances


def test_every_patient_and_label_is_drawn_once(gallery: Calibrated) -> None:
    with gallery.engine.connect() as connection:
        drawn = draw_slices(connection, gallery.encoder)
        labelled = draw_labelled(connection, gallery.encoder, 500)
        some = draw_labelled(connection, gallery.encoder, 10)
    assert drawn.first.sum() == len(set(drawn.patients)) == 60
    assert len(drawn.patients) == 180
    asked = [(one.slice.patient_key, one.slice.instance_id) for one in labelled]
    assert len(asked) == len(set(asked))
    assert {patient for patient, _ in asked} == set(drawn.patients)
    assert len({one.slice.patient_key for one in some}) == 10
    assert some == labelled[: len(some)]


def test_a_frequent_patient_is_drawn_no_more_than_eight_times(
    engine: Engine, encoder: ActiveEncoder
) -> None:
    fill(engine, clustered_instances(4, 30), encoder)
    with engine.connect() as connection:
        drawn = draw_slices(connection, encoder)
    assert len(drawn.patients) == 4 * 8


def test_of_a_large_table_a_part_of_its_pages_is_read(
    engine: Engine, encoder: ActiveEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(engine, clustered_instances(150, 4), encoder)
    with engine.begin() as connection:
        connection.execute(text(f"ANALYZE {encoder.partition}"))
        everything = draw_slices(connection, encoder)
        monkeypatch.setattr("service.calibration.sampling._ROWS_READ", 300)
        drawn = draw_slices(connection, encoder)
        again = draw_slices(connection, encoder)
    assert len(everything.patients) == 600
    assert 0 < len(drawn.patients) < 600
    assert drawn.patients == again.patients
    assert drawn.first.sum() == len(set(drawn.patients))


def test_patients_that_the_encoder_was_trained_on_are_left_out(gallery: Calibrated) -> None:
    seen = {made.patient_key for made in gallery.instances if made.patient < 10}
    known = Known(seen={hash_group(key.hex) for key in seen}, is_complete=True)
    with gallery.engine.begin() as connection:
        found = calibrate(connection, gallery.encoder, known)
    assert found.evidence is not None
    assert found.novelty is not None
    assert found.evidence.patients == found.novelty.patients == 50


def test_a_gallery_of_patients_that_the_encoder_saw_gives_no_shares(gallery: Calibrated) -> None:
    seen = {hash_group(made.patient_key.hex) for made in gallery.instances}
    with gallery.engine.begin() as connection:
        found = calibrate(connection, gallery.encoder, Known(seen=seen, is_complete=True))
        brought = Known(Brought(CAREFUL, 0.5, 0.05), seen, is_complete=True)
        with_brought = calibrate(connection, gallery.encoder, brought)
    assert (found.evidence, found.novelty) == (None, None)
    assert any("was not trained on" in remark for remark in found.remarks)
    assert with_brought.evidence == CAREFUL


def test_where_patients_may_have_been_seen_the_more_careful_figures_hold(
    gallery: Calibrated,
) -> None:
    brought = Brought(CAREFUL, 10.0, 0.05)
    bold = Brought(
        EvidenceFigures(Weighing(0.005, 1.9), 0.0, 1.0, 1, 1, "encoder", "elsewhere"), 0.0, 0.05
    )
    with gallery.engine.begin() as connection:
        bounded = calibrate(connection, gallery.encoder, Known(brought))
        own = calibrate(connection, gallery.encoder, Known(bold))
        surely_unseen = calibrate(connection, gallery.encoder, Known(brought, is_complete=True))
    assert bounded.evidence == CAREFUL
    assert bounded.novelty is not None
    assert (bounded.novelty.threshold, bounded.novelty.origin) == (10.0, "encoder")
    assert own.evidence == surely_unseen.evidence == gallery.calibration.evidence
    assert own.novelty == surely_unseen.novelty == gallery.calibration.novelty


def test_what_an_encoder_brings_is_read_from_beside_its_weights(tmp_path: Path) -> None:
    assert known_of("unheard-of", tmp_path) == Known()
    path = tmp_path / "encoders" / "trained-here.evidence.json"
    path.parent.mkdir()
    write_brought(path, Brought(CAREFUL, 0.1, 0.05))
    assert read_brought("trained-here", tmp_path) == Brought(CAREFUL, 0.1, 0.05)
    path.write_text(json.dumps({"evidence": {}}))
    with pytest.raises(ConfigurationError, match="check-evidence"):
        read_brought("trained-here", tmp_path)


def test_it_is_done_again_when_slices_or_labels_came(
    settings: Settings, engine: Engine, encoder: ActiveEncoder
) -> None:
    made = labelled_gallery(engine, encoder, patients=6)
    assert calibrate_if_due(engine, settings) is not None
    say(engine, [MadeInstance(m.sop_instance_uid, labels=("other",)) for m in made[:1]])
    assert calibrate_if_due(engine, settings) is None
    with engine.begin() as connection:
        # As if some minutes had gone by since, and the label had come meanwhile.
        connection.execute(text("UPDATE calibration SET computed_at = now() - interval '10 min'"))
    found = calibrate_if_due(engine, settings)
    assert found is not None
    assert found.labels["other"] == 1
    with engine.begin() as connection:
        connection.execute(text("UPDATE label SET recorded_at = now() - interval '1 day'"))
        connection.execute(text("UPDATE calibration SET computed_at = now() - interval '10 min'"))
    assert calibrate_if_due(engine, settings) is None


def test_an_empty_gallery_is_calibrated_to_nothing(engine: Engine, encoder: ActiveEncoder) -> None:
    found = calibrated(engine, encoder)
    assert (found.patients, found.distances, found.novelty, found.evidence) == (0, {}, None, None)
    assert len(found.remarks) == 2


def test_the_command_tells_it_to_people_and_to_scripts(
    shell: Shell, engine: Engine, encoder: ActiveEncoder
) -> None:
    labelled_gallery(engine, encoder, patients=45)
    told = shell.run("index", "calibrate")
    assert told.code == 0, told.errors
    for words in ("expected calibration error", "45 patients", "patients with disease 0"):
        assert words in told.output
    found = shell.run("index", "calibrate", "--json", "--encoder", encoder.name).json()
    assert found["evidence"]["patients"] == 45
    assert found["encoder"] == encoder.name
    unknown = shell.run("index", "calibrate", "--encoder", "nobody")
    assert (unknown.code, "knows no encoder nobody" in unknown.errors) == (2, True)


def test_the_api_never_gives_a_bare_label(
    client: httpx.Client, engine: Engine, encoder: ActiveEncoder
) -> None:
    made = labelled_gallery(engine, encoder)
    url = f"/v1/instances/{made[0].sop_instance_uid}/evidence"
    calibrated(engine, encoder)
    body = client.get(url).raise_for_status().json()
    assert "not a diagnosis" in body["statement"]
    assert body["reliability"]["ece"] < 0.5
    assert body["reliability"]["protocol"]
    for share in body["shares"]:
        assert share["patients"] >= 1
        assert share["in_gallery"] >= share["patients"]
    total = sum(neighbour["weight"] for neighbour in body["neighbours"]) + body["withheld"]
    assert total == pytest.approx(1.0)
    assert {label["source"] for n in body["neighbours"] for label in n["labels"]} == {"report"}
    assert "patient_key" not in json.dumps(body)
    assert client.get("/v1/instances/9.9.9/evidence").status_code == 404


def test_the_node_calibrates_by_itself(
    settings: Settings, engine: Engine, encoder: ActiveEncoder
) -> None:
    labelled_gallery(engine, encoder, patients=5)
    housekeeping = Housekeeping(settings, engine, pause_s=0.05)
    housekeeping.start()

    def is_calibrated() -> bool:
        with engine.connect() as connection:
            found = store.load(connection, encoder)
        return found is not None and found.patients == 5

    eventually(is_calibrated, "the gallery is calibrated")
    housekeeping.stop()
