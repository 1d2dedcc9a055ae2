from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from pydicom.encaps import encapsulate
from pydicom.uid import JPEG2000Lossless
from sqlalchemy import Engine, text

from dicom_node.files import ObjectStore
from model.embedder import Embedder
from service.db.vectors import decode_vector
from service.decoding import Prepared, Task, prepare_frames
from service.encoders.registry import ActiveEncoder
from service.labels.record import LabelRecord
from service.labels.writing import record_labels
from service.worker import Worker
from tests.integration.service.worker.conftest import Bench, MakeWorker, Settled
from tests.support.objects import ct_dataset
from tests.support.stored import waits_for_lock

Loaded = tuple[Embedder, ActiveEncoder]


def test_each_kind_of_object_is_settled_as_it_deserves(
    bench: Bench, make_worker: MakeWorker, store: ObjectStore, engine: Engine
) -> None:
    frames = np.random.default_rng(1).integers(0, 2000, (3, 64, 64)).astype(np.int16)
    good, volume, report, short, cut, gone = bench.add(
        ct_dataset(),
        ct_dataset(pixels=frames[0], NumberOfFrames=3, PixelData=frames.tobytes()),
        ct_dataset(PixelData=None, Modality="SR"),
        ct_dataset(PixelData=b"\0" * 100),
        ct_dataset(),
        ct_dataset(),
    )
    (garbage,) = bench.add(
        ct_dataset(PixelData=encapsulate([b"no codestream at all"])),
        transfer_syntax=JPEG2000Lossless,
    )
    with engine.connect() as connection:
        names = {
            row.sop_instance_uid: row.file_name
            for row in connection.execute(text("SELECT sop_instance_uid, file_name FROM instance"))
        }
    store.path(names[cut]).write_bytes(store.path(names[cut]).read_bytes()[:1500])
    store.remove(names[gone])
    make_worker().run(once=True)
    found = bench.settled()
    assert found[good] == Settled("embedded", None, 1, [])
    assert found[volume] == Settled("embedded", None, 3, [])
    assert (found[report].state, found[report].frames) == ("unsupported", 0)
    assert "without pixel data" in (found[report].reason or "")
    for uid, words in ((short, "fewer"), (cut, ""), (garbage, "frame 1")):
        assert (found[uid].state, found[uid].frames) == ("failed", 0)
        assert words in (found[uid].reason or "")
        assert found[uid].reason
        assert "Nobody" not in (found[uid].reason or "")
    # The disk is at fault, not the object: it waits for its file to come back.
    assert found[gone].state == "pending"
    assert "cannot be read" in (found[gone].reason or "")
    assert bench.waiting() == 1


def test_what_is_written_is_what_the_encoder_says(
    bench: Bench, make_worker: MakeWorker, loaded: Loaded, store: ObjectStore, engine: Engine
) -> None:
    bench.add(*(ct_dataset(seed=n, patient_id=f"P-{n}") for n in range(5)))
    make_worker(batch_size=2).run(once=True)
    embedder, encoder = loaded
    with engine.connect() as connection:
        rows = connection.execute(
            text(
                "SELECT vector_send(coordinates) AS vector, file_name, e.encoder_id, modality,"
                " e.patient_key = i.patient_key AS same_patient"
                " FROM embedding e JOIN instance i USING (instance_id)"
            )
        ).all()
    assert len(rows) == 5
    for row in rows:
        path = store.path(row.file_name)
        prepared = prepare_frames(Task(path, 0, 1), embedder.preprocess_config)
        assert isinstance(prepared, Prepared)
        expected = embedder.coordinates(prepared.pictures)[0]
        np.testing.assert_allclose(decode_vector(row.vector), expected, atol=1e-5)
        assert np.linalg.norm(expected) == pytest.approx(1, abs=1e-5)
        assert (row.encoder_id, row.modality, row.same_patient) == (encoder.encoder_id, "CT", True)


def test_what_searches_filter_by_stands_beside_it(
    bench: Bench, make_worker: MakeWorker, engine: Engine
) -> None:
    frames = np.random.default_rng(1).integers(0, 2000, (70, 16, 16)).astype(np.int16)
    bench.add(
        ct_dataset(PatientSex="F", PatientAge="061Y", ImageOrientationPatient=[1, 0, 0, 0, 0, -1]),
        ct_dataset(
            patient_id="P-2",
            pixels=frames[0],
            NumberOfFrames=70,
            PixelData=frames.tobytes(),
            ImageOrientationPatient=[0, 1, 0, 0, 0, -1],
        ),
        ct_dataset(patient_id="P-3"),
    )
    make_worker().run(once=True)
    with engine.connect() as connection:
        rows = connection.execute(
            text(
                "SELECT DISTINCT e.plane, e.patient_sex, e.patient_age_years,"
                " e.series_id = i.series_id AND e.study_id = s.study_id AS is_of_its_series"
                " FROM embedding e JOIN instance i USING (instance_id)"
                " JOIN series s ON s.series_id = i.series_id"
            )
        ).all()
    assert set(map(tuple, rows)) == {
        ("CORONAL", "F", 61, True),
        ("SAGITTAL", None, None, True),
        (None, None, None, True),
    }


def test_more_frames_than_go_into_one_task(bench: Bench, make_worker: MakeWorker) -> None:
    frames = np.random.default_rng(1).integers(0, 2000, (130, 16, 16)).astype(np.int16)
    (uid,) = bench.add(ct_dataset(pixels=frames[0], NumberOfFrames=130, PixelData=frames.tobytes()))
    make_worker().run(once=True)
    assert bench.settled()[uid] == Settled("embedded", None, 130, [])


def test_labels_that_came_first_are_copied(
    bench: Bench, make_worker: MakeWorker, engine: Engine
) -> None:
    one, other = ct_dataset(), ct_dataset()
    with engine.begin() as connection:
        record_labels(
            connection,
            [
                LabelRecord(str(one.SOPInstanceUID), None, "glioma", "board"),
                LabelRecord(None, str(one.StudyInstanceUID), "bleed", "report"),
            ],
        )
    bench.add(one, other)
    make_worker().run(once=True)
    found = bench.settled()
    assert found[str(one.SOPInstanceUID)].labels == ["bleed", "glioma"]
    assert found[str(other.SOPInstanceUID)].labels == []


def test_labels_that_are_being_imported_are_waited_for(
    bench: Bench, make_worker: MakeWorker, engine: Engine
) -> None:
    (uid,) = bench.add(ct_dataset())
    worker = make_worker()
    with ThreadPoolExecutor(1) as other, engine.connect() as importing:
        record_labels(importing, [LabelRecord(uid, None, "glioma", "board")])
        embedding = other.submit(worker.run_batch)
        assert waits_for_lock(engine, embedding)
        importing.commit()
        assert embedding.result() == 1
    assert bench.settled()[uid].labels == ["glioma"]


def test_a_worker_that_is_told_to_stop_ends_after_its_batch(
    bench: Bench, make_worker: MakeWorker
) -> None:
    bench.add(*(ct_dataset(seed=n) for n in range(6)))
    worker: Worker = make_worker(lambda _batch: worker.stop(), batch_size=2)
    worker.run()
    assert bench.states() == ["embedded"] * 2 + ["pending"] * 4
    assert bench.waiting() == 4
    worker.run()
    assert bench.waiting() == 4


def test_nothing_to_do_is_no_error(bench: Bench, make_worker: MakeWorker) -> None:
    worker = make_worker()
    assert worker.run_batch() == 0
    worker.run(once=True)
